// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail
internal import Policy
internal import Store
internal import Synchronization

/// Records on their way from the mail path to the trail's thread; bounded, so that a disk that
/// stands still costs memory only up to here.
final class TrailQueue: Sendable {
  /// The most records and bytes that wait.
  static let maximumCount = 10_000
  static let maximumBytes = 64 << 20

  private struct State: Sendable {
    /// Messages that are not over, of which a client knows the reference.
    var open: [Reference: TransactionRecord] = [:]
    var records: [(record: TransactionRecord, size: Int)] = []
    var bytes = 0
    var loss: TrailLoss?
    var lostCount = 0

    mutating func removeFirst(_ count: Int) {
      bytes -= records.prefix(count).reduce(0) { $0 + $1.size }
      records.removeFirst(count)
    }

    mutating func lose(_ new: TrailLoss) {
      var new = new
      if let loss {
        new.from = min(loss.from, new.from)
        new.until = max(loss.until, new.until)
        new.count += loss.count
      }
      loss = new
    }
  }

  private let state = Mutex(State())

  /// How many wait.
  var count: Int { state.withLock { $0.records.count } }

  /// How many were lost since the start.
  var lostCount: Int { state.withLock { $0.lostCount } }

  /// Queues a record, or counts it as lost at `now` (milliseconds since 1970).
  ///
  /// - Returns: how many wait now; nil when it was lost.
  func append(_ record: TransactionRecord, now: Int64) -> Int? {
    let record = record.withoutBodies
    let size = record.estimatedBytes
    return state.withLock { state in
      state.open[record.reference] = nil
      guard state.records.count < Self.maximumCount, state.bytes + size <= Self.maximumBytes else {
        state.lose(
          TrailLoss(from: record.began, until: now, count: 1, why: "the queue was full"))
        state.lostCount += 1
        return nil
      }
      state.records.append((record, size))
      state.bytes += size
      return state.records.count
    }
  }

  /// Keeps what is known of a message that goes on after a refusal.
  func keepOpen(_ record: TransactionRecord) {
    state.withLock { state in
      guard state.open.count < Self.maximumCount else { return }
      state.open[record.reference] = record
    }
  }

  /// Forgets a message that is over and shall not be written.
  func forgetOpen(_ reference: Reference) {
    state.withLock { $0.open[reference] = nil }
  }

  /// What is known of a message that is not written yet, and whether it is over.
  func find(_ name: String) -> (record: TransactionRecord, isOver: Bool)? {
    let reference = Reference(name)
    let text = MailText(name).lowercased
    let ids = [text, MailText(Array("<".utf8) + text.bytes + Array(">".utf8))]
    func isMeant(_ record: TransactionRecord) -> Bool {
      record.reference == reference
        || [record.queueID, record.messageID].contains {
          $0.map { ids.contains($0.lowercased) } == true
        }
    }
    return state.withLock { state in
      if let record = state.open.values.first(where: isMeant) { return (record, false) }
      return state.records.last { isMeant($0.record) }.map { ($0.record, true) }
    }
  }

  /// The oldest records, at most `count`; they stay until `remove`.
  func first(_ count: Int) -> [TransactionRecord] {
    state.withLock { $0.records.prefix(count).map(\.record) }
  }

  /// Drops the oldest `count` records: they are written.
  func remove(_ count: Int) {
    state.withLock { $0.removeFirst(min(count, $0.records.count)) }
  }

  /// Drops the oldest `count` records unwritten.
  func lose(_ count: Int, now: Int64, _ why: String) {
    state.withLock { state in
      let lost = min(count, state.records.count)
      guard lost > 0 else { return }
      let from = state.records.first?.record.began ?? now
      state.removeFirst(lost)
      state.lose(TrailLoss(from: from, until: now, count: lost, why: why))
      state.lostCount += lost
    }
  }

  /// What was lost since it was last taken.
  func takeLoss() -> TrailLoss? {
    state.withLock { state in
      defer { state.loss = nil }
      return state.loss
    }
  }

  /// Puts a loss back that could not be told yet.
  func putBack(_ loss: TrailLoss) {
    state.withLock { $0.lose(loss) }
  }
}

extension TransactionRecord {
  /// Without the new bodies of edits, of which the trail keeps nothing.
  fileprivate var withoutBodies: TransactionRecord {
    let hasBody = { (edit: Edit) in if case .replaceBody = edit { true } else { false } }
    guard edits.contains(where: hasBody) || observedEdits.contains(where: hasBody) else {
      return self
    }
    var record = self
    record.edits = edits.map { hasBody($0) ? .replaceBody([]) : $0 }
    record.observedEdits = observedEdits.map { hasBody($0) ? .replaceBody([]) : $0 }
    return record
  }

  /// About how much memory it takes.
  fileprivate var estimatedBytes: Int {
    var size = 600 + 200 * decisions.count + 200 * (edits.count + observedEdits.count)
    for text in recipients { size += 40 + text.bytes.count }
    for text in [sender, hello, authenticated, messageID, subject] {
      size += text?.bytes.count ?? 0
    }
    for decision in decisions {
      size += decision.recipient?.bytes.count ?? 0
      size += decision.verdict.reason?.detail.utf8.count ?? 0
    }
    return size
  }
}
