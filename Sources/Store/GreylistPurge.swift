// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Greylisting

/// What a purge of the greylist met.
package struct GreylistPurge: Sendable, Equatable {
  /// Triplets that were looked at.
  package var seen = 0
  /// Those that went.
  package var gone = 0
  /// How old those are that stay.
  package var ages = TripletAges()
}

/// How many triplets are how old: coarse, so that it stays small however many there are.
package struct TripletAges: Sendable, Equatable {
  /// Those that have not passed, by whole minutes since the first attempt.
  private var waiting: [Int64: Int] = [:]
  /// Those that passed, by whole hours since they were seen last.
  private var passed: [Int64: Int] = [:]

  private static let minute: Int64 = 60_000
  private static let hour: Int64 = 3_600_000
  /// Ages that are kept apart: more than the longest `expire` and `retain`, whatever times a
  /// database may hold.
  private static let maximumAges: Int64 = 100_000

  package init() {}

  /// All of them.
  package var total: Int { (waiting.values.reduce(0, +)) + passed.values.reduce(0, +) }

  mutating func count(_ record: TripletRecord, at now: Int64) {
    func age(_ time: Int64, _ unit: Int64) -> Int64 {
      let (age, overflow) = now.subtractingReportingOverflow(time)
      return overflow ? 0 : min(max(age / unit, 0), Self.maximumAges)
    }
    if record.passed > 0 {
      passed[age(record.last, Self.hour), default: 0] += 1
    } else {
      waiting[age(record.first, Self.minute), default: 0] += 1
    }
  }

  /// A rule by which about `limit` of them stay: those that never passed go first, the oldest of
  /// them before, then those that were seen least recently. What may retry soon stays, and what was
  /// seen within the hour.
  package func rule(_ rule: TripletRule, keeping limit: Int) -> TripletRule {
    var rule = rule
    var excess = total - limit
    for (age, count) in waiting.sorted(by: { $0.key > $1.key }) where excess > 0 {
      rule.expire = max(min(rule.expire, age * Self.minute), 2 * rule.delay)
      excess -= count
    }
    for (age, count) in passed.sorted(by: { $0.key > $1.key }) where excess > 0 {
      rule.retain = max(min(rule.retain, age * Self.hour), Self.hour)
      excess -= count
    }
    return rule
  }
}

extension StateStore {
  /// How many triplets are kept, whoever sends them: about 700 MB. With more of them those that
  /// never passed are forgotten before `expire`, and if that is not enough, others before `retain`.
  package static let maximumTriplets = 5_000_000
}
