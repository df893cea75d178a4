// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import Glibc

/// A copy of a database that root opened and the daemon's user may not: in the store's folder, for
/// as long as the command runs.
struct DatabaseCopy {
  let path: String

  /// Copies what `input` has open under the name `name` beside the database `store`, and says so.
  ///
  /// - Throws: exit 74 when there is no room for it.
  init(of input: LineReader, _ name: String, _ store: String) throws {
    var template = Array("\(store).import.XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard descriptor >= 0 else { throw Self.failure(path) }
    let isWritten = try input.copyRest(to: descriptor)
    let code = errno
    guard close(descriptor) == 0, isWritten else {
      unlink(path)
      errno = code
      throw Self.failure(path)
    }
    Terminal.error(
      "bmsd: root's rights are given up before a database is read: going by a copy, \(path)")
    for journal in ["\(name)-wal", "\(name)-journal"] where access(journal, F_OK) == 0 {
      Terminal.error(
        "bmsd: what \(journal) holds is not in it: close what writes to \(name), and import again")
    }
  }

  /// Deletes it, and what SQLite may have put beside it.
  func remove() { for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) } }

  private static func failure(_ path: String) -> ExitCode {
    Terminal.error("bmsd: \(path): \(String(cString: strerror(errno)))")
    return ExitCode(EX_IOERR)
  }
}
