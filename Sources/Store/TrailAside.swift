// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// Earlier trails that could not be used, kept beside the one in use: `PATH.aside` and
/// `PATH.aside.2`.
package struct TrailAside: Sendable, Equatable {
  package let path: String
  /// When it was last written, and when it was set aside, in seconds since 1970.
  package let written: Int64
  package let moved: Int64

  private static func names(_ path: String) -> [String] { ["\(path).aside", "\(path).aside.2"] }

  private init?(at path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    self.path = path
    written = Int64(status.st_mtim.tv_sec)
    // Nothing touches its inode after the rename.
    moved = Int64(status.st_ctim.tv_sec)
  }

  /// Those of the trail at `path`.
  package static func all(of path: String) -> [TrailAside] { names(path).compactMap(Self.init) }

  /// Moves the trail at `path` aside, with its log; what is there already stays.
  ///
  /// - Returns: its new name; nil when no name is free or the file cannot be moved.
  static func move(_ path: String) -> String? {
    guard let name = names(path).first(where: { access($0, F_OK) != 0 }),
      rename(path, name) == 0
    else { return nil }
    rename("\(path)-wal", "\(name)-wal")
    return name
  }

  /// Removes those whose last entries are older than any trail keeps, `keep` in milliseconds.
  static func purge(of path: String, keep: Int, now: Int64) {
    for aside in all(of: path) where aside.written < (now - Int64(keep)) / 1000 {
      unlink(aside.path)
      unlink("\(aside.path)-wal")
    }
  }
}
