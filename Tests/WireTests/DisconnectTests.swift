// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// MTAs that vanish, stall, or are none: every message ends once, and the process lives.
  @Suite struct Disconnects {
    @Test("fault 1: an MTA vanishes at every step") func vanishingAtEveryStep() throws {
      var setup = BMSDProcess.Setup()
      // Makes the MTA send header fields.
      setup.sections += "[log]\nheaders = yes\n"
      let bmsd = try BMSDProcess(setup)
      let field = HeaderField(name: "Subject", rawValue: " x")
      let steps: [(MilterSession) throws -> Void] = [
        { try $0.greet() }, { _ = try $0.mail(["<a@example.com>"]) },
        { _ = try $0.rcpt(["<b@example.net>"]) }, { _ = try $0.data() },
        { _ = try $0.header(field) }, { _ = try $0.endOfHeaders() }, { _ = try $0.body([0x61]) },
        { _ = try $0.endOfMessage() },
      ]
      for count in 0...steps.count {
        let session = try bmsd.session()
        for step in steps.prefix(count) { try step(session) }
        // Half a packet more.
        if count % 2 == 1 { try session.send(bytes: [0, 0, 0, 9, 0x4C]) }
        session.closeAbruptly()
      }
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
      // A MAIL that nothing answered may be lost with its connection; a RCPT was answered.
      let abandoned = bmsd.log.filter { $0.contains("verdict=abandoned") }
      #expect(abandoned.count { $0.contains("recipients=1") } == 5)
      #expect((5...6).contains(abandoned.count))
      #expect(!bmsd.log.contains { $0.hasPrefix("<4>") || $0.hasPrefix("<3>") })
    }

    @Test("fault 2: ABORT, then another message") func abortThenAnotherMessage() throws {
      let bmsd = try BMSDProcess()
      let session = try bmsd.session()
      try session.greet()
      _ = try session.mail(["<first@example.com>"])
      for index in 0..<9 { _ = try session.rcpt([MailText("<r\(index)@example.net>")]) }
      try session.abort()
      #expect(try session.deliver(from: "<second@example.com>") == .proceed)
      #expect(try session.deliver(from: "<third@example.com>") == .proceed)
      try session.quit(waiting: true)
      #expect(try bmsd.stop() == 0)
      let ends = bmsd.log.filter { $0.contains("recipients=") }
      #expect(ends.count == 3)
      #expect(ends.first?.contains("verdict=abandoned") == true)
      #expect(ends.first?.contains("recipients=9") == true)
      let later = ends.dropFirst()
      #expect(later.allSatisfy { $0.contains("verdict=accept") && $0.contains("recipients=1") })
      // Each has a reference of its own.
      let references = ends.compactMap { $0.firstMatch(of: /ref=(\w+)/)?.1 }
      #expect(Set(references).count == 3)
    }

    @Test("fault 3: probes of the socket") func probesOfTheSocket() throws {
      let bmsd = try BMSDProcess()
      for _ in 0..<20 {
        try bmsd.connect().closeAbruptly()
        try bmsd.session().closeAbruptly()
        try bmsd.session().quit(waiting: true)
        let next = try bmsd.session()
        try next.quitNewConnection()
        next.closeAbruptly()
      }
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    /// Bytes with a name: a run of a hundred thousand would fill the report.
    struct Garbage: CustomTestStringConvertible {
      let bytes: [UInt8]
      init(_ bytes: [UInt8]) { self.bytes = bytes }
      var testDescription: String { "\(bytes.count) bytes, first \(bytes.prefix(6))" }
    }

    @Test(
      "fault 46: garbage is hung up on",
      arguments: [
        Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8),
        WirePacket(.negotiate, WireData(1, 0x3F, 0x7F).bytes).encoded,
        WirePacket(.negotiate, [0, 0]).encoded, WirePacket(command: 0x7A).encoded,
        [0xFF, 0xFF, 0xFF, 0xFF, 0x4F], [0x7F, 0xFF, 0xFF, 0xFF, 0x42], [0, 0, 0, 0, 0x4F],
        [UInt8](repeating: 0, count: 10_000), [UInt8](repeating: 0xFF, count: 100_000),
      ].map(Garbage.init))
    func garbageIsHungUpOn(_ garbage: Garbage) throws {
      let bmsd = try BMSDProcess()
      let session = try bmsd.connect()
      do {
        try session.send(bytes: garbage.bytes)
        try session.waitForClose()
      } catch .closed {
        // It hung up before it had all.
      }
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test("fault 45: one byte at a time") func oneByteAtATime() throws {
      let bmsd = try BMSDProcess()
      let slow = try bmsd.connect()
      let packets: [WirePacket] = [
        .init(.negotiate, WireData(2, 0x3F, 0x7F).bytes),
        .init(.connect, WireData(strings: ["mx"]).bytes + [0x55]),
        .init(.helo, WireData(strings: ["mx"]).bytes),
        .init(.mail, WireData(strings: ["<a@example.com>"]).bytes),
        .init(.rcpt, WireData(strings: ["<b@example.net>"]).bytes), .init(.endOfMessage),
      ]
      for packet in packets {
        for byte in packet.encoded { try slow.send(bytes: [byte]) }
        let answer = try slow.receive()
        #expect(answer.command == (packet == packets.first ? 0x4F : 0x63))
      }
      slow.closeAbruptly()
      #expect(try bmsd.stop() == 0)
    }

    @Test("fault 45: a stalled MTA is hung up on") func aStalledMTADelaysNobody() throws {
      var setup = BMSDProcess.Setup()
      setup.milter = "timeout = 10s"
      let bmsd = try BMSDProcess(setup)
      // Each stops inside a packet and keeps a worker waiting.
      let stalled = try (0..<20).map { _ in
        let session = try bmsd.session()
        try session.send(bytes: [0, 0, 0, 9, 0x48, 0x6D])
        return session
      }
      #expect(try bmsd.serves())
      // After the time-out they are hung up on.
      for session in stalled { try session.waitForClose() }
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }
  }
}
