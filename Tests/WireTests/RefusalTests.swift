// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// What is held at CONNECT, HELO and MAIL is answered at RCPT, with text and reference.
  @Suite struct Refusals {
    struct Row: Sendable, CustomTestStringConvertible {
      var testDescription: String
      var name: MailText = "mx.example.com"
      var helo: MailText?
      var text: String
      var reason: String
    }

    @Test(
      arguments: [
        Row(
          testDescription: "held at CONNECT", name: "localhost", helo: "mx.example.com",
          text: "550 5.7.25 Your reverse DNS name localhost is not a reasonable one",
          reason: "bad-ptr"),
        Row(
          testDescription: "held at HELO", helo: "192.0.2.7",
          text: "550 5.7.1 HELO name must not be a bare IP address", reason: "numeric"),
        Row(
          testDescription: "held at HELO: a percent sign, 8 bit and a control character",
          helo: MailText([0x4D, 0x58, 0x25, 0xE9, 0x0D, 0x0A]),
          text: "550 5.7.1 Your name is not MX%\\xE9\\x0D\\x0A", reason: "own-name"),
        Row(
          testDescription: "held at MAIL", helo: nil,
          text: "503 5.5.1 Send HELO or EHLO first", reason: "missing"),
      ], [UInt32(2), 6])
    func heldUntilRecipient(row: Row, version: UInt32) throws {
      var setup = BMSDProcess.Setup()
      if row.reason == "own-name" {
        // A name in the file is UTF-8, so the hostile one is our own name as the MTA tells it.
        setup.sections = "[helo]\nmode = enforce\n"
      }
      let bmsd = try BMSDProcess(setup)
      let session = try bmsd.session(version: version)
      let open: StepReply = version == 6 ? .noReply : .proceed
      if row.reason == "own-name", let helo = row.helo {
        session.macros = [.connect: ["j": helo]]
      }
      #expect(try session.connect(row.name, .inet("192.0.2.7", port: 4321)) == open)
      if let helo = row.helo { #expect(try session.helo(helo) == open) }
      #expect(try session.mail(["<a@example.com>", "SIZE=9"]) == open)
      for recipient in ["<b@example.net>", "<c@example.net>"] as [MailText] {
        let shown = try session.rcpt([recipient]).shown
        #expect(shown.hasPrefix("\(row.text) (ref "), "\(shown)")
        #expect(shown.contains(/\(ref [0-9A-Z]{10}, contact postmaster.*\)$/), "\(shown)")
      }
      // RSET washes nothing away.
      try session.abort()
      #expect(try session.begin().shown.hasPrefix(row.text))
      try session.quit(waiting: true)
      #expect(try bmsd.stop() == 0)
      let refusals = bmsd.log.filter { $0.contains("verdict=reject") && $0.contains("module=helo") }
      #expect(refusals.count == 3 && refusals.allSatisfy { $0.contains("reason=\(row.reason)") })
      #expect(bmsd.log.allSatisfy { $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } })
    }

    @Test("fault 51: log lines are escaped") func logLinesAreEscaped() throws {
      let bmsd = try BMSDProcess()
      let session = try bmsd.session()
      let evil = MailText(Array("x\r\n<2>forged: verdict=accept\u{1B}[2J\u{202E}\"".utf8) + [0xE9])
      _ = try session.connect(evil, .inet("192.0.2.7", port: 1))
      _ = try session.helo(evil)
      session.macros = [.mail: ["i": evil]]
      _ = try session.deliver(from: evil)
      try session.quit(waiting: true)
      #expect(try bmsd.stop() == 0)
      #expect(!bmsd.log.contains { $0.hasPrefix("<2>") })
      #expect(bmsd.log.allSatisfy { $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } })
      let line = try #require(bmsd.log.first { $0.contains("from=") })
      #expect(line.contains("x\\x0D\\x0A<2>forged"), "\(line)")
    }

    @Test(
      "faults 47, 48: every protocol version, without macros", arguments: [UInt32(2), 3, 4, 5, 6])
    func everyProtocolWithoutMacros(
      version: UInt32
    ) throws {
      let bmsd = try BMSDProcess()
      let session = try bmsd.session(version: version)
      try session.greet()
      let message = EditedMessage(
        sender: "<>", recipients: [.init("<b@example.net>")],
        headers: [.init(name: "Subject", rawValue: " x")], body: Array("x\r\n".utf8))
      for _ in 0..<2 { #expect(try session.send(message).finalReply == .proceed) }
      try session.quit(waiting: true)
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
      let ends = bmsd.log.filter { $0.contains("recipients=1") }
      #expect(ends.count == 2 && ends.allSatisfy { $0.hasPrefix("<6>NOQUEUE: ref=") })
    }

    /// A local socket and loopback are mail of this machine, which meets no HELO check; an address
    /// that the MTA does not know is a stranger's.
    @Test(
      "fault 49: every kind of client",
      arguments: [
        (.unknown, false), (.unix("/s"), true), (.inet("127.0.0.1", port: 1), true),
        (.inet6("::ffff:127.0.0.1", port: 1), true), (.inet6("::1", port: 1), true),
        (.inet6("::ffff:192.0.2.7", port: 1), false), (.inet6("2001:db8::7", port: 1), false),
        (.inet("192.0.2.7", port: 1), false),
      ] as [(MilterSession.Peer, Bool)])
    func everyKindOfClient(peer: MilterSession.Peer, isOurs: Bool) throws {
      let bmsd = try BMSDProcess()
      let session = try bmsd.session()
      _ = try session.connect("unknown", peer)
      _ = try session.helo("192.0.2.7")
      #expect(try session.deliver().code == (isOurs ? nil : 550))
      try session.quit()
      #expect(try bmsd.stop() == 0)
    }
  }
}
