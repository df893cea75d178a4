// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Environment
internal import Policies

extension Setup {
  /// What is taken out of mail must be had back.
  static func quarantineFaults(
    _ configuration: Configuration, _ files: any FileSource
  ) -> [ConfigurationFault] {
    let defang = configuration.settings(DefangOptions.self)
    let options = configuration.settings(QuarantineOptions.self)
    guard !options.isPresent else { return folderFaults(options.dir, configuration, files) }
    guard defang.isPresent, defang.mode == .enforce, defang.action.keepsOriginal else { return [] }
    return [
      configuration.fault(
        "action = \(defang.action.rawValue) keeps the originals in the quarantine: add the section "
          + "[quarantine]",
        option: "defang.mode")
    ]
  }

  /// Only what the file itself says is an error. What is wrong on the disk is a warning: it may be
  /// mended while bmsd runs, or look different to its user, and until then only mail that must be
  /// kept is deferred. A daemon that did not start would have all of it deferred.
  private static func folderFaults(
    _ folder: FilePath, _ configuration: Configuration, _ files: any FileSource
  ) -> [ConfigurationFault] {
    func fault(
      _ message: String, _ severity: ConfigurationFault.Severity = .warning
    ) -> ConfigurationFault {
      configuration.fault(message, option: "quarantine.dir", severity: severity)
    }
    guard !folder.isEmpty else {
      return [fault("no folder is named, so that nothing can be kept", .error)]
    }
    var faults: [ConfigurationFault] = []
    if !folder.text.hasPrefix("/") {
      faults.append(
        fault("originals go to \(folder.path), beside this file: write an absolute path"))
    }
    let home = Privileges.folder(of: configuration.settings(StoreOptions.self).path.path)
    switch files.folder(at: folder.path) {
    case .noFolder:
      faults.append(
        fault("\(folder.path) is no folder: mail whose original must be kept is deferred"))
    case .absent(hasParent: false) where Privileges.folder(of: folder.path) != home:
      faults.append(
        fault(
          "\(folder.path) is not there, and neither is the folder it lies in, so that bmsd cannot "
            + "make it"))
    case .folder(let rights) where rights.isReadOnly:
      faults.append(fault("\(folder.path) is on a file system that is mounted read-only"))
    case .folder(let rights):
      guard case .folder(let own) = files.folder(at: home), own.owner != 0,
        rights.isClosed(to: own.owner)
      else { break }
      faults.append(
        fault(
          "\(folder.path) cannot be written by the user whose \(home) is (uid \(own.owner)), as "
            + "whom bmsd runs"))
    case .absent, .unknown: break
    }
    return faults
  }
}
