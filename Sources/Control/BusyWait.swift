// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Tries again what a busy daemon sent away, with growing pauses and for a bounded time.
package struct BusyWait {
  /// How long a command goes on trying.
  package static let limit = Duration.seconds(5)

  private static let firstPause = Duration.milliseconds(50)
  private static let longestPause = Duration.milliseconds(800)

  private let now: () -> Duration
  private let pause: (Duration) -> Void

  /// By a clock that never goes back; `pause` lets that time pass.
  package init(now: @escaping () -> Duration, pause: @escaping (Duration) -> Void) {
    self.now = now
    self.pause = pause
  }

  /// Asks until the answer is not that the daemon is busy, or `limit` is over.
  ///
  /// - Returns: the last answer.
  package func ask(_ attempt: () throws -> ControlEnd) rethrows -> ControlEnd {
    let end = now() + Self.limit
    var next = Self.firstPause
    while true {
      let answer = try attempt()
      let left = end - now()
      guard answer.isBusy == true, left > .zero else { return answer }
      pause(min(next, left))
      next = min(next * 2, Self.longestPause)
    }
  }
}
