// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
internal import Glibc
internal import Synchronization

/// The right to be the one process that keeps a database's lists in memory: a lock on `PATH.lock`
/// that the kernel takes back when the process ends, however it ends. The file says who has it.
package final class ProcessLock: Sendable {
  /// Who wants it.
  package enum Role: String, Sendable {
    /// Keeps it until its end.
    case daemon
    /// A command where no daemon runs: has it for a moment.
    case command
  }

  private let name: String
  private let role: Role
  private let current: Mutex<Int32>

  private static let pollInterval = DispatchTimeInterval.milliseconds(20)

  /// Takes the lock. What a command holds is waited for, no longer than `limit`; what a daemon holds
  /// is not.
  ///
  /// - Throws: `inUse` when another process has it, `readOnly` or `other` when the file cannot be
  ///   made.
  package init(
    path: String, role: Role = .daemon, within limit: Duration = .zero
  ) throws(StoreTrouble) {
    let name = "\(path).lock"
    let descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else {
      let code = errno
      if [EACCES, EPERM, EROFS].contains(code) { throw .readOnly }
      throw .other("\(name): \(String(cString: strerror(code)))")
    }
    let end = ContinuousClock.now + limit
    // Nobody signals it: it is only a wait that no signal cuts short.
    let pause = DispatchSemaphore(value: 0)
    var before: String?
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let holder = Self.text(descriptor)
      // Said twice: who has just taken the lock has not written its name yet.
      let isDaemon = holder.hasPrefix(Role.daemon.rawValue) && holder == before
      guard !isDaemon, ContinuousClock.now < end else {
        Glibc.close(descriptor)
        throw .inUse(path: path, by: Self.words(holder))
      }
      before = holder
      _ = pause.wait(timeout: .now() + Self.pollInterval)
    }
    self.name = name
    self.role = role
    current = Mutex(descriptor)
    Self.write("\(role.rawValue) \(getpid())\n", descriptor)
  }

  /// Makes the file anew where somebody removed it, or a second daemon would find it free.
  package func renew() {
    let held = current.withLock { $0 }
    guard FileIdentity(descriptor: held) != FileIdentity(name) else { return }
    let new = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
    guard new >= 0 else { return }
    guard flock(new, LOCK_EX | LOCK_NB) == 0 else {
      Glibc.close(new)
      return
    }
    Self.write("\(role.rawValue) \(getpid())\n", new)
    current.withLock { $0 = new }
    Glibc.close(held)
  }

  private static func write(_ text: String, _ descriptor: Int32) {
    // A disk without room for it keeps nobody from working.
    let bytes = Array(text.utf8)
    guard ftruncate(descriptor, 0) == 0 else { return }
    _ = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  /// What the file says, on one line of at most 40 bytes.
  private static func text(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 40)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    return String(decoding: bytes.prefix(max(0, count)).prefix { $0 > 0x1F }, as: UTF8.self)
  }

  private static func words(_ holder: String) -> String {
    let parts = holder.split(separator: " ")
    guard parts.count == 2, let role = Role(rawValue: String(parts[0])), let pid = Int32(parts[1])
    else { return "another bmsd" }
    return switch role {
    case .daemon: "another bmsd (process \(pid))"
    case .command: "a command of bmsd (process \(pid))"
    }
  }

  /// Whether a process holds the lock of this database at the moment.
  package static func isHeld(path: String) -> Bool {
    let descriptor = open("\(path).lock", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { Glibc.close(descriptor) }
    return flock(descriptor, LOCK_SH | LOCK_NB) != 0
  }

  deinit {
    let descriptor = current.withLock { $0 }
    Self.write("", descriptor)
    Glibc.close(descriptor)
  }
}
