// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Whether the servers answer at all.
///
/// One domain whose servers are slow must not count as servers of ours that are dead, or any sender
/// could stop the mail of all others. So a question that has waited for half its time without any
/// answer to anybody is followed by a probe that every living server answers at once; only when that
/// too stays without an answer are the servers down. Then nobody waits, and one question now and
/// then goes out to see whether they are back.
struct ServerHealth: Sendable {
  /// How long nobody asks servers that are down.
  static let pause: Duration = .seconds(2)

  /// When anything was answered last.
  private(set) var lastAnswer: Duration?
  /// When a server that is down is asked again; nil while the servers are up.
  private var nextProbe: Duration?

  /// Whether the servers are thought to be down.
  var isDown: Bool { nextProbe != nil }

  /// Something was answered.
  mutating func answered(at now: Duration) {
    lastAnswer = now
    nextProbe = nil
  }

  /// Whether nothing was answered since a question was asked.
  func isSilent(since began: Duration) -> Bool { lastAnswer.map { $0 < began } ?? true }

  /// A question has waited its full time, or half of it and there was no more.
  mutating func timedOut(asked began: Duration, at now: Duration) {
    guard isSilent(since: began), nextProbe == nil else { return }
    nextProbe = now + Self.pause
  }

  /// Whether this question shall go out as a probe of servers that are down.
  mutating func mayProbe(at now: Duration) -> Bool {
    guard let next = nextProbe, now >= next else { return false }
    nextProbe = now + Self.pause
    return true
  }
}
