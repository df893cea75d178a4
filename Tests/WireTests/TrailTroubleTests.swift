// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Glibc
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// The trail of a running daemon in trouble, and what is hard to write and to print.
  @Suite struct TrailTrouble {
    private func daemon(_ sections: String = DatabaseTrouble.sections) throws -> LiveDaemon {
      let daemon = try LiveDaemon(sections)
      try daemon.write(sections + "[trail]\npath = \(daemon.folder.path("trail.db"))\n")
      try daemon.start()
      return daemon
    }

    private func entries(_ daemon: LiveDaemon) throws -> [[String: Any]] {
      let outcome = try daemon.command("log", "--json", "--limit", "1000")
      #expect(outcome.status == 0, "\(outcome.errors)")
      return try outcome.output.split(separator: "\n").map { line in
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      }
    }

    /// Waits until so many entries are in the file; each look is a command of its own.
    private func awaitEntries(_ count: Int, _ daemon: LiveDaemon) throws {
      let end = ContinuousClock.now + .seconds(20)
      while ContinuousClock.now < end {
        // While the file is made anew there is none.
        let outcome = try daemon.command("log", "--json")
        if outcome.status == 0, outcome.output.count(where: \.isNewline) >= count { return }
      }
      Issue.record("the trail never had \(count) entries")
    }

    @Test func aTrailThatIsDeletedIsMadeAnew() throws {
      let daemon = try daemon()
      for number in 1...5 { _ = try daemon.answer(from: "192.0.2.\(number)") }
      try awaitEntries(5, daemon)
      for ends in [[""], ["", "-wal", "-shm"]] {
        for end in ends { unlink(daemon.folder.path("trail.db") + end) }
        for number in 6...8 {
          #expect(try daemon.answer(from: "192.0.2.\(number)").code == 451)
        }
        try awaitEntries(3, daemon)
        #expect(try daemon.command("status").status == 0)
      }
      daemon.end(SIGTERM)
      #expect(daemon.process.terminationStatus == 0)
      #expect(try daemon.command("log").status == 0)
    }

    @Test func aFileThatIsNoTrailStopsNoMailAndStaysAsItIs() throws {
      let daemon = try daemon()
      _ = try daemon.answer(from: "192.0.2.1")
      try awaitEntries(1, daemon)
      let junk = Data(repeating: 0xA5, count: 40_000)
      try junk.write(to: URL(filePath: daemon.folder.path("trail.db")), options: .atomic)
      for number in 2...4 { #expect(try daemon.answer(from: "192.0.2.\(number)").code == 451) }
      let end = ContinuousClock.now + .seconds(20)
      var status = try daemon.command("status")
      while status.status == 0, ContinuousClock.now < end { status = try daemon.command("status") }
      #expect(status.output.contains("trail.db is no trail of bmsd"), "\(status)")
      #expect(try Data(contentsOf: URL(filePath: daemon.folder.path("trail.db"))) == junk)
      unlink(daemon.folder.path("trail.db"))
      _ = try daemon.answer(from: "192.0.2.5")
      try awaitEntries(1, daemon)
      daemon.end(SIGTERM)
    }

    /// Two mails are deferred, one is let in; each deferral is of one message.
    @Test func statsCountMessages() throws {
      let daemon = try daemon()
      for number in 1...2 { #expect(try daemon.answer(from: "192.0.\(number).1").code == 451) }
      try awaitEntries(2, daemon)
      let outcome = try daemon.command("stats", "--since", "1h", "--json")
      let line = try #require(outcome.output.split(separator: "\n").first)
      let total = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect(total["messages"] as? Int == 2)
      #expect(total["deferred"] as? Int == 2)
      #expect(total["refused"] as? Int == 0 && total["accepted"] as? Int == 0)
      #expect(total["refused_recipients"] as? Int == 2)
      daemon.end(SIGTERM)
    }

    @Test("nothing that was typed is written to a terminal as it is")
    func controlCharacters() throws {
      let daemon = try daemon()
      let evil = "x\u{1B}]0;y\u{7}\u{9B}31m"
      let commands = [
        ["config", "explain", evil], ["explain", evil], ["log", "--since", "2026-02-31"],
      ]
      for arguments in commands {
        let outcome = try daemon.run(arguments)
        #expect(outcome.status != 0)
        #expect(!outcome.errors.isEmpty)
        let text = outcome.errors + outcome.output
        #expect(text.utf8.allSatisfy { $0 == 0x0A || (0x20...0x7E).contains($0) }, "\(text)")
      }
      daemon.end(SIGTERM)
    }

    @Test("fault 35: ten thousand recipients", arguments: ["enforce", "observe"])
    func tenThousandRecipients(_ mode: String) throws {
      let sections = DatabaseTrouble.sections.replacing(
        "[greylist]\nmode = enforce", with: "[greylist]\nmode = \(mode)")
      let daemon = try daemon(sections)
      let session = try daemon.client()
      let began = ContinuousClock.now
      var slowest = Duration.zero
      _ = try session.mail(["<a@example.com>"])
      for number in 1...10_000 {
        let before = ContinuousClock.now
        let reply = try session.rcpt([MailText("<user\(number)@local.test>")])
        slowest = max(slowest, ContinuousClock.now - before)
        #expect(mode == "enforce" ? reply.code == 451 : reply == .proceed)
      }
      if mode == "observe" { #expect(try session.endOfMessage().reply == .proceed) }
      try session.quit(waiting: true)
      let took = ContinuousClock.now - began
      print("10,000 recipients, \(mode): \(took), the slowest \(slowest)")
      #expect(took < .seconds(120) && slowest < .seconds(5))
      daemon.end(SIGTERM)
      let entry = try #require(try entries(daemon).first)
      #expect(entry[mode == "enforce" ? "refused" : "recipients"] as? Int == 10_000)
      let name = try #require(entry["ref"] as? String)
      let explained = try daemon.command("explain", name)
      #expect(explained.status == 0 && explained.output.utf8.count < 1_000_000)
      #expect(try daemon.command("greylist", "stats").output.contains("10000"))
      #expect(try daemon.command("try", "--ref", name).status <= 1)
    }

    @Test("fault 54: an MTA that does not hear the verdict sends the message again")
    func aVerdictThatIsNotHeard() throws {
      let daemon = try daemon()
      #expect(try daemon.answer(from: "192.0.2.1").code == 451)
      #expect(try daemon.command("greylist", "pass", "a@example.com", "b@local.test").status == 0)
      for isHeard in [false, false, true] {
        let session = try daemon.client("192.0.2.1")
        _ = try session.mail(["<a@example.com>"])
        #expect(try session.rcpt(["<b@local.test>"]) == .proceed)
        if isHeard {
          #expect(try session.endOfMessage().reply == .proceed)
          try session.quit(waiting: true)
        } else {
          try session.send(bytes: WirePacket(.endOfMessage).encoded)
          session.closeAbruptly()
        }
      }
      let list = try daemon.command("greylist", "list", "--json")
      #expect(list.output.count(where: \.isNewline) == 1, "\(list.output)")
      daemon.end(SIGTERM)
      #expect(daemon.process.terminationStatus == 0)
    }

    /// Addresses that want to be something else: a second line, a command, a statement.
    static let addresses: [(path: MailText, isShort: Bool)] = [
      ("<\"a b'c\"@example.com>", true), ("<\"a\\\"b\"@example.com>", true),
      ("<a\nb@example.com>", true), ("<a\r\n2026-01-01 accept@example.com>", true),
      ("<a'; DROP TABLE triplet; --@example.com>", true), ("<$(id)`id`@example.com>", true),
      ("<\u{1B}[31mred@example.com>", true), ("<\u{202E}turned@example.com>", true),
      ("<grün@exämple.com>", true),
      (MailText(Array("<".utf8) + [0xE9, 0xFF] + "@x.y>".utf8), true),
      ("<-rf@example.com>", true), ("<%s%n@example.com>", true), ("<a,b@example.com>", true),
      (MailText("<" + String(repeating: "x", count: 10_240) + "@example.com>"), false),
      (MailText([0x3C] + Array(repeating: 0xE9, count: 10_240) + "@x.y>".utf8), false),
    ]

    /// A client knows its reference with the answer; the administrator whom it calls must find it,
    /// also while that client keeps its connection open.
    @Test func aRefusalIsExplainedBeforeTheConnectionEnds() throws {
      let daemon = try daemon()
      let session = try daemon.client()
      _ = try session.mail(["<a@example.com>"])
      let reply = "\(try session.rcpt(["<b@local.test>"]))"
      let reference = try #require(reply.firstMatch(of: /\(ref ([0-9A-Z]{10})/)?.1)
      let open = try daemon.command("explain", String(reference))
      #expect(open.output.contains("It is not over: the client is still there."), "\(open)")
      #expect(open.output.contains("    bmsd greylist pass a@example.com b@local.test\n"))
      try session.quit(waiting: true)
      let waiting = try daemon.command("explain", String(reference))
      #expect(waiting.output.contains("It was deferred"), "\(waiting)")
      daemon.end(SIGTERM)
      let over = try daemon.command("explain", String(reference))
      #expect(over.output == waiting.output)
    }

    /// Each of them waits, is in trail, log and greylist as one line, and the command that explain
    /// prints lets it through, when a shell takes it as it stands.
    @Test("faults 32, 36, 51: addresses that want to be something else") func addressesOfAnyKind()
      throws
    {
      let daemon = try daemon()
      for (path, _) in Self.addresses {
        let session = try daemon.client()
        _ = try session.mail([path])
        #expect(try session.rcpt([path]).code == 451, "\(path)")
        try session.quit(waiting: true)
      }
      daemon.end(SIGTERM)
      let entries = try entries(daemon)
      #expect(entries.count == Self.addresses.count)
      let table = try daemon.command("log")
      #expect(table.output.split(separator: "\n").count == Self.addresses.count)
      // A long address makes no other line long.
      #expect(table.output.split(separator: "\n").contains { $0.utf8.count < 300 })
      let list = try daemon.command("greylist", "list")
      #expect(list.output.split(separator: "\n").count == Self.addresses.count + 1)
      let csv = try daemon.command("greylist", "export")
      let copy = daemon.folder.path("export.csv")
      try Data(csv.output.utf8).write(to: URL(filePath: copy))
      #expect(try daemon.command("greylist", "import", copy).status == 0)
      for ((path, isShort), entry) in zip(Self.addresses, entries) {
        let explained = try daemon.command("explain", try #require(entry["ref"] as? String))
        #expect(explained.status == 0)
        let texts = [explained.output, table.output, list.output, csv.output]
        for scalar in texts.joined().unicodeScalars where scalar != "\n" && !scalar.isVisible {
          Issue.record("\(path): \(scalar.value) is printed")
          break
        }
        guard isShort else { continue }
        let line = explained.output.split(separator: "\n").first {
          $0.hasPrefix("    bmsd greylist pass ")
        }
        let command = try #require(line, "\(explained.output)")
        let passed = try daemon.shell(command.trimmingPrefix("    bmsd "))
        #expect(passed.status == 0, "\(path): \(command): \(passed)")
        #expect(passed.output == "1 triplet let through, 0 had passed\n", "\(path)")
      }
      try daemon.start()
      for (path, isShort) in Self.addresses {
        let session = try daemon.client()
        _ = try session.mail([path])
        #expect(try session.rcpt([path]).code == (isShort ? nil : 451), "\(path)")
        try session.quit()
      }
      daemon.end(SIGTERM)
    }
  }
}
