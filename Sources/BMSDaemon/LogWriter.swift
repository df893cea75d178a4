// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
internal import Environment
internal import Glibc
internal import Synchronization

/// Writes log lines to a descriptor from a thread of its own.
///
/// journald can stall; the mail path must not. Lines wait in a bounded queue, and what does not fit
/// is counted and said once there is room again.
package final class LogWriter: Sendable {
  private struct Queue: Sendable {
    var lines: [String] = []
    var bytes = 0
    var dropped = 0
    var isWriting = false
  }

  /// Bytes that may wait; a line of a decision has some 300.
  static let capacity = 4 << 20
  /// How long the first line waits for more, in microseconds.
  static let pause: useconds_t = 5_000

  private let queue = Mutex(Queue())
  private let descriptor: Int32
  private let wake = DispatchSemaphore(value: 0)

  /// A writer to `descriptor`, whose thread lives as long as the process.
  package init(descriptor: Int32) {
    self.descriptor = descriptor
    // Without a thread nothing is ever written; the queue's bound still holds.
    _ = startThread { [self] in run() }
  }

  /// Queues a line without its line end. Never blocks.
  package func write(_ line: String) {
    let isFirst = queue.withLock { queue in
      let size = line.utf8.count + 1
      guard queue.bytes + size <= Self.capacity else {
        queue.dropped += 1
        return false
      }
      queue.lines.append(line)
      queue.bytes += size
      return queue.lines.count == 1
    }
    if isFirst { wake.signal() }
  }

  /// Waits until everything queued so far is written, at most `limit`.
  package func flush(_ limit: Duration) {
    let end = SystemTime().monotonic + limit
    while SystemTime().monotonic < end {
      let isDone = queue.withLock { $0.lines.isEmpty && !$0.isWriting }
      if isDone { return }
      usleep(1000)
    }
  }

  private func run() {
    while true {
      wake.wait()
      // What comes meanwhile goes along: a write and a wake-up for each line cost more than it does.
      usleep(Self.pause)
      let (lines, dropped) = queue.withLock { queue in
        defer {
          queue = Queue()
          queue.isWriting = true
        }
        return (queue.lines, queue.dropped)
      }
      var text = lines.joined(separator: "\n")
      if !lines.isEmpty { text += "\n" }
      if dropped > 0 { text += "<4>log: \(dropped) lines lost: standard error was blocked\n" }
      writeAll(Array(text.utf8))
      queue.withLock { $0.isWriting = false }
    }
  }

  private func writeAll(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        if errno == EAGAIN {
          var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          Glibc.poll(&poll, 1, 1000)
          continue
        }
        return
      }
      rest = rest.dropFirst(count)
    }
  }
}
