// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
internal import Environment
internal import Glibc
internal import Synchronization

/// How far long work is: one line on standard error that is written over, only on a terminal and
/// only when the work takes more than a second.
struct ProgressLine {
  private let total: Int?
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let time = SystemTime()
  private let began: Duration
  private var shown: Duration?

  /// Work of `total` steps, nil when nobody knows.
  init(total: Int?) {
    self.total = total
    began = time.monotonic
  }

  private static let patience = Duration.seconds(1)
  private static let interval = Duration.milliseconds(200)
  private static let width = 30

  /// Says that `count` steps are done.
  mutating func show(_ count: Int) {
    let now = time.monotonic
    guard isTerminal, now - began > Self.patience, now - (shown ?? .zero) > Self.interval else {
      return
    }
    shown = now
    var line = "\r\(count)"
    if let total, total > 0 {
      let done = min(count, total) * Self.width / total
      let bar =
        String(repeating: "#", count: done) + String(repeating: ".", count: Self.width - done)
      line = "\r[\(bar)] \(count) of \(total)"
    }
    put(line)
  }

  /// Clears the line.
  mutating func finish() {
    if shown != nil { put("\r\u{1B}[K") }
    shown = nil
  }

  /// Does work of which nobody knows how far it is; the line tells that it goes on, and since when.
  static func during<T>(_ what: String, _ work: () throws -> T) rethrows -> T {
    let isOver = Flag()
    let time = SystemTime()
    let began = time.monotonic
    let hasLine =
      isatty(STDERR_FILENO) == 1
      && startThread {
        let pause = DispatchSemaphore(value: 0)
        while !isOver.value.load(ordering: .relaxed) {
          let passed = time.monotonic - began
          if passed > patience {
            put("\r\u{1B}[K\(what), \(passed.components.seconds) s ")
            isOver.hasLine.store(true, ordering: .relaxed)
          }
          _ = pause.wait(timeout: .now() + .milliseconds(200))
        }
      }
    defer {
      isOver.value.store(true, ordering: .relaxed)
      if hasLine, isOver.hasLine.load(ordering: .relaxed) { put("\r\u{1B}[K") }
    }
    return try work()
  }

  private final class Flag: Sendable {
    let value = Atomic(false)
    let hasLine = Atomic(false)
  }

  private func put(_ text: String) { Self.put(text) }

  private static func put(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
