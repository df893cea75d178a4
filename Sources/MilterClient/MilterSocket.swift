// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Glibc

/// A connected stream socket whose every read and write ends in time.
///
/// The calls never block in the kernel (`MSG_DONTWAIT`); `poll` does the waiting. So the socket
/// may be given in either mode, and a peer that takes one byte a minute cannot outwait us.
final class MilterSocket {
  private var descriptor: CInt
  private var scratch = [UInt8](repeating: 0, count: 65_536)

  /// Takes over a connected socket and closes it at the end.
  init(taking descriptor: CInt) { self.descriptor = descriptor }

  deinit { close() }

  var isOpen: Bool { descriptor >= 0 }

  func close() {
    if descriptor >= 0 { _ = Glibc.close(descriptor) }
    descriptor = -1
  }

  /// Sends all of `bytes`.
  func write(_ bytes: [UInt8], by deadline: ContinuousClock.Instant) throws(MilterClientError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard isOpen else { throw .closed }
      let sent = rest.withUnsafeBytes {
        send(descriptor, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
      }
      if sent >= 0 {
        rest = rest.dropFirst(sent)
      } else {
        try wait(for: POLLOUT, after: "send", by: deadline)
      }
    }
  }

  /// Waits for bytes and gives at most 64 KiB of them to `take`; false at the end of the stream.
  func read(
    by deadline: ContinuousClock.Instant, _ take: (ArraySlice<UInt8>) -> Void
  ) throws(MilterClientError) -> Bool {
    while true {
      guard isOpen else { throw .closed }
      let count = scratch.withUnsafeMutableBytes {
        recv(descriptor, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT))
      }
      if count == 0 { return false }
      if count > 0 {
        take(scratch.prefix(count))
        return true
      }
      if errno == ECONNRESET { return false }
      try wait(for: POLLIN, after: "recv", by: deadline)
    }
  }

  /// Decides by errno whether `call` is to be made again, and waits until it can be.
  private func wait(
    for event: CInt, after call: String, by deadline: ContinuousClock.Instant
  ) throws(MilterClientError) {
    switch errno {
    case EINTR: return
    case EPIPE, ECONNRESET: throw .closed
    case EAGAIN, EWOULDBLOCK: break
    default: throw .system(call: call, code: errno)
    }
    let left = deadline - .now
    guard left > .zero else { throw .timedOut }
    let (seconds, attoseconds) = left.components
    let milliseconds = min(seconds, 86_400) * 1_000 + attoseconds / 1_000_000_000_000_000 + 1
    var state = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    if poll(&state, 1, CInt(clamping: milliseconds)) < 0, errno != EINTR {
      throw .system(call: "poll", code: errno)
    }
  }
}
