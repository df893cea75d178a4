// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import FoundationEssentials
import Glibc
import Mail
import Store
import Synchronization
import TestSupport
import Testing

@testable import Quarantine

struct QuarantineCareTests {
  /// References that differ in their last characters, in the order of `number`.
  static func reference(_ number: Int) -> String {
    let digits = String(number)
    return "K" + String(repeating: "0", count: 9 - digits.count) + digits
  }

  @Test func deletesWhatIsOlderThanItIsKept() throws {
    let world = try QuarantineWorld(QuarantineRules(keep: 3_600_000))
    for number in 0..<450 { try world.keep("x", Self.reference(number)) }
    world.time.advance(by: .seconds(3000))
    try world.keep("younger", Self.reference(999))
    #expect(try world.quarantine.care(within: .seconds(1)) == [])
    world.time.advance(by: .seconds(700))
    let words = try world.quarantine.care(within: .seconds(1))
    #expect(words.count == 1)
    #expect(words.first?.contains("450 originals (450 bytes)") == true)
    #expect(try world.names == ["\(Self.reference(999)).eml"])
    #expect(try world.store.keptTotal() == (1, 7))
  }

  @Test func deletesTheOldestWhenThereIsTooMuch() throws {
    let world = try QuarantineWorld(QuarantineRules(maximumSize: 25))
    for number in 0..<4 {
      try world.keep("1234567890", Self.reference(number))
      world.time.advance(by: .seconds(1))
    }
    #expect(world.quarantine.isOverfull)
    let words = try world.quarantine.care(within: .seconds(1))
    #expect(words.first?.contains("2 oldest originals (20 bytes)") == true)
    #expect(!world.quarantine.isOverfull)
    #expect(try world.names == [2, 3].map { "\(Self.reference($0)).eml" })
  }

  /// What no index knows counts, too, and goes when kept mail of its age would.
  @Test func sweepsFilesThatNoIndexKnows() throws {
    let world = try QuarantineWorld(QuarantineRules(keep: 3_600_000 * 24))
    let strange = world.folder.path + "/\(Self.reference(1)).eml"
    let half = world.folder.path + "/.\(Self.reference(2)).a.part"
    let own = world.folder.path + "/README"
    // The test's clock stands in November 2026; the files are of the machine's time.
    let now = time_t(world.time.milliseconds / 1000)
    for (path, age) in [(strange, 3600 * 23), (half, 1800), (own, 3600 * 1000)] {
      try Data("old".utf8).write(to: URL(filePath: path))
      var times = [timeval(tv_sec: now - age, tv_usec: 0), timeval(tv_sec: now - age, tv_usec: 0)]
      #expect(utimes(path, &times) == 0)
    }
    #expect(try world.quarantine.care(within: .seconds(1)) == [])
    #expect(try world.names.count == 3)
    world.time.advance(by: .seconds(2 * 3600))
    let words = try world.quarantine.care(within: .seconds(1))
    #expect(words.first?.contains("2 files deleted that no index knows") == true)
    #expect(try world.names == ["README"])
  }

  /// After a database was replaced, its files must not push out what is kept since.
  @Test(arguments: [
    ("some of the unknown", 25, [3, 8, 9], 2, 0),
    ("all of the unknown", 10, [9], 3, 1),
    ("nothing", 50, [1, 2, 3, 8, 9], 0, 0),
  ])
  func deletesUnknownFilesBeforeKnownOnes(
    _ what: String, _ maximum: Int, _ left: [Int], _ unknown: Int, _ known: Int
  ) throws {
    let world = try QuarantineWorld(QuarantineRules(maximumSize: maximum))
    let now = time_t(world.time.milliseconds / 1000)
    // The unknown are younger than the known, and in the order of their numbers.
    for number in 1...3 {
      let path = world.folder.path + "/\(Self.reference(number)).eml"
      try Data("12345".utf8).write(to: URL(filePath: path))
      let moment = timeval(tv_sec: now + 60 + number, tv_usec: 0)
      #expect(utimes(path, [moment, moment]) == 0)
    }
    for number in [8, 9] {
      try world.keep("1234567890", Self.reference(number))
      world.time.advance(by: .seconds(1))
    }
    let words = try world.quarantine.care(within: .seconds(1))
    #expect(try world.names == left.map { "\(Self.reference($0)).eml" })
    let start = "quarantine: \(unknown) files (\(unknown * 5) bytes) that no index knows deleted"
    #expect(words.contains { $0.hasPrefix(start) } == (unknown > 0))
    #expect(words.contains { $0.contains("the \(known) oldest originals") } == (known > 0))
    #expect(!world.quarantine.isOverfull)
  }

  /// A file may be whole before it is indexed: its sender is about to be told that it was taken.
  @Test func leavesWhatIsBeingKept() throws {
    let world = try QuarantineWorld(QuarantineRules(keep: 1000, maximumSize: 5))
    let path = world.folder.path + "/\(Self.reference(1)).eml"
    try Data("1234567890".utf8).write(to: URL(filePath: path))
    world.quarantine.state.withLock { _ = $0.underway.insert(Self.reference(1)) }
    world.time.advance(by: .seconds(3600))
    _ = try world.quarantine.care(within: .seconds(1))
    #expect(try world.names == ["\(Self.reference(1)).eml"])
    world.quarantine.state.withLock { _ = $0.underway.remove(Self.reference(1)) }
    _ = try world.quarantine.care(within: .seconds(1))
    #expect(try world.names == [])
  }

  /// However short originals are kept, what was released passes while its token is good.
  @Test(arguments: [(Int64(1000), 3590, true), (1000, 3610, false), (7_200_000, 3610, true)])
  func keepsReleasesWhileTheirTokensAreGood(
    _ keep: Int64, _ seconds: Int, _ isKnown: Bool
  ) throws {
    let world = try QuarantineWorld(QuarantineRules(keep: keep))
    let (_, token) = try world.quarantine.authorise(
      .init(reference: Self.reference(1), form: "original", caller: "root", reason: ""),
      EditedMessage(parsing: Array("Subject: x\r\n\r\nx".utf8)), to: ["b@example.org"],
      within: .seconds(1))
    world.time.advance(by: .seconds(seconds))
    _ = try world.quarantine.care(within: .seconds(1))
    #expect(try world.quarantine.knows(token) == isKnown)
  }

  @Test func goesOnWithTheIndexWhenAFileCannotBeDeleted() throws {
    let world = try QuarantineWorld(QuarantineRules(keep: 1000))
    try world.keep("x", Self.reference(1))
    world.time.advance(by: .seconds(2))
    world.folder.fail(.remove, with: EACCES)
    #expect(throws: QuarantineTrouble.notWritable(path: world.folder.path)) {
      try world.quarantine.care(within: .seconds(1))
    }
    #expect(try world.quarantine.entry(Self.reference(1)) != nil)
    world.folder.recover()
    #expect(try world.quarantine.care(within: .seconds(1)).count == 1)
  }

  @Test func purgesByHandUntilNobodyListens() throws {
    let world = try QuarantineWorld()
    for number in 0..<450 { try world.keep("x", Self.reference(number)) }
    struct Enough: Error {}
    let end = world.time.milliseconds + 1
    let deleted = try world.quarantine.purge(before: end, within: .seconds(1)) { _ in
      throw Enough()
    }
    #expect(deleted == .init(count: 200, bytes: 200))
    #expect(try world.quarantine.purge(before: end, within: .seconds(1)).count == 250)
    #expect(try world.names == [])
  }
}
