// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation

/// What is known of a process.
package struct ProcessState: Sendable {
  /// Lines of standard error.
  package var lines: [String] = []
  /// Whether standard error ended.
  package var isLogComplete = false
  /// Messages of sd_notify(3).
  package var notifications: [String] = []
  /// Set when the process ended.
  package var exitStatus: Int32?
}

/// Watches a process: threads of its own read what it says, and whoever waits is woken.
final class ProcessMonitor: @unchecked Sendable {
  // Guards `current`; an NSCondition because a Mutex cannot be waited on.
  private let condition = NSCondition()
  private var current = ProcessState()
  private var kept: Int32?

  deinit {
    if let kept { close(kept) }
  }

  var state: ProcessState {
    condition.lock()
    defer { condition.unlock() }
    return current
  }

  private func update(_ change: (inout ProcessState) -> Void) {
    condition.lock()
    change(&current)
    condition.broadcast()
    condition.unlock()
  }

  func wait<T>(_ limit: Duration, for event: (ProcessState) -> T?) -> T? {
    let end = Date(timeIntervalSinceNow: Double(limit.components.seconds))
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let found = event(current) { return found }
      // Nothing comes any more.
      if current.exitStatus != nil, current.isLogComplete { return nil }
      if !condition.wait(until: end) { return event(current) }
    }
  }

  /// Sends a signal unless the process is gone and its number maybe somebody else's.
  func signal(_ number: Int32, _ pid: pid_t) {
    condition.lock()
    defer { condition.unlock() }
    if current.exitStatus == nil { kill(pid, number) }
  }

  /// Takes over the reading end of standard error, and leaves it unread until `readKept`.
  func keep(_ descriptor: Int32) {
    condition.lock()
    kept = descriptor
    condition.unlock()
  }

  func readKept() {
    condition.lock()
    let descriptor = kept
    kept = nil
    condition.unlock()
    if let descriptor { readLog(descriptor) }
  }

  /// Takes over the reading end of standard error, and reads it until its end.
  func readLog(_ descriptor: Int32) {
    Thread.detachNewThread { [self] in
      var rest: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { break }
        rest += buffer.prefix(count)
        let pieces = rest.split(separator: 0x0A, omittingEmptySubsequences: false)
        rest = Array(pieces.last ?? [])
        let lines = pieces.dropLast().map { String(decoding: $0, as: UTF8.self) }
        update { $0.lines += lines }
      }
      close(descriptor)
      update { $0.isLogComplete = true }
    }
  }

  static func socketPair() throws -> [Int32] {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw BMSDProcess.Failure(description: "no socket pair")
    }
    return ends
  }

  /// Opens the service manager's socket.
  func listen(at path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    let result = Self.withAddress(path) { bind(descriptor, $0, $1) }
    guard result == 0 else {
      close(descriptor)
      throw BMSDProcess.Failure(description: "cannot bind \(path)")
    }
    return descriptor
  }

  /// Waits for the end of the process, and until then for its notifications.
  func watch(_ pid: pid_t, notify descriptor: Int32) throws {
    let ends = try Self.socketPair()
    let (finished, finish) = (ends[0], ends[1])
    Thread.detachNewThread { [self] in
      var info = siginfo_t()
      while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
      // Under the lock, so that no signal goes to a number that is free again.
      update { state in
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        state.exitStatus = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
      }
      close(finish)
    }
    Thread.detachNewThread { [self] in
      var buffer = [UInt8](repeating: 0, count: 4_096)
      var polled = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: finished, events: 0, revents: 0),
      ]
      while poll(&polled, 2, -1) >= 0 || errno == EINTR {
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 {
          let text = String(decoding: buffer.prefix(count), as: UTF8.self)
          update { $0.notifications.append(text) }
        } else if polled[1].revents != 0 {
          break
        }
      }
      close(descriptor)
      close(finished)
    }
  }

  private static func withAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8.prefix(MemoryLayout.size(ofValue: address.sun_path) - 1))
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
