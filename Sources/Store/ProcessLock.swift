// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// The right to be the one daemon of a database: a lock on `PATH.lock` that the kernel takes back
/// when the process ends, however it ends.
package final class ProcessLock: Sendable {
  private let descriptor: Int32

  /// - Throws: `inUse` when a daemon has it already, `readOnly` or `other` when the file cannot be made.
  package init(path: String) throws(StoreTrouble) {
    let name = "\(path).lock"
    let descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else {
      let code = errno
      if [EACCES, EPERM, EROFS].contains(code) { throw .readOnly }
      throw .other("\(name): \(String(cString: strerror(code)))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      Glibc.close(descriptor)
      throw .inUse(path: path)
    }
    self.descriptor = descriptor
  }

  /// Whether a daemon holds the lock of this database at the moment.
  package static func isHeld(path: String) -> Bool {
    let descriptor = open("\(path).lock", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { Glibc.close(descriptor) }
    return flock(descriptor, LOCK_SH | LOCK_NB) != 0
  }

  deinit { Glibc.close(descriptor) }
}
