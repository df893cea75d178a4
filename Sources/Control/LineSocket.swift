// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// A connected socket that carries lines, with a limit for the time and size of each.
final class LineSocket {
  enum Trouble: Error, Equatable {
    case closed
    case timeout
    case tooLong
    case failed(Int32)
  }

  private let descriptor: Int32
  private var buffer: [UInt8] = []
  /// How far `buffer` was searched for a line end.
  private var searched = 0

  /// Takes over the descriptor.
  init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { Glibc.close(descriptor) }

  /// Whose process connected, as the kernel noted it then (unix(7), SO_PEERCRED); nil where it
  /// cannot tell.
  var peerUID: UInt32? {
    // pid, uid and gid.
    var credentials = [UInt32](repeating: .max, count: 3)
    var length = socklen_t(credentials.count * MemoryLayout<UInt32>.size)
    let result = getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
    guard result == 0, credentials.count == 3, credentials[1] != .max else { return nil }
    return credentials[1]
  }

  /// A line without its end; the whole of it must come within `limit`.
  func readLine(maximum: Int, within limit: Duration) throws(Trouble) -> [UInt8] {
    let end = Self.now + limit
    while true {
      if let feed = buffer[searched...].firstIndex(of: 0x0A) {
        let line = Array(buffer[..<feed])
        buffer.removeFirst(feed + 1)
        searched = 0
        return line
      }
      searched = buffer.count
      guard buffer.count <= maximum else { throw .tooLong }
      try wait(Int16(POLLIN), until: end)
      var piece = [UInt8](repeating: 0, count: 65_536)
      let count = recv(descriptor, &piece, piece.count, Int32(MSG_DONTWAIT))
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count >= 0 else { throw .failed(errno) }
      guard count > 0 else { throw .closed }
      buffer += piece.prefix(count)
    }
  }

  /// Writes all of `bytes` within `limit`.
  func write(_ bytes: [UInt8], within limit: Duration) throws(Trouble) {
    let end = Self.now + limit
    var rest = bytes[...]
    while !rest.isEmpty {
      let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
      let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, flags) }
      if count < 0 {
        if errno == EINTR { continue }
        guard errno == EAGAIN else { throw errno == EPIPE ? .closed : .failed(errno) }
        try wait(Int16(POLLOUT), until: end)
        continue
      }
      rest = rest.dropFirst(count)
    }
  }

  private func wait(_ events: Int16, until end: Duration) throws(Trouble) {
    while true {
      let left = end - Self.now
      guard left > .zero else { throw .timeout }
      let (seconds, attoseconds) = left.components
      let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1
      var entry = pollfd(fd: descriptor, events: events, revents: 0)
      let result = poll(&entry, 1, Int32(clamping: milliseconds))
      if result > 0 { return }
      guard result == 0 || errno == EINTR else { throw .failed(errno) }
    }
  }

  private static var now: Duration {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
  }
}
