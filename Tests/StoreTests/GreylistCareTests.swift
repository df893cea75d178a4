// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import FoundationEssentials
import GRDB
import Greylisting
import Store
import TestSupport
import Testing

struct GreylistCareTests {
  static let minute: Int64 = 60_000
  static let day: Int64 = 86_400_000
  static let rule = TripletRule(
    delay: 5 * minute, expire: 2 * day, retain: 36 * day, autoPass: 5)
  static let now: Int64 = 1_795_219_200_000

  let folder: TemporaryFolder
  let store: StateStore

  init() throws {
    folder = try TemporaryFolder()
    store = try StateStore(path: folder.path("bms.db"), time: FakeTime())
  }

  static func record(
    _ name: String, first: Int64 = now, last: Int64 = now, passed: Int = 0, tries: Int = 1
  ) -> ImportedLine {
    .record(
      TripletRecord(
        triplet: Triplet(origin: "o", sender: name, recipient: "*"), first: first, last: last,
        passed: passed, tries: tries))
  }

  @discardableResult
  func add(
    _ lines: [ImportedLine], progress: (GreylistImport) -> Void = { _ in }
  ) throws -> GreylistImport {
    var rest = lines[...]
    return try store.importTriplets(
      by: Self.rule, at: Self.now, within: .seconds(5), progress: progress
    ) { rest.popFirst() }
  }

  func see(_ sender: String, at now: Int64 = now) throws -> TripletAnswer {
    try store.see(
      Triplet(origin: "o", sender: sender, recipient: "*"), at: now, by: Self.rule,
      learnOnly: false, within: .seconds(5))
  }

  @Test func listsTheNewestFirst() throws {
    try add((0..<30).map { Self.record("s\($0)", last: Self.now - Int64($0)) })
    #expect(
      try store.triplets(TripletFilter(), limit: 2, offset: 1).map(\.triplet.sender) == [
        "s1", "s2",
      ])
    #expect(try store.countTriplets(TripletFilter(hasPassed: true)) == 0)
    #expect(try store.triplets(TripletFilter(senders: []), limit: 2).isEmpty)
  }

  @Test func passLetsTheNextMailThrough() throws {
    _ = try see("a")
    let count = try store.passTriplets(
      TripletFilter(senders: ["a"], recipients: ["x", "*"]), at: Self.now, within: .seconds(5))
    #expect(count == 1)
    #expect(try see("a") == .passed(count: 2))
    #expect(try store.origin("o") == nil)
  }

  @Test func dropForgets() throws {
    try add([Self.record("a", passed: 1, tries: 2), Self.record("b")])
    #expect(try store.origin("o")?.passed == 1)
    #expect(try store.dropTriplets(TripletFilter(senders: ["b"]), within: .seconds(5)) == 1)
    #expect(try store.origin("o") != nil)
    #expect(try store.dropTriplets(TripletFilter(origin: "o"), within: .seconds(5)) == 1)
    #expect(try store.origin("o") == nil)
    #expect(try see("a") == .wait(milliseconds: 5 * Self.minute, isNew: true))
  }

  @Test func countsKinds() throws {
    var lines = (0..<6).map { Self.record("p\($0)", passed: 2, tries: 3) }
    lines += [Self.record("w"), Self.record("l", passed: 1, tries: 1)]
    try add(lines)
    var expected = GreylistCounts()
    (expected.triplets, expected.waiting, expected.passed, expected.learned) = (8, 1, 6, 1)
    (expected.mails, expected.origins, expected.knownOrigins) = (13, 1, 1)
    #expect(try store.greylistCounts(autoPass: 5) == expected)
  }

  @Test func purgesInSmallSteps() throws {
    let old = Self.now - 30 * Self.day
    var lines = (0..<1200).map { Self.record("w\($0)", first: old, last: old) }
    lines += (0..<300).map { Self.record("p\($0)", first: old, last: old, passed: 1, tries: 2) }
    lines += (0..<300).map { Self.record("n\($0)") }
    try add(lines)
    var steps: [Int] = []
    let gone = try store.purgeGreylist(by: Self.rule, at: Self.now, within: .milliseconds(500)) {
      seen, _ in steps.append(seen)
    }
    #expect(gone.gone == 1200)
    #expect(steps == [500, 1000, 1500, 1800])
    #expect(try store.countTriplets(TripletFilter()) == 600)
    try store.purgeGreylist(by: Self.rule, at: Self.now + 7 * Self.day, within: .seconds(5))
    #expect(try store.countTriplets(TripletFilter()) == 0)
    #expect(try store.origin("o") == nil)
  }

  @Test func importsManyInSteps() throws {
    var steps = 0
    var number = 0
    let sum = try store.importTriplets(
      by: Self.rule, at: Self.now, within: .seconds(5), progress: { _ in steps += 1 }
    ) {
      number += 1
      guard number <= 20_000 else { return nil }
      return number % 10 == 0
        ? .fault("garbage") : Self.record("s\(number)", passed: 1, tries: 2)
    }
    #expect(sum.read == 20_000)
    #expect(sum.taken == 18_000)
    #expect(sum.faulty == 2_000)
    #expect(sum.faults.count == GreylistImport.toldFaults)
    #expect(steps >= 40)
    #expect(try store.countTriplets(TripletFilter(hasPassed: true)) == 18_000)
    #expect(try see("x") == .originKnown)
  }

  @Test func anImportCanBeRepeated() throws {
    let lines = [
      Self.record(
        "a", first: Self.now - Self.day, last: Self.now + 9 * Self.day, passed: 3, tries: 4),
      Self.record("old", last: Self.now - 37 * Self.day, passed: 1, tries: 2),
    ]
    try add(lines)
    let sum = try add(lines)
    #expect(sum.forgotten == 1)
    let records = try store.triplets(TripletFilter(), limit: 9)
    #expect(records.count == 1)
    #expect(records.first?.last == Self.now)
    #expect(records.first?.passed == 3)
    #expect(try store.origin("o")?.passed == 1)
  }

  @Test func exportsWhatItImports() throws {
    try add((0..<1001).map { Self.record("s\($0)", passed: $0, tries: $0 + 1) })
    var lines = [TripletCSV.header]
    try store.eachTriplet { lines.append(TripletCSV.line($0)) }
    #expect(lines.count == 1002)
    let copy = try StateStore(path: folder.path("copy.db"), time: FakeTime())
    var reader = TripletCSV(keys: TripletKeys())
    var rest = try lines.compactMap { try reader.record(Array($0.utf8)) }[...]
    _ = try copy.importTriplets(by: Self.rule, at: Self.now, within: .seconds(5)) {
      rest.popFirst().map { .record($0) }
    }
    #expect(
      try copy.triplets(TripletFilter(), limit: 2000)
        == store.triplets(TripletFilter(), limit: 2000))
  }

  @Test func readsTheAncestorsDatabase() throws {
    let path = folder.path("greylist.db")
    let old = try DatabaseQueue(path: path)
    try old.write { db in
      try db.execute(
        sql: """
          CREATE TABLE greylist (ip TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
            firstseen TIMESTAMP, lastseen TIMESTAMP, cnt INT, umis TEXT,
            PRIMARY KEY (ip, sender, recipient));
          """)
      for number in 0..<1200 {
        try db.execute(
          sql: "INSERT INTO greylist VALUES (?, ?, 'c@d', ?, ?, ?, NULL)",
          arguments: [
            "192.0.2.\(number % 250)", "jo+\(number)@b\(number / 7).example", 1_795_000_000.5,
            1_795_100_000.25, 3,
          ])
      }
      try db.execute(
        sql: """
          INSERT INTO greylist VALUES ('example.com', x'00ff', 'c@d', 'soon', NULL, 'many', 'x'),
            ('', '', '', 1, 1, 1, NULL), ('example.com', '', 'c@d', 1.795e9, 1.7951e9, 0, NULL)
          """)
    }
    let source = try AncestorGreylist(path: path, keys: TripletKeys())
    #expect(source.count == 1203)
    let sum = try store.importTriplets(by: Self.rule, at: Self.now, within: .seconds(5)) {
      try source.next()
    }
    #expect(sum.read == 1203)
    #expect(sum.taken == 1201)
    #expect(sum.faulty == 2)
    #expect(try store.countTriplets(TripletFilter(senders: ["jo@b#.example"])) == 0)
    #expect(try store.countTriplets(TripletFilter(senders: ["jo@b3.example"])) == 1)
  }

  @Test func refusesWhatIsNoGreylist() throws {
    let path = folder.path("other")
    try Data("this is no database, but long enough to be looked at, and more".utf8).write(
      to: URL(filePath: path))
    #expect(throws: StoreTrouble.self) { try AncestorGreylist(path: path, keys: TripletKeys()) }
    #expect(throws: StoreTrouble.self) {
      try AncestorGreylist(path: folder.path("bms.db"), keys: TripletKeys())
    }
    #expect(throws: StoreTrouble.self) {
      try AncestorGreylist(path: folder.path("missing"), keys: TripletKeys())
    }
  }
}
