// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// Limits of the kernel: threads, address space, a place for temporary files.
  @Suite struct Exhaustion {
    /// Opens sessions that stay, until one is turned away or there are `most`.
    private func fill(_ bmsd: BMSDProcess, _ most: Int) throws -> [MilterSession] {
      var sessions: [MilterSession] = []
      while sessions.count < most {
        let session = try bmsd.session(timeout: .seconds(20))
        let reply = try session.connect("mx", .inet("192.0.2.7", port: 1))
        guard reply.isOpen else {
          #expect(reply.code == 451)
          session.closeAbruptly()
          break
        }
        sessions.append(session)
      }
      return sessions
    }

    /// Has all sessions stop inside a packet, so that each needs a thread; then they go on, and
    /// each must be answered: what got no thread would wait for ever.
    private func expectAllServed(_ sessions: [MilterSession]) throws {
      for session in sessions {
        try session.send(bytes: [0, 0, 0, 11, 0x48] + Array("192.0".utf8))
      }
      for session in sessions { try session.send(bytes: Array(".2.7".utf8) + [0]) }
      for session in sessions { #expect(try session.begin().code == 550) }
    }

    /// What a client with a numeric HELO may see: our refusal, a deferral, or a filter that is
    /// gone, for which the MTA defers. Never that it may go on.
    private func isSafe(_ session: MilterSession) -> Bool {
      do {
        guard try session.connect("mx", .inet("192.0.2.7", port: 1)).isOpen else { return true }
        _ = try session.helo("192.0.2.7")
        let code = try session.begin().code
        return code == 550 || code == 451
      } catch {
        return true
      }
    }

    private static let user = 61_234

    @Test(
      "fault 42: a daemon with few threads turns sessions away before they run out",
      .enabled(if: geteuid() == 0 && Sanitizer.leavesMemoryAlone))
    func threadsOfAUserRunOut() throws {
      var setup = BMSDProcess.Setup()
      setup.prefix =
        "chmod 666 \"${3%/*}/notify\"; exec prlimit --nproc=60 setpriv --reuid=\(Self.user) --regid=\(Self.user) "
        + "--clear-groups \"$0\" \"$@\""
      let bmsd = try BMSDProcess(setup) { folder in
        try #require(chown(folder.path, uid_t(Self.user), gid_t(Self.user)) == 0)
      }
      try bmsd.line("raise LimitNPROC")
      let sessions = try fill(bmsd, 60)
      #expect(sessions.count == 28)
      try expectAllServed(sessions)
      #expect(try bmsd.status("Threads") < 60)
      for session in sessions { session.closeAbruptly() }
      try bmsd.awaitIdle()
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test(
      "fault 43: with little address space sessions are turned away, or the process ends",
      .enabled(if: Sanitizer.leavesMemoryAlone), arguments: [300, 1_000, 2_000])
    func addressSpaceRunsOut(_ megabytes: Int) throws {
      let needed = try BMSDProcess().status("VmSize")
      var setup = BMSDProcess.Setup()
      setup.prefix = "ulimit -v \(needed + megabytes * 1_024)"
      let bmsd = try BMSDProcess(setup)
      let sessions = try fill(bmsd, 100)
      try expectAllServed(sessions)
      for session in sessions { session.closeAbruptly() }
      let giant = MailText([UInt8](repeating: 0x78, count: 1_000_000))
      for _ in 0..<60 {
        guard let session = try? bmsd.session(timeout: .seconds(5)) else { continue }
        session.macros[.helo] = ["{tls_version}": giant]
        #expect(isSafe(session))
        session.closeAbruptly()
      }
      let end = try? bmsd.wait("an end", .seconds(1)) { $0.exitStatus }
      if let end {
        // By a trap or by abort(3); systemd starts it anew.
        #expect(end >= 128)
      } else {
        try bmsd.awaitIdle()
        #expect(try bmsd.serves())
        #expect(try bmsd.stop() == 0)
      }
      print(
        "address space \(megabytes) MB over the idle: \(sessions.count) sessions let in, \(end.map { "ended by \($0)" } ?? "lives")"
      )
    }

    @Test("fault 19: no place for temporary files")
    func noTemporaryFolder() throws {
      var setup = BMSDProcess.Setup()
      setup.prefix = "export TMPDIR=/proc/none SQLITE_TMPDIR=/proc/none; cd /proc"
      let folder = try TemporaryFolder()
      setup.sections += """
        [store]
        path = \(folder.path)/bms.db
        min_free = 0
        [quarantine]
        dir = \(folder.path)/quarantine
        [defang]
        mode = enforce

        """
      let bmsd = try BMSDProcess(setup)
      #expect(try bmsd.serves())
      let session = try bmsd.session()
      try session.greet()
      let head = "From: a@example.com\r\nContent-Type: application/octet-stream; name=a.exe\r\n"
      var message = EditedMessage(parsing: Array("\(head)\r\nMZ\r\n".utf8))
      message.sender = "<a@example.com>"
      message.recipients = [EditedMessage.Recipient("<b@example.net>")]
      let outcome = try session.send(message)
      #expect(outcome.finalReply == .proceed)
      // The attachment is gone, and its original kept.
      #expect(outcome.message.body != message.body)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/quarantine").count == 1)
      #expect(try bmsd.stop() == 0)
    }
  }
}
