// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import Foundation
import GRDB
import Glibc
import Store
import Synchronization
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

  /// Nobody waits longer than its own deadline, whatever stands before it.
  @Test func sixtyFourWaitNoLongerThanTheyMay() throws {
    let gate = WriteGate(time)
    let troubles = Mutex<[StoreTrouble]>([])
    try gate.run(within: .seconds(1)) {
      let group = DispatchGroup()
      for _ in 0..<64 {
        group.enter()
        Thread.detachNewThread {
          defer { group.leave() }
          do throws(StoreTrouble) {
            try gate.run(within: .milliseconds(100)) {}
          } catch {
            troubles.withLock { $0.append(error) }
          }
        }
      }
      // The turn is not given back before: who waited for it would wait for ever.
      try #require(group.wait(timeout: .now() + .seconds(60)) == .success)
    }
    let busy = StoreTrouble.busy
    #expect(troubles.withLock { $0.count } == 64)
    #expect(troubles.withLock { $0.allSatisfy { $0 == busy || $0 == .failing("\(busy)") } })
  }

  private func insert(_ number: Int, _ file: SQLiteFile) throws {
    try file.write(within: .seconds(1)) {
      try $0.execute(sql: "INSERT INTO t1 VALUES (?)", arguments: [number])
    }
  }

  private func numbers(_ file: SQLiteFile) throws -> [Int] {
    try file.read { try Int.fetchAll($0, sql: "SELECT a FROM t1 ORDER BY a") }
  }

  /// The end of the process waits for nobody who reads.
  @Test func closesWhileSomebodyReadsForLong() throws {
    let file = try open(1)
    let isReading = DispatchSemaphore(value: 0)
    let isOver = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      defer { isOver.signal() }
      let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
      #expect(throws: StoreTrouble.self) {
        try file.read { db in
          let rows = try Row.fetchCursor(db, sql: "\(numbers) SELECT i FROM n")
          while try rows.next() != nil { isReading.signal() }
        }
      }
    }
    isReading.wait()
    file.close()
    isOver.wait()
  }

  @Test func makesAFileThatIsGoneAnew() throws {
    let file = try open(1)
    try insert(1, file)
    #expect(file.isInPlace)
    #expect(try file.follow(within: .seconds(1)) == .none)
    try FileManager.default.removeItem(atPath: path)
    #expect(!file.isInPlace)
    // The old log is beside it still, and must not become part of the new file.
    #expect(FileManager.default.fileExists(atPath: path + "-wal"))
    #expect(try file.follow(within: .seconds(1)) == .made)
    #expect(file.isInPlace)
    #expect(try numbers(file) == [])
    try insert(2, file)
    file.close()
    #expect(try numbers(open(1)) == [2])
  }

  @Test func takesAFileThatCameInItsPlace() throws {
    let file = try open(1)
    try insert(1, file)
    let copy = folder.path("copy.db")
    let other = try SQLiteFile(path: copy, migrator: Self.migrator(1), time: time)
    try insert(7, other)
    // With a log of its own, which was not copied into the file yet.
    for end in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: copy + end, toPath: copy + ".2" + end)
      #expect(rename(copy + ".2" + end, path + end) == 0)
    }
    #expect(try file.follow(within: .seconds(1)) == .replaced)
    #expect(try numbers(file) == [7])
    try insert(8, file)
    #expect(try numbers(file) == [7, 8])
  }

  @Test func keepsItsFileWhereAnUnusableOneCame() throws {
    let file = try open(1)
    try insert(1, file)
    try Data(repeating: 0xA5, count: 5000).write(to: URL(filePath: path), options: .atomic)
    let trouble = #expect(throws: StoreTrouble.self) { try file.follow(within: .seconds(1)) }
    try insert(2, file)
    #expect(file.trouble == trouble)
    #expect(try numbers(file) == [1, 2])
  }

  @Test func isNotOpenedAgainAfterItsEnd() throws {
    let file = try open(1)
    file.close()
    #expect(try file.follow(within: .seconds(1)) == .none)
    #expect(throws: StoreTrouble.self) { try insert(1, file) }
  }

  /// No commit of a daemon copies the log into the file: it would take long.
  @Test(arguments: [SQLiteFile.Use.mail, .background, .command])
  func whoCopiesTheLog(_ use: SQLiteFile.Use) throws {
    let file = try SQLiteFile(path: path, migrator: Self.migrator(1), time: time, use: use)
    try file.write(within: .seconds(5)) { db in
      try db.execute(sql: "CREATE TABLE big (b BLOB)")
      for _ in 0..<40 { try db.execute(sql: "INSERT INTO big VALUES (zeroblob(1000000))") }
    }
    func size() throws -> Int {
      try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    }
    #expect(try (size() < 1_000_000) == (use == .mail))
    #expect(file.logBytes > 40_000_000)
    try file.checkpoint(within: .seconds(1))
    #expect(try size() > 40_000_000)
    // The log begins anew, and is cut.
    try insert(1, file)
    #expect(file.logBytes < 35_000_000 && !file.hasLongLog)
    let emergency = try file.writeStatement(within: .seconds(1)) {
      try Int.fetchOne($0, sql: "PRAGMA wal_autocheckpoint")
    }
    #expect(emergency == (use == .mail ? 65_536 : 8000))
  }

  @Test func opensTheRealSchema() throws {
    let store = try StateStore(path: path, time: time)
    #expect(try store.file.read { try $0.tableExists("triplet") })
  }

  @Test func letsOneDaemonIn() throws {
    let first = try ProcessLock(path: path)
    #expect(ProcessLock.isHeld(path: path))
    #expect(throws: StoreTrouble.inUse(path: path, by: "another bmsd (process \(getpid()))")) {
      try ProcessLock(path: path, role: .command, within: .seconds(3600))
    }
    withExtendedLifetime(first) {}
  }

  @Test func waitsForACommandButNotForEver() throws {
    var first: ProcessLock? = try ProcessLock(path: path, role: .command)
    let words = "a command of bmsd (process \(getpid()))"
    #expect(throws: StoreTrouble.inUse(path: path, by: words)) { try ProcessLock(path: path) }
    let isTaken = DispatchSemaphore(value: 0)
    let database = path
    Thread.detachNewThread {
      let second = try? ProcessLock(path: database, within: .seconds(60))
      if second != nil { isTaken.signal() }
    }
    #expect(isTaken.wait(timeout: .now() + .milliseconds(100)) == .timedOut)
    first = nil
    #expect(isTaken.wait(timeout: .now() + .seconds(60)) == .success)
    withExtendedLifetime(first) {}
  }
}
