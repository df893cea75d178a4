// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import GRDB
import Glibc
import Mail
import MilterClient
import Store
import Synchronization
import TestSupport
import Testing

extension WireTests {
  /// Makes junk of a database from `offset` on, with nothing in its log that could heal it.
  static func damage(_ path: String, from offset: Int) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
    try queue.close()
    for end in ["-wal", "-shm"] { unlink(path + end) }
    var bytes = try Data(contentsOf: URL(filePath: path))
    for index in offset..<bytes.count { bytes[index] = 0xA5 }
    try bytes.write(to: URL(filePath: path))
  }

  /// The database of a running daemon is locked, damaged or gone: mail flows, and nobody is
  /// refused.
  @Suite struct DatabaseTrouble {
    static let sections = """
      [network]
      [banned_ips]
      mode = enforce
      [greylist]
      mode = enforce
      scope = recipient

      """

    /// Runs `body` while this process holds the write lock of the database.
    private func holdingLock(of path: String, _ body: () throws -> Void) throws {
      let other = try DatabaseQueue(path: path)
      try other.writeWithoutTransaction { db in
        try db.execute(sql: "BEGIN IMMEDIATE")
        try body()
        try db.execute(sql: "COMMIT")
      }
      try other.close()
    }

    /// Asks about senders that were never seen until one of them has to wait.
    private func greylists(_ daemon: LiveDaemon) throws -> Bool {
      let end = ContinuousClock.now + .seconds(20)
      let session = try daemon.client()
      var number = 0
      while ContinuousClock.now < end {
        number += 1
        let word = String(number, radix: 36).map { $0.isNumber ? "z" : $0 }
        _ = try session.mail([MailText("<new\(String(word))@\(UUID().uuidString).example>")])
        if try session.rcpt(["<b@local.test>"]).code == 451 { return true }
        try session.abort()
      }
      return false
    }

    /// For a minute, with a mail every half second in each of 64 sessions.
    @Test("fault 15: a lock keeps nobody waiting") func aLockKeepsNobodyWaiting() throws {
      let daemon = try LiveDaemon(Self.sections)
      try daemon.write(Self.sections + "[trail]\npath = \(daemon.folder.path("trail.db"))\n")
      try daemon.start()
      #expect(try greylists(daemon))
      let answers = Mutex<[(took: Duration, code: Int?)]>([])
      let faults = Mutex<[String]>([])
      try holdingLock(of: daemon.folder.path("bms.db")) {
        try holdingLock(of: daemon.folder.path("trail.db")) {
          let end = ContinuousClock.now + .seconds(60)
          let pause = DispatchSemaphore(value: 0)
          let group = DispatchGroup()
          let path = WireTests.Unchecked(daemon)
          for number in 0..<64 {
            group.enter()
            Thread.detachNewThread {
              defer { group.leave() }
              do {
                let session = try path.value.client("192.0.2.\(number + 1)")
                while ContinuousClock.now < end {
                  _ = try session.mail([MailText("<\(UUID().uuidString)@example.com>")])
                  let began = ContinuousClock.now
                  let reply = try session.rcpt(["<b@local.test>"])
                  answers.withLock { $0.append((ContinuousClock.now - began, reply.code)) }
                  try session.abort()
                  _ = pause.wait(timeout: .now() + .milliseconds(500))
                }
                try session.quit()
              } catch {
                faults.withLock { $0.append("\(error)") }
              }
            }
          }
          group.wait()
          let status = try daemon.command("status").status
          #expect(status == 1)
        }
      }
      #expect(faults.withLock { $0 } == [])
      let all = answers.withLock { $0 }
      #expect(all.count >= 64 * 10)
      let wrong = all.count { $0.took >= .seconds(5) || $0.code != nil }
      #expect(wrong == 0)
      let slowest = all.map(\.took).max() ?? .zero
      print("locked: \(all.count) recipients, the slowest took \(slowest)")
      #expect(try greylists(daemon))
      daemon.end(SIGTERM)
      #expect(daemon.process.terminationStatus == 0)
    }

    @Test func aDatabaseThatWasRemovedStopsNoMail() throws {
      let daemon = try LiveDaemon(Self.sections)
      try daemon.start()
      for end in ["", "-wal", "-shm"] { unlink(daemon.folder.path("bms.db") + end) }
      for number in 1...20 {
        let reply = try daemon.answer(from: "198.51.100.\(number)")
        #expect(reply == .proceed || reply.code == 451)
      }
      let status = try daemon.command("status")
      #expect(status.status == 1)
      #expect(status.output.contains("FAULT: "))
      #expect(try daemon.command("ban", "add", "203.0.113.1").status <= 1)
      #expect(try daemon.answer(from: "203.0.113.1").code == 550)
      #expect(try awaitFault("was removed while bmsd runs", daemon))
      #expect(try daemon.command("ban", "add", "203.0.113.2").status == 0)
      daemon.end(SIGTERM)
      #expect(daemon.process.terminationStatus == 0)
      #expect(!FileManager.default.fileExists(atPath: daemon.folder.path("bms.db-wal")))
      try daemon.start()
      #expect(try daemon.command("status").status == 0)
      #expect(try greylists(daemon))
      // What held in memory is in the new file.
      for ip in ["203.0.113.1", "203.0.113.2"] { #expect(try daemon.answer(from: ip).code == 550) }
      daemon.end(SIGTERM)
    }

    /// Waits until `status` tells it.
    private func awaitFault(_ words: String, _ daemon: LiveDaemon) throws -> Bool {
      let end = ContinuousClock.now + .seconds(20)
      while ContinuousClock.now < end {
        let status = try daemon.command("status")
        if status.status == 1, status.output.contains(words) { return true }
      }
      return false
    }

    /// A copy from before is put back under the running daemon.
    @Test func aDatabaseThatWasReplacedIsUsed() throws {
      let daemon = try LiveDaemon(Self.sections)
      let path = daemon.folder.path("bms.db")
      try daemon.start()
      #expect(try daemon.command("ban", "add", "192.0.2.1").status == 0)
      #expect(try daemon.answer(from: "198.51.100.7").code == 451)
      daemon.end(SIGTERM)
      let copy = daemon.folder.path("copy.db")
      try FileManager.default.copyItem(atPath: path, toPath: copy)
      try daemon.start()
      #expect(try daemon.command("ban", "remove", "192.0.2.1").status == 0)
      #expect(try daemon.command("ban", "add", "192.0.2.2").status == 0)
      try #require(rename(copy, path) == 0)
      #expect(try awaitFault("was replaced while bmsd runs", daemon))
      #expect(try daemon.answer(from: "192.0.2.1").code == 550)
      #expect(try daemon.answer(from: "192.0.2.2").code == 451)
      let list = try daemon.command("greylist", "list")
      #expect(list.output.contains("198.51.100.0/24") && list.output.contains("192.0.2.0/24"))
      daemon.end(SIGTERM)
      try daemon.start()
      #expect(try daemon.command("status").status == 0)
      #expect(try daemon.answer(from: "192.0.2.1").code == 550)
      daemon.end(SIGTERM)
      let queue = try DatabaseQueue(path: path)
      let check = try queue.read { try String.fetchAll($0, sql: "PRAGMA integrity_check") }
      #expect(check == ["ok"])
    }

    /// Junk came in its place: the daemon goes on with what it has, and says so.
    @Test func aDatabaseThatWasReplacedByJunkStopsNoMail() throws {
      let daemon = try LiveDaemon(Self.sections)
      let path = daemon.folder.path("bms.db")
      try daemon.start()
      #expect(try greylists(daemon))
      let junk = Data(repeating: 0xA5, count: 40_000)
      try junk.write(to: URL(filePath: path), options: .atomic)
      #expect(try awaitFault("the database is damaged", daemon))
      for number in 1...20 {
        let reply = try daemon.answer(from: "198.51.100.\(number)")
        #expect(reply == .proceed || reply.code == 451)
      }
      #expect(try greylists(daemon))
      #expect(try Data(contentsOf: URL(filePath: path)) == junk)
      unlink(path)
      #expect(try awaitFault("was removed while bmsd runs", daemon))
      #expect(try greylists(daemon))
      daemon.end(SIGTERM)
      #expect(daemon.process.terminationStatus == 0)
    }

    @Test("fault 18: a folder that was removed stops no mail")
    func aFolderThatWasRemovedStopsNoMail() throws {
      let daemon = try LiveDaemon(Self.sections)
      let state = daemon.folder.path("state")
      mkdir(state, 0o755)
      let text = try String(contentsOfFile: daemon.configuration, encoding: .utf8)
      try Data(text.replacing("/bms.db", with: "/state/bms.db").utf8).write(
        to: URL(filePath: daemon.configuration))
      try daemon.start()
      try FileManager.default.removeItem(atPath: state)
      let reply = try daemon.answer(from: "198.51.100.7")
      #expect(reply == .proceed || reply.code == 451)
      #expect(try daemon.command("status").status == 1)
      daemon.end(SIGTERM)
    }

    /// The pages of the table are junk: the daemon learns of it only when it looks there.
    @Test("fault 17: a database damaged within refuses nobody")
    func aDatabaseDamagedWithinRefusesNobody() throws {
      let daemon = try LiveDaemon(Self.sections)
      let path = daemon.folder.path("bms.db")
      try daemon.start()
      #expect(try greylists(daemon))
      daemon.end(SIGTERM)
      let rows = (0..<5000).map { "192.0.2.0/24,s\($0)@x,b@local.test,1,1795219200,1,,2" }
      let text = "origin,sender,recipient,first,last,passed,umis,tries\n"
      try Data((text + rows.joined(separator: "\n")).utf8).write(
        to: URL(filePath: daemon.folder.path("rows.csv")))
      _ = try daemon.command("greylist", "import", daemon.folder.path("rows.csv"))
      // All but the first pages, which hold the schema and the small tables.
      try WireTests.damage(path, from: 40 * 4096)
      try daemon.start()
      for number in 0..<50 {
        let reply = try daemon.answer(
          from: "192.0.2.7", sender: MailText("<s\(number)x@example.com>"))
        #expect(reply == .proceed || reply.code == 451)
      }
      daemon.end(SIGTERM)
      #expect(daemon.process.terminationStatus == 0)
    }
  }

  /// A database with which the daemon does not start: why, and what helps.
  @Suite struct UnusableDatabase {
    private func refusal(_ daemon: LiveDaemon) throws -> String {
      let outcome = try daemon.run(["run"], prefix: ["/usr/bin/timeout", "20"])
      #expect(outcome.status == EX_UNAVAILABLE)
      #expect(!FileManager.default.fileExists(atPath: daemon.folder.path("bms.sock")))
      return outcome.errors
    }

    private func made() throws -> LiveDaemon {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      try daemon.start()
      daemon.end(SIGTERM)
      return daemon
    }

    @Test(
      "fault 17: what is no database",
      arguments: [
        "this is no database, but long enough to look at", "SQLite format 3\u{0}x", "\u{0}",
      ])
    func noDatabase(_ content: String) throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      let path = daemon.folder.path("bms.db")
      let junk = Data((content + String(repeating: "x", count: 5000)).utf8)
      try junk.write(to: URL(filePath: path))
      let words = try refusal(daemon)
      #expect(words.contains("\(path): the database is damaged"))
      #expect(words.contains("move it aside"))
      // What is there is left as it is, for whoever wants to mend it.
      #expect(try Data(contentsOf: URL(filePath: path)) == junk)
      try FileManager.default.moveItem(atPath: path, toPath: path + ".aside")
      try daemon.start()
      #expect(try daemon.command("status").status == 0)
      daemon.end(SIGTERM)
    }

    @Test("fault 17: a damaged schema") func aDamagedSchema() throws {
      let daemon = try made()
      let path = daemon.folder.path("bms.db")
      try WireTests.damage(path, from: 100)
      #expect(try refusal(daemon).contains("\(path): the database is damaged"))
    }

    @Test("fault 17: a schema of a later version") func aNewerSchema() throws {
      let daemon = try made()
      let queue = try DatabaseQueue(path: daemon.folder.path("bms.db"))
      try queue.write { db in
        try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('of tomorrow 7')")
      }
      try queue.close()
      let words = try refusal(daemon)
      #expect(words.contains("was written by a later version of bmsd"))
      #expect(words.contains("bms.db.vN"))
      for arguments in [["greylist", "list"], ["ban", "list"]] {
        let outcome = try daemon.run(arguments)
        #expect(outcome.status == EX_UNAVAILABLE)
        #expect(outcome.errors.contains("was written by a later version of bmsd"))
      }
    }

    @Test func aFolderInItsPlace() throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      mkdir(daemon.folder.path("bms.db"), 0o755)
      #expect(try refusal(daemon).contains("cannot be opened"))
    }

    /// A command works on the files for a moment; a daemon that starts meanwhile waits for it.
    @Test func aDaemonWaitsForACommand() throws {
      let daemon = try made()
      let path = daemon.folder.path("bms.db")
      let lock = Mutex<ProcessLock?>(try ProcessLock(path: path, role: .command))
      let running = WireTests.Unchecked(daemon)
      let isReady = Mutex(false)
      let isOver = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        isReady.withLock { $0 = (try? running.value.start()) != nil }
        isOver.signal()
      }
      #expect(isOver.wait(timeout: .now() + .milliseconds(500)) == .timedOut)
      lock.withLock { $0 = nil }
      isOver.wait()
      #expect(isReady.withLock { $0 })
      daemon.end(SIGTERM)
    }

    @Test func aCommandSaysWhoUsesTheDatabase() throws {
      let daemon = try made()
      let lock = try ProcessLock(path: daemon.folder.path("bms.db"))
      for arguments in [["ban", "add", "192.0.2.1"], ["allow", "list"]] {
        let outcome = try daemon.run(arguments)
        #expect(outcome.status == EX_UNAVAILABLE)
        #expect(outcome.errors.contains("another bmsd (process \(getpid())) uses "))
      }
      withExtendedLifetime(lock) {}
    }

    @Test func twoDaemons() throws {
      let daemon = try made()
      try daemon.start()
      let text = try String(contentsOfFile: daemon.configuration, encoding: .utf8)
      let second = text.replacing("bms.sock", with: "2.sock").replacing("control.sock", with: "2c")
      try Data(second.utf8).write(to: URL(filePath: daemon.configuration))
      for _ in 0..<2 {
        let outcome = try daemon.run(["run"], prefix: ["/usr/bin/timeout", "20"])
        #expect(outcome.status == EX_UNAVAILABLE)
        #expect(outcome.errors.contains("two daemons must not share a database"))
      }
      try Data(text.utf8).write(to: URL(filePath: daemon.configuration))
      #expect(try daemon.answer(from: "192.0.2.1").code == 451)
      #expect(try daemon.command("status").status == 0)
      daemon.end(SIGTERM)
    }
  }
}
