// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Dispatch
import FoundationEssentials
import GRDB
import Greylisting
import Store
import Synchronization
import TestSupport
import Testing

struct GreylistStoreTests {
  static let minute: Int64 = 60_000
  static let hour: Int64 = 3_600_000
  static let day: Int64 = 86_400_000
  static let rule = TripletRule(
    delay: 5 * minute, expire: 2 * day, retain: 36 * day, autoPass: 5)
  /// The ancestor's test settings; it adds five seconds to the delay.
  static let ancestor = TripletRule(
    delay: 10 * minute + 5_000, expire: 4 * hour, retain: 36 * day, autoPass: 0)

  let folder: TemporaryFolder
  let store: StateStore
  let triplet = Triplet(origin: "192.0.2.0/24", sender: "a@b", recipient: "c@d")

  init() throws {
    folder = try TemporaryFolder()
    store = try StateStore(path: folder.path("bms.db"), time: FakeTime())
  }

  func see(
    _ triplet: Triplet? = nil, at now: Int64, by rule: TripletRule = rule, learnOnly: Bool = false
  ) throws -> TripletAnswer {
    try store.see(
      triplet ?? self.triplet, at: now, by: rule, learnOnly: learnOnly, within: .seconds(5))
  }

  /// The ancestor's number: 0 defers, n is the n-th mail.
  func check(_ origin: String, _ now: Int64) throws -> Int {
    let answer = try see(
      Triplet(origin: origin, sender: "foo@bar", recipient: "baz@quux"), at: now, by: Self.ancestor)
    if case .passed(let count) = answer { return count }
    return 0
  }

  @Test func followsTheAncestorsVectors() throws {
    let start: Int64 = 1_136_073_600_000
    #expect(try check("1.2.3.4", start) == 0)
    #expect(try check("1.2.3.4", start + 5 * Self.minute) == 0)
    #expect(try check("1.2.3.4", start + 15 * Self.minute) == 1)
    #expect(try check("1.2.3.5", start + 15 * Self.minute) == 0)
    #expect(try check("1.2.3.4", start + 5 * Self.hour) == 2)
    #expect(try check("1.2.3.5", start + 6 * Self.hour) == 0)
    #expect(try check("1.2.3.4", start + 37 * Self.day) == 0)
  }

  @Test func keepsTheAncestorsGrace() throws {
    #expect(try check("1.2.3.4", 0) == 0)
    #expect(try check("1.2.3.4", 10 * Self.minute + 4_999) == 0)
    #expect(try check("1.2.3.4", 10 * Self.minute + 5_000) == 1)
  }

  /// The statement and the rule in words say the same, whatever the clock does.
  @Test func followsTheRule() throws {
    let moments: [Int64] = [
      0, 1, Self.minute, 5 * Self.minute, Self.hour, 2 * Self.day, 3 * Self.day, 36 * Self.day,
      50 * Self.day, 100 * Self.day,
    ]
    let random = FakeRandom()
    for round in 0..<200 {
      let triplet = Triplet(origin: "o\(round)", sender: "s", recipient: "*")
      var record: TripletRecord?
      for _ in 0..<12 {
        let now = moments[Int((random.next() >> 20) % UInt64(moments.count))]
        let learnOnly = (random.next() >> 20) % 4 == 0
        let expected = Self.rule.see(
          triplet, record, at: now, learnOnly: learnOnly, originIsKnown: false)
        record = expected.record
        #expect(try see(triplet, at: now, learnOnly: learnOnly) == expected.answer)
        #expect(
          try store.triplets(TripletFilter(origin: triplet.origin), limit: 2) == [
            expected.record
          ])
      }
    }
  }

  @Test func countsOriginsThatWaited() throws {
    for number in 1...5 {
      let triplet = Triplet(origin: "big.example", sender: "s\(number)", recipient: "*")
      #expect(try see(triplet, at: 0) == .wait(milliseconds: 5 * Self.minute, isNew: true))
      #expect(try see(triplet, at: 5 * Self.minute) == .passed(count: 1))
      #expect(try see(triplet, at: 6 * Self.minute) == .passed(count: 2))
      #expect(try store.origin("big.example")?.passed == number)
    }
    let next = Triplet(origin: "big.example", sender: "s6", recipient: "*")
    #expect(try see(next, at: Self.hour) == .originKnown)
    #expect(try see(next, at: Self.hour) == .passed(count: 2))
    // What passed for its origin's sake proves nothing more about it.
    #expect(try store.origin("big.example")?.passed == 5)
    let late = Triplet(origin: "big.example", sender: "s7", recipient: "*")
    #expect(
      try see(late, at: 40 * Self.day) == .wait(milliseconds: 5 * Self.minute, isNew: true))
    var never = Self.rule
    never.autoPass = 0
    #expect(
      try see(Triplet(origin: "big.example", sender: "s8", recipient: "*"), at: 0, by: never)
        == .wait(milliseconds: 5 * Self.minute, isNew: true))
  }

  @Test func anOriginInUseStaysKnown() throws {
    for number in 1...5 {
      let triplet = Triplet(origin: "o", sender: "s\(number)", recipient: "*")
      _ = try see(triplet, at: 0)
      _ = try see(triplet, at: 5 * Self.minute)
    }
    _ = try see(Triplet(origin: "o", sender: "s1", recipient: "*"), at: 30 * Self.day)
    #expect(
      try see(Triplet(origin: "o", sender: "new", recipient: "*"), at: 60 * Self.day)
        == .originKnown)
  }

  /// Mail that passes because its origin is known keeps the origin known.
  @Test func anOriginWhoseSendersAllDifferStaysKnown() throws {
    for number in 1...5 {
      let triplet = Triplet(origin: "o", sender: "s\(number)", recipient: "*")
      _ = try see(triplet, at: 0)
      _ = try see(triplet, at: 5 * Self.minute)
    }
    for month in 1...4 {
      let triplet = Triplet(origin: "o", sender: "new\(month)", recipient: "*")
      #expect(try see(triplet, at: Int64(month) * 30 * Self.day) == .originKnown)
    }
  }

  @Test func learningTeachesNothingAboutOrigins() throws {
    for number in 1...10 {
      let triplet = Triplet(origin: "o", sender: "s\(number)", recipient: "*")
      #expect(try see(triplet, at: 0, learnOnly: true) == .passed(count: 1))
      #expect(try see(triplet, at: 1) == .passed(count: 2))
    }
    #expect(try store.origin("o") == nil)
  }

  @Test func countsExactlyUnderConcurrency() throws {
    let answers = Mutex<[TripletAnswer]>([])
    _ = try see(at: 0)
    DispatchQueue.concurrentPerform(iterations: 64) { _ in
      let answer = try? see(at: 5 * Self.minute)
      answers.withLock { $0.append(answer ?? .originKnown) }
    }
    let counts = answers.withLock { $0 }.compactMap { answer -> Int? in
      if case .passed(let count) = answer { count } else { nil }
    }
    #expect(counts.sorted() == Array(1...64))
    #expect(try store.triplets(TripletFilter(), limit: 2).map(\.tries) == [65])
    #expect(try store.origin(triplet.origin)?.passed == 1)
  }

  @Test func onlyOneOfManyAtOnceIsNew() throws {
    let new = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: 64) { _ in
      if case .wait(_, true)? = try? see(at: 0) { new.withLock { $0 += 1 } }
    }
    #expect(new.withLock { $0 } == 1)
  }

  @Test func failsWithinTheLimitWhileLocked() throws {
    let other = try DatabaseQueue(path: folder.path("bms.db"))
    try other.writeWithoutTransaction { db in
      try db.execute(sql: "BEGIN IMMEDIATE")
      let clock = ContinuousClock()
      let took = clock.measure {
        DispatchQueue.concurrentPerform(iterations: 64) { _ in
          #expect(throws: StoreTrouble.self) {
            try store.see(
              triplet, at: 0, by: Self.rule, learnOnly: false, within: .seconds(2))
          }
        }
      }
      #expect(took < .seconds(5))
      try db.execute(sql: "ROLLBACK")
    }
    #expect(try store.countTriplets(TripletFilter()) == 0)
  }

  /// What a crash leaves: the files as they are while the daemon has them open.
  @Test("fault 6: a crash loses nothing that was told") func losesNothingInACrash() throws {
    for number in 0..<100 {
      _ = try see(Triplet(origin: "o", sender: "s\(number)", recipient: "*"), at: 0)
    }
    for end in ["", "-wal"] {
      try FileManager.default.copyItem(
        atPath: folder.path("bms.db") + end, toPath: folder.path("crashed.db") + end)
    }
    let crashed = try StateStore(path: folder.path("crashed.db"), time: FakeTime())
    #expect(try crashed.countTriplets(TripletFilter(hasPassed: false)) == 100)
    #expect(
      try crashed.see(
        Triplet(origin: "o", sender: "s7", recipient: "*"), at: 5 * Self.minute, by: Self.rule,
        learnOnly: false, within: .seconds(5)) == .passed(count: 1))
  }

  @Test func toleratesAClockThatJumps() throws {
    let noon = 100 * Self.day
    _ = try see(at: noon)
    // Back by a day while it waits: a new wait, not a day of it.
    #expect(
      try see(at: noon - Self.day) == .wait(milliseconds: 5 * Self.minute, isNew: true))
    #expect(try see(at: noon - Self.day + 5 * Self.minute) == .passed(count: 1))
    // Forward and back again, once it has passed.
    #expect(try see(at: noon + Self.day) == .passed(count: 2))
    #expect(try see(at: noon - Self.day) == .passed(count: 3))
    // Forward by a day while another waits.
    let other = Triplet(origin: "o", sender: "s", recipient: "*")
    _ = try see(other, at: noon)
    #expect(try see(other, at: noon + Self.day) == .passed(count: 1))
  }

  @Test(arguments: [
    "a'b\"c", "x\n'); DROP TABLE triplet; --", "é\u{FFFF}", "%_?*",
    String(repeating: "x", count: 10_240),
  ])
  func keepsAnyKey(_ text: String) throws {
    let triplet = Triplet(origin: text, sender: text, recipient: text)
    _ = try see(triplet, at: 0)
    #expect(try see(triplet, at: 5 * Self.minute) == .passed(count: 1))
    #expect(try store.triplets(TripletFilter(origin: text), limit: 9).map(\.triplet) == [triplet])
    #expect(try store.dropTriplets(TripletFilter(senders: [text]), within: .seconds(5)) == 1)
  }
}
