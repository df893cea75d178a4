// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import FoundationEssentials
import GRDB
import Mail
import Store
import TestSupport
import Testing

/// What stands in the tables, of this version and of the first.
extension TrailStoreTests {
  /// Rows of a table.
  private func count(_ table: String) throws -> Int? {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    return try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") }
  }

  @Test func aMessageWithoutRemarksIsOneRow() throws {
    var entry = Self.entry(1)
    entry.decisions = (0..<11).map { Self.decision("m\($0 % 4)", "proceed", duration: 7) }
    try open().append([entry, entry])
    #expect(try ["entry", "step", "decision", "recipient"].map(count) == [2, 4, 0, 0])
    #expect(try all().map(\.decisions) == [entry.decisions, entry.decisions])
    #expect(try TrailReader(path: path).stats(since: 0).times.map(\.count) == [6, 6, 6, 4])
  }

  @Test func damagedListsOfDecisionsAreReadAsFarAsTheyGo() throws {
    var entry = Self.entry(1)
    entry.decisions = [Self.decision("helo", "proceed"), Self.decision("helo", "reject")]
    let store = try open()
    try store.append([entry])
    let reader = try TrailReader(path: path)
    let queue = try DatabaseQueue(path: path)
    var random = SystemRandomNumberGenerator()
    for length in 0..<300 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
      try queue.write {
        try $0.execute(sql: "UPDATE entry SET proceeded = ?", arguments: [Data(bytes)])
      }
      let read = try reader.entries(TrailFilter(), limit: 1)
      #expect(read.first?.decisions.contains { $0.verdict == "reject" } == true, "\(bytes)")
      _ = try reader.stats(since: 0)
    }
  }

  /// The tables as version 0.1 made them, with a message in them.
  private static let first = """
    CREATE TABLE entry (
      id INTEGER PRIMARY KEY, reference TEXT NOT NULL, time INTEGER NOT NULL,
      refused INTEGER NOT NULL, ending TEXT NOT NULL, node TEXT NOT NULL, client TEXT NOT NULL,
      client_name TEXT NOT NULL,
      hello, user, daemon_name, daemon_port, sender, queue_id, message_id, subject,
      accepted INTEGER NOT NULL, refused_recipients INTEGER NOT NULL,
      unknown_recipients INTEGER NOT NULL, reply TEXT, size INTEGER NOT NULL,
      dropped_decisions INTEGER NOT NULL
    );
    CREATE TABLE recipient (
      entry INTEGER NOT NULL, number INTEGER NOT NULL, address NOT NULL,
      PRIMARY KEY (entry, number)
    ) WITHOUT ROWID;
    CREATE TABLE decision (
      entry INTEGER NOT NULL, number INTEGER NOT NULL,
      stage TEXT NOT NULL, module TEXT NOT NULL, mode TEXT NOT NULL,
      verdict TEXT NOT NULL, effect TEXT NOT NULL,
      reply TEXT, code TEXT, detail TEXT, option TEXT, place TEXT, recipient, note TEXT,
      duration INTEGER NOT NULL, PRIMARY KEY (entry, number)
    ) WITHOUT ROWID;
    CREATE TABLE edit (
      entry INTEGER NOT NULL, number INTEGER NOT NULL,
      kind TEXT NOT NULL, value, made INTEGER NOT NULL, PRIMARY KEY (entry, number)
    ) WITHOUT ROWID;
    CREATE TABLE loss (
      id INTEGER PRIMARY KEY, "from" INTEGER NOT NULL, until INTEGER NOT NULL,
      count INTEGER NOT NULL, why TEXT NOT NULL
    );
    CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
    INSERT INTO grdb_migrations VALUES ('trail 1');
    INSERT INTO entry VALUES (1, 'OLD', 5, 0, 'accept', '', '192.0.2.1', '', NULL, NULL, NULL,
      NULL, '<a@example.com>', NULL, NULL, NULL, 2, 0, 0, NULL, 9, 0);
    INSERT INTO recipient VALUES (1, 0, '<b@example.org>'), (1, 1, '<c@example.org>');
    INSERT INTO decision VALUES
      (1, 0, 'helo', 'helo', 'enforce', 'proceed', 'enforced', NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, 40),
      (1, 1, 'helo', 'helo', 'observe', 'reject', 'observed', '550 5.7.1 No', 'numeric', NULL,
        NULL, NULL, NULL, NULL, 60);
    """

  /// The copy is left where it can be; nothing depends on it.
  @Test("reads what the first version wrote", arguments: [false, true])
  func readsTheFirstVersion(copyIsInTheWay: Bool) throws {
    if copyIsInTheWay {
      try FileManager.default.createDirectory(
        atPath: "\(path).v1", withIntermediateDirectories: false)
    }
    let queue = try DatabaseQueue(path: path)
    try queue.write { try $0.execute(sql: Self.first) }
    try queue.close()
    // A command that comes before the daemon was restarted says so, and leaves the file alone.
    let trouble = #expect(throws: StoreTrouble.self) { try TrailReader(path: path) }
    #expect(trouble?.description.contains("restarted") == true)
    let store = try open()
    #expect(FileManager.default.fileExists(atPath: "\(path).v1"))
    var new = Self.entry(2, time: 6)
    new.recipients = ["<d@example.org>", "<e@example.org>"]
    new.decisions = [Self.decision("helo", "proceed", duration: 50)]
    try store.append([new])
    let entries = try all()
    #expect(entries.map(\.reference) == ["OLD", "REF2"])
    #expect(entries.first?.recipients == ["<b@example.org>", "<c@example.org>"])
    #expect(entries.first?.decisions.map(\.verdict) == ["proceed", "reject"])
    #expect(entries.last?.recipients == new.recipients)
    for address in ["b@", "C@", "d@", "e@EXAMPLE"] {
      var filter = TrailFilter()
      filter.to = address
      #expect(try all(filter).count == 1)
    }
    let stats = try TrailReader(path: path).stats(since: 0)
    let helo = try #require(stats.times.first)
    #expect([Int64(helo.count), helo.median, helo.maximum] == [3, 50, 60])
    #expect(stats.wouldRefuse.map(\.domain) == ["example.com"])
  }
}
