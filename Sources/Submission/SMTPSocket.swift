// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
internal import Glibc

/// A TCP connection whose every step has a limit.
final class SMTPSocket {
  enum Trouble: Error, Equatable {
    case closed
    case timeout
    /// A line longer than any reply has.
    case tooLong
    case failed(Int32)
    /// It is no address after all.
    case noAddress(String)
  }

  private let descriptor: Int32
  /// The clock of all limits here.
  let time: any TimeSource
  private var buffer: [UInt8] = []
  /// Called about every ten seconds of a wait.
  private let waiting: () -> Void

  private static let waitSlice = Duration.seconds(10)

  /// Connects within `limit` to the first address of the host that takes the connection.
  init(
    _ address: SMTPAddress, within limit: Duration, by time: any TimeSource,
    waiting: @escaping () -> Void
  ) throws(Trouble) {
    self.time = time
    self.waiting = waiting
    let end = time.monotonic + limit
    var trouble = Trouble.failed(ECONNREFUSED)
    for host in address.hosts {
      do throws(Trouble) {
        descriptor = try Self.connect(host, address.port, until: end, time)
        return
      } catch {
        trouble = error
      }
    }
    throw trouble
  }

  /// Takes a connection that is there already.
  init(connected descriptor: Int32, by time: any TimeSource) {
    self.descriptor = descriptor
    self.time = time
    waiting = {}
  }

  deinit { close(descriptor) }

  private static func connect(
    _ host: String, _ port: UInt16, until end: Duration, _ time: any TimeSource
  ) throws(Trouble) -> Int32 {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    // Nobody is asked: it is an address.
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(host, String(port), &hints, &list)
    guard result == 0, let entry = list?.pointee else {
      throw .noAddress(String(cString: gai_strerror(result)))
    }
    defer { freeaddrinfo(list) }
    let type = entry.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(entry.ai_family, type, entry.ai_protocol)
    guard descriptor >= 0 else { throw .failed(errno) }
    do throws(Trouble) {
      if Glibc.connect(descriptor, entry.ai_addr, entry.ai_addrlen) != 0 {
        guard errno == EINPROGRESS else { throw .failed(errno) }
        try wait(descriptor, Int16(POLLOUT), until: end, time) {}
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0, code == 0 else {
          throw .failed(code)
        }
      }
      return descriptor
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// A line without its end, CRLF or LF, at most `maximum` bytes long.
  func readLine(maximum: Int, until end: Duration) throws(Trouble) -> [UInt8] {
    while true {
      if let feed = buffer.firstIndex(of: 0x0A) {
        var line = Array(buffer[..<feed])
        buffer.removeFirst(feed + 1)
        if line.last == 0x0D { line.removeLast() }
        guard line.count <= maximum else { throw .tooLong }
        return line
      }
      guard buffer.count <= maximum else { throw .tooLong }
      try Self.wait(descriptor, Int16(POLLIN), until: end, time, waiting)
      var piece = [UInt8](repeating: 0, count: 4096)
      let count = recv(descriptor, &piece, piece.count, 0)
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count >= 0 else { throw errno == ECONNRESET ? .closed : .failed(errno) }
      guard count > 0 else { throw .closed }
      buffer += piece.prefix(count)
    }
  }

  /// Writes all of `bytes`.
  func write(_ bytes: [UInt8], until end: Duration) throws(Trouble) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { all in
        let rest = UnsafeRawBufferPointer(rebasing: all[sent...])
        return send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      }
      if count < 0 {
        if errno == EINTR { continue }
        guard errno == EAGAIN else {
          throw errno == EPIPE || errno == ECONNRESET ? .closed : .failed(errno)
        }
        try Self.wait(descriptor, Int16(POLLOUT), until: end, time, waiting)
        continue
      }
      sent += count
    }
  }

  private static func wait(
    _ descriptor: Int32, _ events: Int16, until end: Duration, _ time: any TimeSource,
    _ waiting: () -> Void
  ) throws(Trouble) {
    while true {
      let left = end - time.monotonic
      guard left > .zero else { throw .timeout }
      let (seconds, attoseconds) = min(left, waitSlice).components
      let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1
      var entry = pollfd(fd: descriptor, events: events, revents: 0)
      let result = poll(&entry, 1, Int32(clamping: milliseconds))
      if result > 0 { return }
      guard result == 0 || errno == EINTR else { throw .failed(errno) }
      if result == 0 { waiting() }
    }
  }
}
