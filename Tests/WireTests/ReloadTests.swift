// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// HUP and USR1: the new file is proved first, and a connection keeps what it began with.
  @Suite struct Reloading {
    private static func setup(_ mode: String, more: String = "") -> BMSDProcess.Setup {
      var setup = BMSDProcess.Setup()
      setup.sections = "[network]\nhostname = mail.example.org\n\(more)\n[helo]\nmode = \(mode)\n"
      return setup
    }

    private func isRefused(_ bmsd: BMSDProcess) throws -> Bool {
      let session = try bmsd.session()
      try session.greet(helo: "192.0.2.7")
      let reply = try session.deliver()
      try session.quit()
      return reply.code == 550
    }

    @Test("fault 8: HUP and USR1 reload", arguments: [SIGHUP, SIGUSR1])
    func newConnectionsSeeTheNewFile(signal: Int32) throws {
      let bmsd = try BMSDProcess(Self.setup("observe"))
      let old = try bmsd.session()
      try old.greet(helo: "192.0.2.7")
      #expect(try old.deliver() == .proceed)
      try bmsd.configure(Self.setup("enforce"))
      bmsd.signal(signal)
      try bmsd.line("<5>reloaded \(bmsd.configPath)")
      try bmsd.wait("the service manager") { state in
        state.notifications == ["READY=1", "RELOADING=1", "READY=1"] ? true : nil
      }
      #expect(try isRefused(bmsd))
      #expect(try old.deliver() == .proceed)
      try old.quit()
      #expect(try bmsd.stop() == 0)
    }

    @Test("fault 7: a broken file changes nothing") func aBrokenFileChangesNothing() throws {
      let bmsd = try BMSDProcess(Self.setup("enforce"))
      try bmsd.configure(Self.setup("enfroce"))
      bmsd.signal(SIGHUP)
      let line = try bmsd.line("reload refused")
      #expect(line.hasPrefix("<3>reload refused, the running configuration stays: "))
      #expect(line.contains("\(bmsd.configPath):8: "))
      #expect(try isRefused(bmsd))
      try FileManager.default.removeItem(atPath: bmsd.configPath)
      bmsd.signal(SIGUSR1)
      try bmsd.wait("a second refusal") { state in
        state.lines.count { $0.contains("reload refused") } == 2 ? true : nil
      }
      #expect(try isRefused(bmsd))
      #expect(bmsd.log.count { $0.hasPrefix("<3>") } == 2)
      #expect(try bmsd.stop() == 0)
    }

    @Test func keysThatNeedARestartAreNamed() throws {
      let bmsd = try BMSDProcess(Self.setup("observe"))
      var changed = Self.setup("enforce")
      changed.milter = "timeout = 60s"
      try bmsd.configure(changed)
      bmsd.signal(SIGHUP)
      #expect(try bmsd.line("need a restart").contains("timeout"))
      #expect(try isRefused(bmsd))
      #expect(try bmsd.stop() == 0)
    }

    @Test("fault 8: a thousand signals during slow reloads")
    func aThousandSignalsDuringSlowReloads() throws {
      let names = (0..<200_000).map { "user\($0)@example.net" }.joined(separator: "\n")
      let more = "always_accept = file:list"
      let bmsd = try BMSDProcess(Self.setup("observe", more: more)) { folder in
        try Data(names.utf8).write(to: folder.appending(path: "list"))
      }
      try bmsd.configure(Self.setup("enforce", more: more))
      var sent = 0
      while sent < 1_000 {
        // Into the middle of a reload that has just begun.
        let begun = bmsd.notifications.count { $0 == "RELOADING=1" }
        for _ in 0..<100 {
          bmsd.signal(sent % 2 == 0 ? SIGHUP : SIGUSR1)
          sent += 1
        }
        try bmsd.wait("a reload") { state in
          state.notifications.count { $0 == "RELOADING=1" } > begun ? true : nil
        }
        _ = try isRefused(bmsd)
      }
      // The last one may have changed nothing any more: any reload after the file was written did.
      try bmsd.wait("the last reload") { state in
        state.notifications.last == "READY=1" ? true : nil
      }
      #expect(try isRefused(bmsd))
      let rss = try bmsd.status("VmRSS")
      if Sanitizer.leavesMemoryAlone { #expect(rss < 400_000, "\(rss) KiB") }
      #expect(try bmsd.stop() == 0)
      #expect(!bmsd.log.contains { $0.hasPrefix("<3>") || $0.hasPrefix("<2>") })
    }
  }
}
