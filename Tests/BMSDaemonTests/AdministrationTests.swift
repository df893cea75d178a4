// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Control
import FoundationEssentials
import GRDB
import Glibc
import Greylisting
import Policy
import Store
import TestSupport
import Testing

@testable import BMSDaemon

/// Operations on a database, as a command performs them without a daemon or within one.
struct AdministrationTests {
  struct FakeDaemon: RunningDaemon {
    var faults: [String] = []
    var configuration = Rules.greylist("time = 10m")
    var status: StatusRow {
      StatusRow(
        version: "1", pid: 1, configuration: "/c", uptime: 1, configured: 1, sessions: 2,
        messages: 3, turnedAway: 4, isDraining: false, modules: [], bans: 0, allowed: 0,
        faults: faults)
    }
    var unwritten: TrailEntry?
    func unwritten(_ name: String) -> TrailEntry? { unwritten }
    func reload() -> ControlEnd { ControlEnd(EX_CONFIG, ["bms.conf:3: what"]) }
    func configDiff() -> (rows: [DifferenceRow], end: ControlEnd) { ([], .well) }
  }

  let folder: TemporaryFolder
  let time = FakeTime()
  let memory: Memory
  let direct: Administration

  init() throws {
    folder = try TemporaryFolder()
    let store = try StateStore(path: folder.path("bms.db"), time: time)
    memory = Memory(store: store, trail: MemoryTrail(capacity: 0))
    direct = Administration(memory, time, Rules.greylist())
  }

  func rows<Row: Decodable>(
    _ type: Row.Type, _ request: AdministrationRequest
  ) throws -> [Row] {
    var rows: [Row] = []
    let end = direct.perform(request) { row in
      rows.append(try JSONDecoder().decode(Row.self, from: try JSONEncoder().encode(row)))
    }
    #expect(end == .well)
    return rows
  }

  func end(_ request: AdministrationRequest) -> ControlEnd { direct.perform(request) { _ in } }

  func ban(_ party: String, _ duration: Int? = nil) -> AdministrationRequest {
    .banAdd(BanAddition(party: party, duration: duration, reason: "why"))
  }

  @Test func bansAndLetsGo() throws {
    #expect(end(ban("192.0.2.7/24", 60_000)) == .well)
    #expect(end(ban("Example.ORG")) == .well)
    let listed = try rows(BanRow.self, .banList)
    #expect(listed.map(\.value) == ["192.0.2.0/24", "example.org"])
    #expect(listed.map(\.until) == [time.milliseconds + 60_000, nil])
    #expect(listed.map(\.reason) == ["why", "why"])
    let stored = try memory.store?.file.read {
      try Int.fetchOne($0, sql: "SELECT count(*) FROM ban")
    }
    #expect(stored == 2)
    #expect(end(.banRemove("192.0.2.0/24")) == .well)
    #expect(end(.banRemove("192.0.2.0/24")).status == 1)
    #expect(try rows(BanRow.self, .banList).count == 1)
  }

  @Test func saysWhichWiderBanHolds() {
    _ = end(ban("192.0.2.0/24"))
    #expect(
      end(.banRemove("192.0.2.1")).messages == [
        "192.0.2.1 is not banned", "192.0.2.0/24, which holds it, is",
      ])
  }

  @Test(arguments: ["nonsense", "", "0.0.0.0/0", "::/0", "10.0.0.0/7", "300.1.1.1"])
  func bansNoNonsense(_ party: String) throws {
    #expect(end(ban(party)).status == EX_USAGE)
    #expect(try rows(BanRow.self, .banList).isEmpty)
  }

  func allow(
    _ party: String, skip: [String] = [], until: Int64? = nil, note: String = ""
  ) -> AdministrationRequest {
    .allowAdd(
      AllowAddition(party: party, skip: skip, until: until, isUnauthenticated: true, note: note))
  }

  @Test func allowsAndForgets() throws {
    #expect(end(allow("@example.org", skip: ["helo"], note: "n")) == .well)
    let entry = try #require(try rows(AllowRow.self, .allowList).first)
    #expect(entry.value == "example.org")
    #expect(entry.skip == ["helo"])
    #expect(entry.isUnauthenticated)
    #expect(entry.note == "n")
    #expect(end(.allowRemove("@example.org")) == .well)
    #expect(end(.allowRemove("@example.org")).status == 1)
  }

  @Test func allowsNoNonsense() throws {
    #expect(end(allow("nonsense")).status == EX_USAGE)
    #expect(end(allow("@example.org", skip: ["network"])).status == EX_USAGE)
    #expect(end(allow("@example.org", skip: ["nothing"])).status == EX_USAGE)
    #expect(end(allow("@example.org", until: time.milliseconds)).status == EX_USAGE)
    let long = String(repeating: "n", count: 501)
    #expect(end(allow("@example.org", note: long)).status == EX_USAGE)
    #expect(try rows(AllowRow.self, .allowList).isEmpty)
  }

  @Test func needsADatabase() {
    let nothing = Administration(.none, time, Rules.greylist())
    for request in [AdministrationRequest.banList, .allowList, ban("192.0.2.1")] {
      #expect(nothing.perform(request) { _ in }.status == EX_CONFIG)
    }
  }

  @Test func needsADaemon() {
    for request in [AdministrationRequest.status, .reload, .configDiff] {
      #expect(end(request) == Administration.notRunning)
    }
  }

  @Test func passesOnWhatTheDaemonSays() {
    let well = Administration(memory, time, Rules.greylist(), daemon: FakeDaemon())
    #expect(well.perform(.status) { _ in } == .well)
    #expect(well.perform(.reload) { _ in } == ControlEnd(EX_CONFIG, ["bms.conf:3: what"]))
    let degraded = Administration(
      memory, time, Rules.greylist(), daemon: FakeDaemon(faults: ["full"]))
    #expect(degraded.perform(.status) { _ in }.status == 1)
  }

  @Test func saysThatALockedDatabaseIsNotWritten() throws {
    let other = try DatabaseQueue(path: folder.path("bms.db"))
    try other.writeWithoutTransaction { db in
      try db.execute(sql: "BEGIN IMMEDIATE")
      let running = Administration(memory, time, Rules.greylist(), daemon: FakeDaemon())
      #expect(running.perform(ban("192.0.2.1")) { _ in }.status == 1)
      #expect(memory.bans?.pendingCount == 1)
      #expect(end(ban("192.0.2.2")).status == EX_UNAVAILABLE)
      try db.execute(sql: "COMMIT")
    }
  }

  // MARK: bans that do not hold

  private static let exempting = """
    [network]
    trusted_relay = 192.0.2.128/25
    internal_connect = 10.*, 127.0.0.1
    [banned_ips]
    never = 198.51.100.7
    """

  private func exempting() -> Administration {
    Administration(memory, time, Configuration(text: Self.exempting, sections: BMSDaemon.sections))
  }

  @Test(
    arguments: [
      ("192.0.2.200", "[network] trusted_relay"), ("192.0.2.192/26", "[network] trusted_relay"),
      ("10.1.2.3", "[network] internal_connect"), ("198.51.100.7", "[banned_ips] never"),
      ("203.0.113.9", "the allow-list"), ("192.0.2.1", nil), ("192.0.2.0/24", nil),
    ])
  func saysThatABanHasNoEffect(_ party: String, _ why: String?) throws {
    let administration = exempting()
    _ = administration.perform(
      .allowAdd(
        AllowAddition(
          party: "203.0.113.9", skip: [], until: nil, isUnauthenticated: false, note: ""))
    ) { _ in }
    let end = administration.perform(
      .banAdd(BanAddition(party: party, duration: nil, reason: "x"))
    ) { _ in }
    #expect(end.status == (why == nil ? 0 : 1))
    if let why { #expect(end.messages.first?.contains("no ban holds for it: \(why)") == true) }
  }

  @Test func exportsOnlyWhatHolds() throws {
    let administration = exempting()
    for party in ["192.0.2.0/24", "192.0.2.200", "10.1.2.3", "198.51.100.6/31", "203.0.113.9"] {
      _ = administration.perform(.banAdd(BanAddition(party: party, duration: nil, reason: "x"))) {
        _ in
      }
    }
    _ = administration.perform(
      .allowAdd(
        AllowAddition(
          party: "203.0.113.0/28", skip: ["helo"], until: nil, isUnauthenticated: false, note: ""))
    ) { _ in }
    var exported: [String] = []
    let end = administration.perform(.banExport) { row in
      exported.append(try #require(row as? BanRow).value)
    }
    #expect(end == .well)
    #expect(exported.sorted() == ["192.0.2.0/25", "198.51.100.6", "203.0.113.9"])
  }

  @Test(arguments: ["*@foo.example", "a@*.example", "@*.example"])
  func refusesWildcards(_ party: String) {
    let end = direct.perform(
      .allowAdd(
        AllowAddition(party: party, skip: [], until: nil, isUnauthenticated: true, note: ""))
    ) { _ in }
    #expect(end.status == EX_USAGE && end.messages.first?.contains("no wildcards") == true)
  }
}
