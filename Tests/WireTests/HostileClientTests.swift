// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// Garbage, giants and those who take their time.
  @Suite struct HostileClients {
    private func daemon(_ milter: String = "") throws -> BMSDProcess {
      var setup = BMSDProcess.Setup()
      setup.milter = milter
      setup.sections += "[log]\nheaders = yes\n"
      return try BMSDProcess(setup)
    }

    /// KiB that the process may have grown by; a sanitizer keeps what was freed.
    private func expectSmall(_ bmsd: BMSDProcess, since before: Int, _ limit: Int) throws {
      guard Sanitizer.leavesMemoryAlone else { return }
      let grown = try bmsd.status("VmRSS") - before
      #expect(grown < limit, "grown by \(grown) KiB")
    }

    @Test("fault 46: packets of any command with any content, in any order")
    func randomPackets() throws {
      let bmsd = try daemon()
      var random = SeededRandom(state: 0x9E37_79B9_7F4A_7C15)
      let commands = WireCommand.allCases.map(\.rawValue) + [0x00, 0x7A, 0xFF]
      let content: [UInt8] = [0, 0, 0x20, 0x2E, 0x34, 0x3C, 0x3E, 0x40, 0x61, 0x0D, 0x0A, 0xFF]
      for round in 0..<400 {
        let connection = try RawConnection(to: bmsd.socketPath)
        if round % 4 != 0 {
          connection.send(RecordedSession().bytes.prefix(Int(random.next() % 400)))
        }
        for _ in 0..<Int(random.next() % 12) {
          let command = commands.randomElement(using: &random) ?? 0
          let payload = (0..<Int(random.next() % 40)).map { _ in
            content.randomElement(using: &random) ?? 0
          }
          connection.send(WirePacket(command: command, payload: payload).encoded)
        }
        _ = try connection.packetsToTheEnd()
      }
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test("fault 36: names, paths, parameters and macros of half a megabyte")
    func giantsOfEveryKind() throws {
      let bmsd = try daemon()
      let before = try bmsd.status("VmRSS")
      let giant = MailText([UInt8](repeating: 0x78, count: 500_000))
      let angled = MailText([0x3C] + giant.bytes + [0x3E])
      for _ in 0..<5 {
        let session = try bmsd.connect(timeout: .seconds(20))
        try session.negotiate(steps: .leadingSpace)
        session.macros[.connect] = ["j": giant]
        session.macros[.mail] = ["{auth_type}": giant]
        #expect(try session.connect(giant, .inet("192.0.2.7", port: 1)) == .proceed)
        #expect(try session.helo(giant) == .proceed)
        session.macros[.mail] = [:]
        #expect(try session.mail([angled, giant]) == .proceed)
        #expect(try session.rcpt([angled, giant]) == .proceed)
        #expect(try session.header(HeaderField(name: giant, rawValue: " x")) == .proceed)
        #expect(try session.header(HeaderField(name: "Subject", rawValue: giant)) == .proceed)
        _ = try session.endOfHeaders()
        #expect(try session.endOfMessage().reply == .proceed)
        try session.quit(waiting: true)
      }
      try expectSmall(bmsd, since: before, 60_000)
      #expect(try bmsd.serves())
      #expect(try bmsd.stop() == 0)
      // However long what came was, a line of the log is not.
      #expect(bmsd.log.allSatisfy { $0.utf8.count < 20_000 })
    }

    @Test(
      "fault 45: a packet that says it is larger than any is hung up on",
      arguments: [
        UInt32(1_048_577), 16_777_216, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
      ])
    func hugeLengths(_ length: UInt32) throws {
      let bmsd = try daemon()
      let before = try bmsd.status("VmRSS")
      let start = WirePacket(.negotiate, WireData(6, 0x1FF, 0).bytes).encoded
      for command in WireCommand.allCases {
        let connection = try RawConnection(to: bmsd.socketPath)
        connection.send(start + WireData(length).bytes + [command.rawValue])
        connection.send([UInt8](repeating: 0x78, count: 100_000))
        #expect(try connection.packetsToTheEnd() != nil)
      }
      try expectSmall(bmsd, since: before, 20_000)
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test("fault 20: a message of 100 MB, one line without end")
    func aHundredMegabytes() throws {
      let bmsd = try daemon()
      let session = try bmsd.connect(timeout: .seconds(20))
      try session.negotiate(steps: .leadingSpace)
      try session.greet()
      #expect(try session.begin() == .proceed)
      _ = try session.endOfHeaders()
      let before = try bmsd.status("VmRSS")
      let chunk = [UInt8](repeating: 0x78, count: 65_535)
      for _ in 0..<1_600 { #expect(try session.body(chunk) == .proceed) }
      try expectSmall(bmsd, since: before, 10_000)
      #expect(try session.endOfMessage().reply == .proceed)
      try session.quit(waiting: true)
      #expect(try bmsd.stop() == 0)
    }

    @Test("fault 21: 50,000 header fields")
    func fiftyThousandFields() throws {
      let bmsd = try daemon()
      let session = try bmsd.connect(timeout: .seconds(20))
      try session.negotiate(steps: .leadingSpace)
      try session.greet()
      #expect(try session.begin() == .proceed)
      let before = try bmsd.status("VmRSS")
      for number in 0..<50_000 {
        let field = HeaderField(name: MailText("X-\(number)"), rawValue: " value")
        #expect(try session.header(field) == .proceed)
      }
      _ = try session.endOfHeaders()
      #expect(try session.endOfMessage().reply == .proceed)
      try expectSmall(bmsd, since: before, 40_000)
      try session.quit(waiting: true)
      #expect(try bmsd.serves())
      #expect(try bmsd.stop() == 0)
    }

    @Test(
      "faults 31, 33: NUL, bare CR and LF, 8-bit junk, a body cut anywhere",
      arguments: [1, 2, 7, 4_000])
    func awkwardBytes(_ size: Int) throws {
      let bmsd = try daemon()
      let session = try bmsd.connect(timeout: .seconds(20))
      try session.negotiate(steps: .leadingSpace)
      try session.greet()
      #expect(try session.begin() == .proceed)
      let awkward = MailText([0x20, 0x61, 0x01, 0x62, 0x0D, 0x0A, 0x63, 0x1B, 0xFF, 0xC3])
      #expect(try session.header(HeaderField(name: "Subject", rawValue: awkward)) == .proceed)
      _ = try session.endOfHeaders()
      let body =
        Array("\r\n\r\r\n\n\u{0}\u{0}\r".utf8) + [0xFF, 0xFE, 0xC3] + Array("é\r\n.\r".utf8)
      var rest = body[...]
      while !rest.isEmpty {
        #expect(try session.body(rest.prefix(size)) == .proceed)
        rest = rest.dropFirst(size)
      }
      #expect(try session.endOfMessage(lastChunk: [0x0A]).reply == .proceed)
      try session.quit(waiting: true)
      // A header field ends at its NUL.
      let other = try bmsd.session()
      try other.greet()
      #expect(try other.begin() == .proceed)
      let field = HeaderField(name: "X-NUL", rawValue: MailText([0x20, 0x61, 0, 0x62]))
      _ = try other.header(field)
      _ = try other.endOfHeaders()
      #expect(try other.endOfMessage().reply == .proceed)
      try bmsd.line("header=X-NUL value=a")
      #expect(try bmsd.serves())
      #expect(try bmsd.stop() == 0)
      #expect(bmsd.log.allSatisfy { $0.unicodeScalars.allSatisfy { $0.value >= 0x20 } })
    }

    @Test("fault 45: a hundred MTAs drip a byte at a time, more are turned away, others are served")
    func slowLoris() throws {
      let bmsd = try daemon("max_sessions = 110")
      let loris = try (0..<100).map { try Loris(bmsd.socketPath, isNumeric: $0.isMultiple(of: 2)) }
      // All negotiate first, so that they are the sessions that count.
      for slow in loris { slow.negotiate() }
      for slow in loris { slow.connection.awaitAnswer() }
      let more = try (0..<10).map { _ in try bmsd.session() }
      let beyond = try bmsd.session()
      #expect(try beyond.connect("mx", .inet("192.0.2.7", port: 1)).code == 451)
      for session in more + [beyond] { session.closeAbruptly() }
      try bmsd.awaitConnections(100)
      let rest = WireTests.Unchecked(loris)
      let isDone = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        // libmilter may give a session to a thread that waits for the rest of another's packet: a
        // byte that finds no room waits for the next turn.
        while rest.value.count(where: { $0.drip() }) > 0 { usleep(1_000) }
        isDone.signal()
      }
      for _ in 0..<5 { #expect(try bmsd.serves()) }
      isDone.wait()
      for slow in loris {
        let packets = try #require(try slow.connection.packetsToTheEnd())
        // Both recipients of those with a numeric HELO are refused.
        let refused = packets.count { $0.command == WireResponse.reply.rawValue }
        #expect(refused == (slow.isNumeric ? 2 : 0))
      }
      if Sanitizer.leavesMemoryAlone { #expect(try bmsd.status("VmRSS") < 60_000) }
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    /// An MTA that sends a byte now and then.
    final class Loris {
      let connection: RawConnection
      let isNumeric: Bool
      private var bytes: ArraySlice<UInt8>

      init(_ path: String, isNumeric: Bool) throws {
        connection = try RawConnection(to: path)
        self.isNumeric = isNumeric
        bytes = RecordedSession(helo: isNumeric ? "192.0.2.7" : "mx.example.com").bytes[...]
      }

      func negotiate() {
        connection.send(bytes.prefix(17))
        bytes = bytes.dropFirst(17)
      }

      /// Sends the next byte; gives whether there are more.
      func drip() -> Bool {
        if let byte = bytes.first, connection.offer(byte) { bytes = bytes.dropFirst() }
        return !bytes.isEmpty
      }
    }

    /// Random numbers that are the same in each run (xorshift64*).
    private struct SeededRandom: RandomNumberGenerator {
      var state: UInt64

      mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
      }
    }
  }
}
