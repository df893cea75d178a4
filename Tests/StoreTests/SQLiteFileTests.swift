// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import FoundationEssentials
import GRDB
import Store
import TestSupport
import Testing

struct SQLiteFileTests {
  let folder: TemporaryFolder
  let time = FakeTime()
  var path: String { folder.path("bms.db") }

  init() throws { folder = try TemporaryFolder() }

  static func migrator(_ count: Int) -> DatabaseMigrator {
    var migrator = DatabaseMigrator()
    for number in 1...count {
      migrator.registerMigration("table \(number)") { db in
        try db.execute(sql: "CREATE TABLE t\(number) (a INTEGER)")
      }
    }
    return migrator
  }

  func open(_ migrations: Int) throws -> SQLiteFile {
    try SQLiteFile(path: path, migrator: Self.migrator(migrations), time: time)
  }

  @Test func keepsACopyBeforeASchemaChange() throws {
    let old = try open(1)
    try old.write(within: .seconds(1)) { try $0.execute(sql: "INSERT INTO t1 VALUES (7)") }
    old.close()
    #expect(!FileManager.default.fileExists(atPath: path + ".v1"))
    let new = try open(2)
    #expect(FileManager.default.fileExists(atPath: path + ".v1"))
    #expect(try new.read { try Int.fetchOne($0, sql: "SELECT a FROM t1") } == 7)
    new.close()
    let copy = try DatabaseQueue(path: path + ".v1")
    #expect(try copy.read { try Int.fetchOne($0, sql: "SELECT a FROM t1") } == 7)
    #expect(try copy.read { try !$0.tableExists("t2") })
  }

  @Test func refusesANewerSchema() throws {
    try open(2).close()
    #expect(throws: StoreTrouble.newer(path: path)) { try open(1) }
  }

  @Test(arguments: ["this is no database, but long enough to look at", "SQLite format 3\u{0}x"])
  func refusesWhatIsNoDatabase(_ content: String) throws {
    try Data((content + String(repeating: "x", count: 5000)).utf8).write(
      to: URL(filePath: path))
    let trouble = #expect(throws: StoreTrouble.self) { try open(1) }
    guard case .damaged = trouble else {
      Issue.record("not told as damaged: \(String(describing: trouble))")
      return
    }
  }

  @Test func shrinksItsFile() throws {
    let file = try open(1)
    try file.write(within: .seconds(5)) { db in
      try db.execute(sql: "CREATE TABLE big (b BLOB)")
      for _ in 0..<200 { try db.execute(sql: "INSERT INTO big VALUES (zeroblob(10000))") }
    }
    let full = try file.usedBytes()
    #expect(full > 2_000_000)
    try file.write(within: .seconds(5)) { try $0.execute(sql: "DELETE FROM big") }
    #expect(try file.usedBytes() < 100_000)
    try file.shrink(pages: 10_000, within: .seconds(5))
    #expect(
      try file.read { try Int.fetchOne($0, sql: "PRAGMA freelist_count") } == 0)
  }

  @Test func failsFastWhileAnotherProcessHoldsTheLock() throws {
    let file = try open(1)
    let other = try DatabaseQueue(path: path)
    try other.writeWithoutTransaction { db in
      try db.execute(sql: "BEGIN IMMEDIATE")
      #expect(throws: StoreTrouble.busy) {
        try file.write(within: .seconds(1)) { try $0.execute(sql: "INSERT INTO t1 VALUES (1)") }
      }
      #expect(file.trouble == .busy)
      // No further wait: the clock of the test stands still, so no probe is due.
      #expect(throws: StoreTrouble.failing(StoreTrouble.busy.description)) {
        try file.write(within: .seconds(1)) { try $0.execute(sql: "INSERT INTO t1 VALUES (1)") }
      }
      try db.execute(sql: "COMMIT")
    }
    time.advance(by: WriteGate.probeInterval)
    try file.write(within: .seconds(1)) { try $0.execute(sql: "INSERT INTO t1 VALUES (1)") }
    #expect(file.trouble == nil)
  }

  /// One thread waited for a writer that is stuck; the others must not wait as long.
  @Test func aStuckWriterMakesOthersFailFast() throws {
    let gate = WriteGate(time)
    try gate.run(within: .seconds(1)) {
      #expect(throws: StoreTrouble.busy) { try gate.run(within: .zero) {} }
      #expect(throws: StoreTrouble.failing(StoreTrouble.busy.description)) {
        try gate.run(within: .seconds(3600)) {}
      }
    }
    try gate.run(within: .seconds(1)) {}
    #expect(gate.trouble == nil)
  }

  @Test func noticesThatItsFileIsGone() throws {
    let file = try open(1)
    #expect(file.isInPlace)
    try FileManager.default.removeItem(atPath: path)
    #expect(!file.isInPlace)
  }

  @Test func opensTheRealSchema() throws {
    let store = try StateStore(path: path, time: time)
    #expect(try store.file.read { try $0.tableExists("triplet") })
  }

  @Test func letsOneDaemonIn() throws {
    let first = try ProcessLock(path: path)
    #expect(ProcessLock.isHeld(path: path))
    #expect(throws: StoreTrouble.self) { try ProcessLock(path: path) }
    withExtendedLifetime(first) {}
  }
}
