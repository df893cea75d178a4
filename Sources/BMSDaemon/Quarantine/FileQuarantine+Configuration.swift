// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Environment
internal import Policies
internal import Quarantine
internal import Store

extension FileQuarantine {
  /// The quarantine that a configuration asks for; nil when it asks for none.
  convenience init?(_ configuration: Configuration, _ store: StateStore) {
    let options = configuration.settings(QuarantineOptions.self)
    guard options.isPresent else { return nil }
    self.init(
      folder: SystemFolder(options.dir.path), store: store, random: SystemRandom(),
      rules: QuarantineRules(configuration))
  }

  /// What the daemon does before it keeps anything: makes the folder where it can, and removes what
  /// an earlier process did not finish. What is wrong with the folder, `care` will tell.
  func prepare() {
    try? SystemFolder(folder.path).make(mode: 0o750)
    _ = removeUnfinished()
  }
}

extension QuarantineRules {
  init(_ configuration: Configuration) {
    let options = configuration.settings(QuarantineOptions.self)
    self.init(
      keep: Int64(options.keep.milliseconds), maximumSize: options.maximumSize.bytes,
      minFree: configuration.settings(StoreOptions.self).minFree.bytes)
  }
}
