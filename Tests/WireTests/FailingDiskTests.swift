// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import GRDB
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// The disk under the database fails at any of the writes that a daemon makes: mail flows,
  /// nobody is refused, and the database is whole afterwards.
  ///
  /// Not with AddressSanitizer, which wants to be the first library of a process.
  @Suite(.enabled(if: Sanitizer.current != .address)) struct FailingDisk {
    struct Trouble: Sendable, CustomTestStringConvertible {
      let file: String
      let error: Int32
      var testDescription: String { "\(file): \(String(cString: strerror(error)))" }
    }
    static let troubles = [
      Trouble(file: "bms.db", error: EIO), Trouble(file: "bms.db", error: ENOSPC),
      Trouble(file: "trail.db", error: ENOSPC),
    ]

    private func setup(in folder: String) -> BMSDProcess.Setup {
      var setup = BMSDProcess.Setup()
      setup.sections += """
        [store]
        path = \(folder)/bms.db
        min_free = 0
        [trail]
        path = \(folder)/trail.db
        [greylist]
        mode = enforce
        scope = recipient
        [banned_ips]
        mode = enforce
        """
      return setup
    }

    private func failing(
      _ trouble: Trouble, in folder: String, after: Int, count: Int? = nil
    ) throws -> BMSDProcess.Setup {
      let library = URL(filePath: try BMSDProcess.executable()).deletingLastPathComponent()
        .appending(path: "libFailingDisk.so").path
      var setup = setup(in: folder)
      let limit = count.map { " FAILING_DISK_COUNT=\($0)" } ?? ""
      setup.prefix = """
        export LD_PRELOAD="$LD_PRELOAD \(library)" FAILING_DISK_PATH=\(folder)/\(trouble.file) \
        FAILING_DISK_AFTER=\(after) FAILING_DISK_ERRNO=\(trouble.error)\(limit)
        """
      return setup
    }

    /// The answer to a sender that was never seen.
    private func answer(_ bmsd: BMSDProcess) throws -> StepReply {
      let session = try bmsd.session()
      try session.greet()
      let reply = try session.begin(from: MailText("<\(UUID().uuidString)@example.com>"))
      try session.quit(waiting: true)
      return reply
    }

    private func isWhole(_ path: String) throws -> Bool {
      let queue = try DatabaseQueue(path: path)
      let said = try queue.read { try String.fetchAll($0, sql: "PRAGMA integrity_check") }
      try queue.close()
      return said == ["ok"]
    }

    @Test(
      "fault 16: each write to the database in turn is the last that goes well",
      arguments: troubles)
    func atEveryWrite(_ trouble: Trouble) throws {
      let folder = try TemporaryFolder()
      var refusedToStart = 0
      var deferred = 0
      // With a sanitizer each start takes seconds, and what it sees is the same each time.
      // The last writes of all are those of a daemon that serves.
      let (step, stride) = Sanitizer.current == nil ? (1, 8) : (6, 32)
      for after in Array(Swift.stride(from: 0, to: 24, by: step))
        + Swift.stride(from: 24, to: 96, by: stride)
      {
        var setup = try failing(trouble, in: folder.path, after: after)
        setup.awaitsReady = false
        let bmsd = try BMSDProcess(setup)
        let isReady: Bool? = try bmsd.wait("a start or a refusal") { state in
          if state.notifications.contains("READY=1") { return true }
          return state.exitStatus != nil && state.isLogComplete ? false : nil
        }
        guard isReady == true else {
          // A start that cannot make its tables says so; systemd tries again.
          refusedToStart += 1
          #expect(try bmsd.exitStatus() == EX_UNAVAILABLE)
          #expect(bmsd.log.contains { $0.contains(trouble.file) }, "\(bmsd.log)")
          continue
        }
        for _ in 0..<4 {
          let reply = try answer(bmsd)
          #expect(reply == .proceed || reply.code == 451, "after \(after): \(reply)")
          if reply.code == 451 { deferred += 1 }
        }
        // What needs no database holds.
        #expect(try refusesNumericHello(bmsd), "after \(after)")
        #expect(try bmsd.stop() == 0, "after \(after)")
      }
      // The next daemon finds a good disk, and all as it was.
      let next = try BMSDProcess(setup(in: folder.path))
      #expect(try answer(next).code == 451)
      #expect(try next.stop() == 0)
      for name in ["bms.db", "trail.db"] { #expect(try isWhole(folder.path(name))) }
      // The trail keeps no daemon from starting; without its tables the database does.
      #expect((refusedToStart == 0) == (trouble.file == "trail.db"))
      #expect(deferred > 0)
    }

    private func refusesNumericHello(_ bmsd: BMSDProcess) throws -> Bool {
      let session = try bmsd.session()
      try session.greet(helo: "192.0.2.7")
      defer { session.closeAbruptly() }
      return try session.begin().code == 550
    }

    @Test("fault 16: a disk that recovers is used again", arguments: [EIO, ENOSPC])
    func recovers(_ error: Int32) throws {
      let folder = try TemporaryFolder()
      let before = try BMSDProcess(setup(in: folder.path))
      #expect(try before.stop() == 0)
      let trouble = Trouble(file: "bms.db", error: error)
      let bmsd = try BMSDProcess(try failing(trouble, in: folder.path, after: 40, count: 12))
      var replies: [StepReply] = []
      let end = ContinuousClock.now + .seconds(30)
      while ContinuousClock.now < end {
        let reply = try answer(bmsd)
        #expect(reply == .proceed || reply.code == 451)
        replies.append(reply)
        // Let through while it failed, greylisted again now.
        if replies.contains(.proceed), reply.code == 451 { break }
      }
      #expect(replies.contains(.proceed))
      #expect(replies.last?.code == 451)
      #expect(try bmsd.stop() == 0)
      #expect(try isWhole(folder.path("bms.db")))
    }
  }
}
