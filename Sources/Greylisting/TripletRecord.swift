// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What is remembered of a triplet. Times are milliseconds since 1970.
public struct TripletRecord: Sendable, Equatable {
  /// The key.
  public var triplet: Triplet
  /// When the wait began.
  public var first: Int64
  /// When it was seen last.
  public var last: Int64
  /// How many mails were let through.
  public var passed: Int
  /// How often it was seen since `first`. More than `passed` for a triplet that had to wait; the
  /// same for one that was learned or vouched for, which says nothing of its origin.
  public var tries: Int

  /// A record of these values.
  public init(triplet: Triplet, first: Int64, last: Int64, passed: Int, tries: Int) {
    self.triplet = triplet
    self.first = first
    self.last = last
    self.passed = passed
    self.tries = tries
  }
}

extension TripletRule {
  /// What becomes of a triplet that is seen at `now`: the rule that a store's one statement
  /// follows, in words that can be read and tested without a database.
  ///
  /// `record` is nil for an unknown triplet; `originIsKnown` tells that its origin passed often
  /// enough. A triplet that passed waits no more while it is remembered. One that waits keeps its
  /// beginning at each early retry, and begins anew when it comes too late, or when the clock went
  /// back behind its beginning: nobody waits longer than `delay` for a clock.
  public func see(
    _ triplet: Triplet, _ record: TripletRecord?, at now: Int64, learnOnly: Bool,
    originIsKnown: Bool
  ) -> (record: TripletRecord, answer: TripletAnswer) {
    let passesAtOnce = learnOnly || originIsKnown
    let fresh = TripletRecord(
      triplet: triplet, first: now, last: now, passed: passesAtOnce ? 1 : 0, tries: 1)
    var next = fresh
    if let record, !isForgotten(record, at: now, passesAtOnce: passesAtOnce) {
      next = record
      next.last = now
      next.tries += 1
      if record.passed > 0 || passesAtOnce || now >= record.first + delay { next.passed += 1 }
    }
    return (next, answer(for: next, at: now, originIsKnown: originIsKnown))
  }

  private func isForgotten(_ record: TripletRecord, at now: Int64, passesAtOnce: Bool) -> Bool {
    if record.last + retain < now { return true }
    guard record.passed == 0, !passesAtOnce else { return false }
    return record.first > now || record.first + expire <= now
  }

  /// The answer that a record, as it is after the triplet was seen at `now`, stands for.
  public func answer(
    for record: TripletRecord, at now: Int64, originIsKnown: Bool
  ) -> TripletAnswer {
    if record.passed == 0 {
      return .wait(milliseconds: record.first &+ delay &- now, isNew: record.tries == 1)
    }
    // A database may hold any number: sums wrap rather than trap.
    let age = now &- record.first
    let waited = record.tries > 1 && age >= delay && age < expire
    if record.passed == 1, originIsKnown, !waited { return .originKnown }
    return .passed(count: record.passed)
  }
}
