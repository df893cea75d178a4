// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import FoundationEssentials
import GRDB
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
      .system(log: log, trail: MemoryTrail(capacity: 0))
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
      #expect(memory.store == nil)
      #expect(memory.faults.contains { $0.contains("works without memory until it is restarted") })
      try db.execute(sql: "ROLLBACK")
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
    #expect(throws: StoreTrouble.inUse(path: path)) { try memory(isDaemon: true) }
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

  @Test func noticesThatTheFileWasRemoved() throws {
    let memory = try memory()
    try FileManager.default.removeItem(atPath: path)
    #expect(memory.faults.contains { $0.contains("was removed or replaced") })
  }

  @Test func keepsTheLastGoodFile() throws {
    let text = "[store]\npath = \(path)\n[helo]\n"
    LastGoodFile.keep(setup(text), log)
    let kept = try #require(LastGoodFile.path(setup(text).configuration))
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

  @Test func ordersThePipeline() {
    #expect(PolicyPipeline.orderFaults(in: pipeline).isEmpty)
    #expect(pipelineNames.prefix(3) == ["network", "allow", "banned_ips"])
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
