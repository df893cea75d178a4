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
    /// What a client with a numeric HELO may see: our refusal, a deferral, or a filter that is
    /// gone, for which the MTA defers. Never that it may go on.
    private func isSafe(_ session: MilterSession) -> Bool {
      do {
        guard try session.connect("mx", .inet("192.0.2.7", port: 1)).isOpen else { return true }
        _ = try session.helo("192.0.2.7")
        let reply = try session.begin()
        return reply.code == 550 || reply.code == 451 || reply.code == 503
      } catch {
        return true
      }
    }

    /// Opens sessions; each that is let in stops inside a packet and keeps a thread.
    private func stalled(_ bmsd: BMSDProcess, _ count: Int) -> [MilterSession] {
      (0..<count).compactMap { _ in
        guard let session = try? bmsd.session(timeout: .seconds(2)) else { return nil }
        let reply = try? session.connect("mx", .inet("192.0.2.7", port: 1))
        if reply?.isOpen == true { try? session.send(bytes: [0, 0, 0, 9, 0x48, 0x6D]) }
        return session
      }
    }

    private static let user = 61_234

    @Test(
      "fault 42: a daemon with few threads turns sessions away before they run out",
      .enabled(if: geteuid() == 0 && Sanitizer.leavesMemoryAlone))
    func threadsOfAUserRunOut() throws {
      var setup = BMSDProcess.Setup()
      setup.prefix =
        "chmod 666 \"${3%/*}/notify\"; ulimit -u 60; exec /usr/bin/setpriv --reuid=\(Self.user) --regid=\(Self.user) "
        + "--clear-groups \"$0\" \"$@\""
      let bmsd = try BMSDProcess(setup) { folder in
        try #require(chown(folder.path, uid_t(Self.user), gid_t(Self.user)) == 0)
      }
      try bmsd.line("raise LimitNPROC")
      let stalled = stalled(bmsd, 28)
      #expect(stalled.count == 28)
      let more = try (0..<30).map { _ in try bmsd.session() }
      for session in more {
        #expect(try session.connect("mx", .inet("192.0.2.7", port: 1)).code == 451)
      }
      #expect(try bmsd.status("Threads") < 60)
      for session in stalled + more { session.closeAbruptly() }
      try bmsd.awaitIdle()
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test(
      "fault 43: with little address space sessions are turned away, or the process ends",
      .enabled(if: Sanitizer.leavesMemoryAlone), arguments: [100, 300, 1_000])
    func addressSpaceRunsOut(_ megabytes: Int) throws {
      let needed = try BMSDProcess().status("VmSize")
      var setup = BMSDProcess.Setup()
      setup.prefix = "ulimit -v \(needed + megabytes * 1_024)"
      setup.milter = "timeout = 10s"
      let bmsd = try BMSDProcess(setup)
      let stalled = stalled(bmsd, 100)
      let giant = MailText([UInt8](repeating: 0x78, count: 1_000_000))
      for number in 0..<60 {
        guard let session = try? bmsd.session(timeout: .seconds(2)) else { continue }
        // Every second one wants memory, too.
        if number.isMultiple(of: 2) { session.macros[.helo] = ["{tls_version}": giant] }
        #expect(isSafe(session))
        session.closeAbruptly()
      }
      for session in stalled { session.closeAbruptly() }
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
        "address space \(megabytes) MB over the idle: \(end.map { "ended by \($0)" } ?? "lives")")
    }

    @Test("fault 19: no place for temporary files")
    func noTemporaryFolder() throws {
      var setup = BMSDProcess.Setup()
      setup.prefix = "export TMPDIR=/proc/none SQLITE_TMPDIR=/proc/none; cd /proc"
      let folder = try TemporaryFolder()
      setup.sections += "[store]\npath = \(folder.path)/bms.db\nmin_free = 0\n"
      let bmsd = try BMSDProcess(setup)
      #expect(try bmsd.serves())
      #expect(try bmsd.stop() == 0)
    }
  }
}
