// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB

/// Why a database could not be used, in words for the log and `bmsd status`.
///
/// Never a reason to refuse mail: modules let it become their `on_error`.
package enum StoreTrouble: Error, Equatable, CustomStringConvertible {
  /// Another process or thread held the write lock for longer than we may wait.
  case busy
  /// No space left on the device, or less than `min_free`.
  case full
  /// The file or its folder cannot be written.
  case readOnly
  /// The file is damaged or no database.
  case damaged(String)
  /// Written by a later version of bmsd.
  case newer(path: String)
  /// What stands at the path is no file of ours, and is left alone.
  case foreign(path: String)
  /// Another process has it; `by` says which.
  case inUse(path: String, by: String)
  /// The last attempt failed so; the next probe is not due yet.
  case failing(String)
  /// Anything else that SQLite or the system says.
  case other(String)

  package init(_ error: any Error) {
    if let trouble = error as? StoreTrouble {
      self = trouble
      return
    }
    if error is RowDecodingError {
      self = .damaged("a row holds what bmsd does not write there")
      return
    }
    guard let error = error as? DatabaseError else {
      self = .other(String(describing: error))
      return
    }
    switch error.resultCode {
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .busy
    case .SQLITE_FULL: self = .full
    case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN:
      self = .readOnly
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(error.message ?? "damaged")
    default: self = .other("\(error.resultCode.rawValue): \(error.message ?? "unknown")")
    }
  }

  package var description: String {
    switch self {
    case .busy: "the database is locked by another process"
    case .full: "no space is left for the database"
    case .readOnly: "the database, or its folder, cannot be opened for writing"
    case .damaged(let text): "the database is damaged: \(text)"
    case .newer(let path):
      "\(path) was written by a later version of bmsd; install that version, or go back to the "
        + "copy \(path).vN that it left"
    case .foreign(let path):
      "\(path) is no trail of bmsd and is left as it is: move it away, or name another file in "
        + "[trail] path"
    case .inUse(let path, let holder):
      "\(holder) uses \(path), and two daemons must not share a database"
    case .failing(let text): "the database failed a moment ago and is not asked again yet: \(text)"
    case .other(let text): "the database says \(text)"
    }
  }
}
