// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Greylisting
import Testing

struct TripletRuleTests {
  static let minute: Int64 = 60_000
  static let hour: Int64 = 3_600_000
  static let day: Int64 = 86_400_000

  let rule = TripletRule(delay: 5 * minute, expire: 2 * day, retain: 36 * day, autoPass: 5)
  let triplet = Triplet(origin: "192.0.2.0/24", sender: "a@b", recipient: "*")

  /// What is answered when the triplet is seen at each of these moments.
  func answers(_ moments: [Int64], learnOnly: Bool = false) -> [TripletAnswer] {
    var record: TripletRecord?
    return moments.map { now in
      let (next, answer) = rule.see(
        triplet, record, at: now, learnOnly: learnOnly, originIsKnown: false)
      record = next
      return answer
    }
  }

  @Test func letsARetryThroughAfterItsTime() {
    #expect(
      answers([0, Self.minute, 5 * Self.minute, 6 * Self.minute]) == [
        .wait(milliseconds: 5 * Self.minute, isNew: true),
        .wait(milliseconds: 4 * Self.minute, isNew: false), .passed(count: 1), .passed(count: 2),
      ])
  }

  @Test func beginsAnewWhenTheRetryComesTooLate() {
    #expect(
      answers([0, 2 * Self.day, 2 * Self.day + 5 * Self.minute]).map { $0 == .passed(count: 1) }
        == [false, false, true])
  }

  @Test func forgetsWhatWasNotSeenForLong() {
    let start = 5 * Self.minute
    #expect(answers([0, start, start + 36 * Self.day]).last == .passed(count: 2))
    #expect(
      answers([0, start, start + 36 * Self.day + 1]).last
        == .wait(milliseconds: 5 * Self.minute, isNew: true))
  }

  @Test func doesNotLockOutWhenTheClockGoesBack() {
    let moments = [Self.day, 0, 5 * Self.minute]
    #expect(
      answers(moments) == [
        .wait(milliseconds: 5 * Self.minute, isNew: true),
        .wait(milliseconds: 5 * Self.minute, isNew: true), .passed(count: 1),
      ])
    #expect(answers([Self.day, Self.day + Self.hour, 0]).last == .passed(count: 2))
  }

  @Test func learnsAtOnce() {
    #expect(answers([0, 1], learnOnly: true) == [.passed(count: 1), .passed(count: 2)])
  }

  @Test func anOriginThatIsKnownNeverWaits() {
    let (_, new) = rule.see(triplet, nil, at: 0, learnOnly: false, originIsKnown: true)
    #expect(new == .originKnown)
    let waiting = TripletRecord(triplet: triplet, first: 0, last: 0, passed: 0, tries: 1)
    let (_, early) = rule.see(triplet, waiting, at: 1, learnOnly: false, originIsKnown: true)
    #expect(early == .originKnown)
    let (_, due) = rule.see(
      triplet, waiting, at: 5 * Self.minute, learnOnly: false, originIsKnown: true)
    #expect(due == .passed(count: 1))
  }

  @Test func survivesAnyNumber() {
    let record = TripletRecord(
      triplet: triplet, first: .max, last: .max, passed: 1, tries: 2)
    _ = rule.answer(for: record, at: .min, originIsKnown: true)
    var waiting = record
    waiting.passed = 0
    _ = rule.answer(for: waiting, at: .min, originIsKnown: true)
  }
}
