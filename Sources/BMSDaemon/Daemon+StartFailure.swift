// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Glibc
internal import Store

extension Daemon.StartFailure {
  /// What `error` comes to when it keeps the daemon from starting.
  init(_ error: any Error, _ configuration: Configuration) {
    if let failure = error as? Self {
      self = failure
      return
    }
    let store = configuration.settings(StoreOptions.self)
    let line = (error as? StoreTrouble)?.atStart(store.path.path) ?? "\(error)"
    self.init(status: EX_UNAVAILABLE, lines: [line])
  }
}

extension StoreTrouble {
  /// Why a daemon does not start with the database at `path`, and what helps.
  fileprivate func atStart(_ path: String) -> String {
    switch self {
    case .newer, .inUse, .foreign: description
    case .damaged:
      "\(path): \(self); move it aside and bmsd begins with an empty one, or put back a copy"
    case .readOnly:
      "\(path): \(self); it and its folder must belong to bmsd's user"
    case .busy, .full, .failing, .other: "\(path): \(self)"
    }
  }
}
