// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import GRDB
import Greylisting
import Mail
import Store
import TestSupport
import Testing

/// Rows that hold what bmsd never writes, as after damage or by another program: they are trouble,
/// and never the end of the process.
struct WrongTypeTests {
  let folder: TemporaryFolder
  let time = FakeTime()
  let rule = TripletRule(delay: 300_000, expire: 172_800_000, retain: 3_110_400_000, autoPass: 5)
  let triplet = Triplet(origin: "192.0.2.0/24", sender: "a@example.com", recipient: "*")

  init() throws { folder = try TemporaryFolder() }

  static let values = ["NULL", "'text'", "X'FFFE'", "1.5", "9e99", "9223372036854775807", "-1"]

  /// Every column of every table of the file, with every value.
  private func eachWrongValue(
    _ path: String, _ tables: [String], _ use: (_ place: String) throws -> Void
  ) throws {
    let queue = try DatabaseQueue(path: path)
    var taken = 0
    var tried = 0
    for table in tables {
      let columns = try queue.read { try $0.columns(in: table).map(\.name) }
      #expect(!columns.isEmpty)
      for column in columns {
        for value in Self.values {
          tried += 1
          try queue.write { db in
            try db.execute(sql: "CREATE TEMP TABLE kept AS SELECT * FROM \(table)")
            // SQLite itself keeps other types out of a row's number.
            try? db.execute(sql: "UPDATE OR IGNORE \(table) SET \"\(column)\" = \(value)")
            taken += db.changesCount
          }
          try use("\(table).\(column) = \(value)")
          try queue.write { db in
            try db.execute(
              sql: """
                DELETE FROM \(table); INSERT OR IGNORE INTO \(table) SELECT * FROM kept;
                DROP TABLE kept
                """)
          }
        }
      }
    }
    try queue.close()
    // But for numbers of rows the tables took everything.
    #expect(taken * 10 > tried * 9)
  }

  /// Lets the tables take any value, as a damaged page would hold it.
  private func loosen(_ path: String) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { db in
      try db.execute(
        sql: """
          DROP TRIGGER IF EXISTS triplet_imported;
          PRAGMA writable_schema = ON;
          UPDATE sqlite_schema SET sql = replace(replace(replace(replace(
            sql, 'STRICT, ', ''), ' NOT NULL', ''), ' INTEGER', ''), ' TEXT', '')
          WHERE name IN ('triplet', 'origin', 'ban', 'allow', 'entry', 'decision', 'recipient',
            'edit', 'loss') AND type = 'table' AND sql LIKE '%WITHOUT ROWID%';
          UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')
          WHERE type = 'table' AND sql NOT LIKE '%WITHOUT ROWID%';
          PRAGMA writable_schema = RESET
          """)
    }
    try queue.close()
  }

  /// Only `StoreTrouble` comes out.
  private func attempt(_ place: String, _ body: () throws -> Void) {
    do {
      try body()
    } catch is StoreTrouble {
    } catch {
      Issue.record("\(place): \(error)")
    }
    time.advance(by: WriteGate.probeInterval)
  }

  @Test func ofTheState() throws {
    let path = folder.path("bms.db")
    let first = try StateStore(path: path, time: time)
    _ = try first.see(triplet, at: 0, by: rule, learnOnly: false, within: .seconds(5))
    _ = try first.see(triplet, at: 400_000, by: rule, learnOnly: false, within: .seconds(5))
    let bans = BanList(first)
    let allowed = AllowList(first)
    bans.ban(try #require(ListedParty("192.0.2.1")), for: .seconds(60), reason: "r")
    _ = allowed.put(AllowEntry(try #require(ListedParty("@a.example")), since: 0))
    try bans.flush(within: .seconds(5))
    try allowed.flush(within: .seconds(5))
    first.close()
    try loosen(path)
    let store = try StateStore(path: path, time: time)
    try eachWrongValue(path, ["triplet", "origin", "ban", "allow"]) { place in
      attempt(place) {
        _ = try store.see(triplet, at: 500_000, by: rule, learnOnly: false, within: .seconds(5))
      }
      attempt(place) { _ = try store.triplets(TripletFilter(), limit: 9) }
      attempt(place) { _ = try store.countTriplets(TripletFilter(origin: triplet.origin)) }
      attempt(place) { try store.eachTriplet { _ in } }
      attempt(place) { _ = try store.origin(triplet.origin) }
      attempt(place) { _ = try store.greylistCounts(autoPass: 5) }
      attempt(place) {
        _ = try store.passTriplets(TripletFilter(hasPassed: true), at: 1, within: .seconds(5))
      }
      attempt(place) { try store.purgeGreylist(by: rule, at: 1, within: .seconds(5)) }
      attempt(place) { try BanList(store).flush(within: .seconds(5)) }
      attempt(place) { try AllowList(store).flush(within: .seconds(5)) }
    }
    // A list that cannot be read says so.
    let queue = try DatabaseQueue(path: path)
    try queue.write { try $0.execute(sql: "UPDATE ban SET since = 'long ago'") }
    try queue.close()
    let broken = BanList(store)
    let trouble = #expect(throws: StoreTrouble.self) { try broken.flush(within: .seconds(5)) }
    #expect(broken.loadTrouble == trouble)
    #expect(trouble?.description.contains("the database is damaged") == true)
  }

  @Test func ofTheTrail() throws {
    let path = folder.path("trail.db")
    let store = try TrailStore(path: path, time: time)
    var entry = TrailEntry()
    entry.reference = "REF"
    entry.recipients = ["<b@example.org>", "<c@example.org>"]
    var decision = TrailDecision()
    decision.verdict = "reject"
    var proceeded = TrailDecision()
    (proceeded.verdict, proceeded.effect) = ("proceed", "enforced")
    entry.decisions = [decision, proceeded]
    entry.edits = [TrailEdit(kind: "add header X", value: "y", isMade: true)]
    try store.append([entry])
    try store.append(TrailLoss(from: 0, until: 1, count: 1, why: "full"))
    store.close()
    try loosen(path)
    let writer = try TrailStore(path: path, time: time)
    let reader = try TrailReader(path: path)
    let limits = TrailLimits(keep: 1, keepRefused: 1, maximumSize: 1 << 30)
    try eachWrongValue(path, ["entry", "recipient", "decision", "edit", "loss", "step"]) { place in
      attempt(place) { _ = try reader.entries(TrailFilter(), limit: 9) }
      attempt(place) { _ = try reader.entries(reference: "REF") }
      attempt(place) { _ = try reader.extent() }
      attempt(place) { _ = try reader.losses() }
      attempt(place) { _ = try reader.stats(since: -100) }
      attempt(place) { _ = try writer.newest() }
      attempt(place) { _ = try writer.prune(limits, now: 0) }
      attempt(place) { try writer.append([]) }
    }
  }

  /// A trail of the right name whose tables lack columns.
  @Test func ofATrailWithOtherTables() throws {
    let path = folder.path("trail.db")
    try TrailStore(path: path, time: time).close()
    let queue = try DatabaseQueue(path: path)
    try queue.write { db in
      try db.execute(
        sql: """
          DROP TABLE entry; DROP TABLE loss; CREATE TABLE loss (id INTEGER PRIMARY KEY);
          CREATE TABLE entry (id INTEGER PRIMARY KEY, time INTEGER, reference TEXT);
          INSERT INTO entry VALUES (1, 1, 'REF'); INSERT INTO loss VALUES (1)
          """)
    }
    try queue.close()
    let reader = try TrailReader(path: path)
    #expect(throws: StoreTrouble.self) { try reader.entries(reference: "REF") }
    #expect(throws: StoreTrouble.self) { try reader.losses() }
    #expect(throws: StoreTrouble.self) { try reader.stats(since: 0) }
  }
}
