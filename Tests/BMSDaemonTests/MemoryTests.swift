// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import DNS
import Configuration
import FoundationEssentials
import GRDB
import Glibc
import Greylisting
import Logging
import Policy
import Store
import TestSupport
import Testing

@testable import BMSDaemon

struct MemoryTests {
  let folder: TemporaryFolder
  let time = FakeTime()
  let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  var path: String { folder.path("bms.db") }

  init() throws { folder = try TemporaryFolder() }

  func setup(_ text: String) -> Setup {
    Setup(path: "/etc/mail/bms.conf", files: FakeFiles(["/etc/mail/bms.conf": text])) { _ in
      .system(log: log, trail: MemoryTrail(capacity: 0), resolver: NoResolver())
    }
  }

  func memory(isDaemon: Bool = false) throws -> Memory {
    try Memory.open(
      setup("[store]\npath = \(path)\n").configuration, time: time, isDaemon: isDaemon)
  }

  func housekeeper(_ memory: Memory, freeBytes: Int = .max) -> Housekeeper {
    Housekeeper(
      memory, time, minFree: { 1000 }, log: { [log] in log }, freeBytes: { _ in freeBytes })
  }

  /// What would not stop a running daemon does not stop one that starts.
  @Test func aLockHeldByAnotherAtStartLeavesMailFlowing() throws {
    _ = try StateStore(path: path, time: time)
    let other = try DatabaseQueue(path: path)
    try other.writeWithoutTransaction { db in
      // What the other process holds while it recovers or checkpoints: not even reading is possible.
      try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
      let memory = try memory(isDaemon: true)
      let ban = try #require(ListedParty("192.0.2.1"))
      memory.bans?.ban(ban, for: nil, reason: "")
      housekeeper(memory).tick()
      #expect(memory.faults.contains { $0.contains("locked by another process") })
      #expect(memory.faults.contains { $0.contains("could not be read, and do not hold") })
      #expect(memory.bans?.ban(of: ban) != nil)
      try db.execute(sql: "ROLLBACK")
      // The connection in that mode lets go with its next look at the file.
      try db.execute(sql: "PRAGMA locking_mode = NORMAL; SELECT count(*) FROM ban")
      housekeeper(memory).tick()
      #expect(memory.faults == [])
      #expect(memory.bans?.pendingCount == 0)
      memory.close(within: .seconds(1))
    }
  }

  @Test(arguments: ["[banned_ips]\n", "[allow]\n"])
  func asksForTheStore(_ text: String) {
    let alone = setup(text)
    #expect(alone.pipeline == nil)
    #expect(alone.faults.contains { $0.message.contains("add the section [store]") })
    #expect(setup(text + "[store]\n").pipeline != nil)
    #expect(setup("[helo]\n").pipeline != nil)
  }

  @Test func needsNoStoreForAModuleThatIsOff() {
    #expect(setup("[banned_ips]\nmode = off\n").pipeline != nil)
  }

  @Test func opensNothingWithoutItsSection() throws {
    let memory = try Memory.open(setup("[helo]\n").configuration, time: time)
    #expect(memory.store == nil)
    #expect(memory.bans == nil)
  }

  @Test func refusesASecondDaemon() throws {
    let first = try memory(isDaemon: true)
    #expect(throws: StoreTrouble.inUse(path: path, by: "another bmsd (process \(getpid()))")) {
      try memory(isDaemon: true)
    }
    withExtendedLifetime(first) {}
  }

  @Test func writesAndPurges() throws {
    let memory = try memory()
    let keeper = housekeeper(memory)
    let bans = try #require(memory.bans)
    bans.ban(try #require(ListedParty("192.0.2.1")), for: .seconds(30), reason: "")
    keeper.tick()
    #expect(bans.pendingCount == 0)
    time.advance(by: .seconds(59))
    keeper.tick()
    #expect(bans.count == 1)
    time.advance(by: .seconds(1))
    keeper.tick()
    #expect(bans.count == 0)
    #expect(memory.faults.isEmpty)
  }

  @Test func stopsWritingBeforeTheDiskIsFull() throws {
    let memory = try memory()
    let bans = try #require(memory.bans)
    bans.ban(try #require(ListedParty("192.0.2.1")), for: nil, reason: "")
    housekeeper(memory, freeBytes: 99).tick()
    #expect(bans.pendingCount == 1)
    #expect(memory.faults.contains { $0.contains("no space is left") })
    time.advance(by: WriteGate.probeInterval)
    housekeeper(memory, freeBytes: 100).tick()
    #expect(bans.pendingCount == 0)
    #expect(memory.faults.isEmpty)
  }

  /// The lists are in memory still, and somebody may have removed the file by accident.
  @Test func aFileThatWasRemovedIsMadeAnewWithTheLists() throws {
    let memory = try memory(isDaemon: true)
    let keeper = housekeeper(memory)
    let bans = try #require(memory.bans)
    bans.ban(try #require(ListedParty("192.0.2.1")), for: nil, reason: "")
    #expect(
      memory.allowed?.put(AllowEntry(try #require(ListedParty("@a.example")), since: 0)) == true)
    keeper.tick()
    try FileManager.default.removeItem(atPath: path)
    #expect(memory.faults.contains { $0.contains("was removed or replaced") })
    bans.ban(try #require(ListedParty("192.0.2.2")), for: nil, reason: "")
    #expect(throws: StoreTrouble.self) { try bans.flush(within: .seconds(1)) }
    keeper.tick()
    #expect(memory.faults.map { $0.contains("was removed while bmsd runs") } == [true])
    time.advance(by: .seconds(3600))
    keeper.tick()
    #expect(memory.faults == [])
    memory.close(within: .seconds(1))
    #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
    let again = try StateStore(path: path, time: time)
    #expect(BanList(again).bans.map(\.party.value) == ["192.0.2.1", "192.0.2.2"])
    #expect(AllowList(again).entries.count == 1)
  }

  @Test func aFileThatWasReplacedHoldsAsItIs() throws {
    let copy = folder.path("copy.db")
    let older = try StateStore(path: copy, time: time)
    let kept = BanList(older)
    kept.ban(try #require(ListedParty("198.51.100.1")), for: nil, reason: "")
    try kept.flush(within: .seconds(1))
    older.close()
    let memory = try memory(isDaemon: true)
    let keeper = housekeeper(memory)
    let bans = try #require(memory.bans)
    bans.ban(try #require(ListedParty("192.0.2.1")), for: nil, reason: "")
    keeper.tick()
    bans.ban(try #require(ListedParty("192.0.2.2")), for: nil, reason: "")
    try #require(rename(copy, path) == 0)
    keeper.tick()
    // The copy's, and what was not written when it came.
    #expect(bans.bans.map(\.party.value) == ["192.0.2.2", "198.51.100.1"])
    #expect(memory.faults.map { $0.contains("was replaced while bmsd runs") } == [true])
    memory.close(within: .seconds(1))
    #expect(BanList(try StateStore(path: path, time: time)).bans.count == 2)
  }

  /// Nothing better is there: what is in memory and in the old file goes on.
  @Test func aFileThatWasReplacedByJunkIsNotUsed() throws {
    let memory = try memory(isDaemon: true)
    let keeper = housekeeper(memory)
    let store = try #require(memory.store)
    let junk = Data(repeating: 0xA5, count: 5000)
    try junk.write(to: URL(filePath: path), options: .atomic)
    for _ in 0..<3 {
      keeper.tick()
      #expect(memory.faults.contains { $0.contains("the database is damaged") })
      try store.file.write(within: .seconds(1)) { try $0.execute(sql: "DELETE FROM triplet") }
    }
    #expect(try Data(contentsOf: URL(filePath: path)) == junk)
    try FileManager.default.removeItem(atPath: path)
    keeper.tick()
    #expect(memory.faults.map { $0.contains("was removed while bmsd runs") } == [true])
  }

  /// A flood of senders that never retry drives out nobody who did.
  @Test func aGreylistThatIsTooLongForgetsTheOldestThatWait() throws {
    let memory = try memory(isDaemon: true)
    let store = try #require(memory.store)
    let rule = TripletRule(
      delay: 300_000, expire: 172_800_000, retain: 3_110_400_000, autoPass: 0)
    let keeper = Housekeeper(
      memory, time, minFree: { 0 }, greylist: { rule }, log: { [log] in log },
      maximumTriplets: 100)
    keeper.tick()
    func see(_ count: Int, _ kind: String, learnOnly: Bool = false) throws {
      for number in 0..<count {
        _ = try store.see(
          Triplet(origin: "o", sender: "\(kind)\(number)", recipient: "r"), at: time.milliseconds,
          by: rule, learnOnly: learnOnly, within: .seconds(5))
      }
    }
    try see(40, "passed", learnOnly: true)
    time.advance(by: .seconds(3600))
    try see(60, "old")
    time.advance(by: .seconds(3600))
    keeper.tick()
    #expect(try store.greylistCounts(autoPass: 0).triplets == 100)
    #expect(memory.faults == [])
    try see(30, "new")
    time.advance(by: .seconds(60))
    keeper.tick()
    var counts = try store.greylistCounts(autoPass: 0)
    #expect((counts.learned, counts.waiting) == (40, 30))
    #expect(memory.faults.contains { $0.contains("more than 100 triplets") })
    #expect(store.estimatedTriplets == 70)
    // Nothing that waits is left to be forgotten: then who was not seen for longest.
    try see(80, "late", learnOnly: true)
    time.advance(by: .seconds(7200))
    keeper.tick()
    counts = try store.greylistCounts(autoPass: 0)
    #expect((counts.learned, counts.waiting) == (80, 0))
    time.advance(by: .seconds(3600))
    keeper.tick()
    #expect(memory.faults == [])
  }

  @Test func keepsTheLastGoodFile() throws {
    let text = "[store]\npath = \(path)\n[helo]\n"
    let kept = try #require(LastGoodFile.path(setup(text).configuration))
    LastGoodFile.keep(setup(text).source, at: kept, log)
    #expect(kept == folder.path("bms.conf.good"))
    #expect(try Data(contentsOf: URL(filePath: kept)) == Data(text.utf8))
  }

  @Test func comparesConfigurations() {
    let old = setup("[helo]\nrequire = no\n[store]\n").configuration
    let new = setup("[helo]\n[store]\npath = /var/lib/x.db\n").configuration
    #expect(
      DifferenceRow.between(old, and: new) == [
        DifferenceRow(
          option: "store.path", running: "/var/lib/bms/bms.db", file: "/var/lib/x.db",
          needsRestart: true),
        DifferenceRow(option: "helo.require", running: "no", file: "yes", needsRestart: false),
      ])
  }

  /// A reload does not change them, however often.
  @Test func comparesKeysThatNeedARestartWithTheStart() {
    let began = setup("[store]\n[helo]\n").configuration
    let running = setup("[store]\npath = /var/lib/x.db\n[helo]\nrequire = no\n").configuration
    #expect(
      DifferenceRow.between(running, and: running, begunWith: began) == [
        DifferenceRow(
          option: "store.path", running: "/var/lib/bms/bms.db", file: "/var/lib/x.db",
          needsRestart: true)
      ])
    #expect(
      DifferenceRow.between(running, and: began, begunWith: began) == [
        DifferenceRow(option: "helo.require", running: "no", file: "yes", needsRestart: false)
      ])
  }

  @Test func ordersThePipeline() {
    #expect(PolicyPipeline.orderFaults(in: pipeline).isEmpty)
    #expect(pipelineNames.prefix(3) == ["network", "quarantine", "allow"])
    #expect(!skippableNames.contains("network") && skippableNames.contains("banned_ips"))
  }

  @Test func printsAZone() throws {
    func row(_ text: String) throws -> BanRow {
      BanRow(Ban(try #require(ListedParty(text)), since: 0, until: nil))
    }
    var rows = try ["192.0.2.10", "192.0.2.9", "198.51.100.4/30", "2001:db8::1", "@a.example"]
      .map(row)
    for host in 1...128 { rows.append(try row("203.0.113.\(host)")) }
    var (lines, omitted) = BanZone.lines(rows)
    #expect(omitted == 2)
    #expect(lines.count == 2 + 4 + 128)
    #expect(lines.first == "9.2.0.192 IN A 127.0.0.2")
    rows.append(try row("203.0.113.129"))
    rows.append(try row("203.0.113.129/32"))
    (lines, omitted) = BanZone.lines(rows)
    #expect(lines.last == "*.113.0.203 IN A 127.0.0.2 ; 129 ips banned")
    #expect(lines.count == 7)
    #expect(try BanZone.lines([row("10.0.0.0/8")]).omitted == 1)
    #expect(try BanZone.lines([row("10.1.0.0/16")]).lines.count == 256)
  }
}
