// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Keeps answers, positive and negative, for as long as they hold and never longer; failures are
/// not kept.
struct AnswerCache: Sendable {
  private struct Entry: Sendable {
    var response: Response
    /// Until when it holds.
    var end: Duration
  }

  private var entries: BoundedCache<Question, Entry>

  /// The cache that takes about this many bytes of memory.
  init(capacity: Int) { entries = BoundedCache(capacity: capacity) }

  mutating func response(to question: Question, now: Duration) -> Response? {
    guard let entry = entries.value(for: question) else { return nil }
    let left = (entry.end - now).components.seconds
    guard entry.end > now else {
      entries.remove(question)
      return nil
    }
    var response = entry.response
    response.timeToLive = UInt32(clamping: left)
    response.isFromCache = true
    return response
  }

  mutating func keep(_ response: Response, to question: Question, now: Duration) {
    let seconds = response.usableTime
    guard seconds > 0 else { return }
    let cost = response.records.reduce(400) { $0 + $1.cost }
    entries.insert(
      Entry(response: response, end: now + .seconds(seconds)), for: question, cost: cost)
  }
}
