// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// Messages with attachments through real libmilter.
  @Suite struct Attachments {
    private static let message = EditedMessage(
      parsing: Array(
        """
        From: Ann <ann@example.com>
        Content-Type: multipart/mixed;
         boundary="b"

        Preamble
        --b
        Content-Type: text/plain

        Hello
        --b
        Content-Type: application/octet-stream; name="setup.exe"

        MZ
        --b--

        """.replacing("\n", with: "\r\n").utf8))

    private func daemon(_ options: String = "") throws -> BMSDProcess {
      var setup = BMSDProcess.Setup()
      setup.sections += """
        [store]
        path = bms.db
        min_free = 0
        [quarantine]
        dir = quarantine
        [defang]
        mode = enforce
        \(options)
        """
      return try BMSDProcess(setup)
    }

    private func stranger(_ bmsd: BMSDProcess) throws -> MilterSession {
      let session = try bmsd.session()
      try session.greet()
      return session
    }

    private static func sent(_ message: EditedMessage) -> EditedMessage {
      var message = message
      message.sender = "<ann@example.com>"
      message.recipients = [EditedMessage.Recipient("<bob@example.org>")]
      return message
    }

    @Test("fault 34: the body is cut at every place, also between CR and LF")
    func everySplit() throws {
      let bmsd = try daemon()
      let session = try stranger(bmsd)
      let message = Self.sent(Self.message)
      var bodies: Set<[UInt8]> = []
      for size in 1...message.body.count {
        let outcome = try session.send(message, chunkSize: size)
        #expect(outcome.finalReply == .proceed)
        #expect(outcome.message.headers == message.headers)
        // Each has a reference of its own.
        let lines = outcome.message.body.split(separator: 0x0A).filter {
          !$0.starts(with: Array("and give the reference".utf8))
        }
        bodies.insert(Array(lines.joined(separator: [0x0A])))
      }
      #expect(bodies.count == 1)
      let body = String(decoding: bodies.first ?? [], as: UTF8.self)
      #expect(body.contains("setup.exe (application/octet-stream, 2 bytes)"))
      #expect(!body.contains("MZ"))
      try session.quit(waiting: true)
      #expect(try bmsd.stop() == 0)
    }

    /// The originals in the quarantine.
    private func originals(_ bmsd: BMSDProcess) throws -> [String] {
      try FileManager.default.contentsOfDirectory(
        atPath: bmsd.folder.appending(path: "quarantine").path)
    }

    /// Each attempt of the sender would leave a copy.
    @Test func keepsNoOriginalOfWhatTheMTADoesNotTake() throws {
      let bmsd = try daemon()
      let session = try bmsd.connect()
      try session.negotiate(actions: [.addHeaders, .changeHeaders])
      try session.greet()
      for _ in 1...2 {
        let reply = try session.send(Self.sent(Self.message)).finalReply
        #expect(reply.shown.hasPrefix("451 4.3.0"))
        #expect(try originals(bmsd) == [])
      }
      try session.quit(waiting: true)
      let whole = try stranger(bmsd)
      #expect(try whole.send(Self.sent(Self.message)).finalReply == .proceed)
      #expect(try originals(bmsd).count == 1)
      try whole.quit(waiting: true)
      #expect(try bmsd.stop() == 0)
    }

    /// An MTA that is gone may take the message by its own rule, with what was changed by then.
    @Test func keepsTheOriginalWhereTheMTAIsGone() throws {
      let bmsd = try daemon()
      let connection = try RawConnection(to: bmsd.socketPath)
      let session = connection.session()
      try session.negotiate()
      try session.greet()
      let message = Self.sent(Self.message)
      _ = try session.mail([message.sender])
      _ = try session.rcpt(["<bob@example.org>"])
      for field in message.headers { _ = try session.header(field) }
      _ = try session.endOfHeaders()
      _ = try session.body(message.body)
      connection.stopListening()
      try session.send(bytes: WirePacket(.endOfMessage).encoded)
      #expect(try bmsd.line("recipients=1").contains("verdict=tempfail"))
      session.closeAbruptly()
      #expect(try bmsd.stop() == 0)
      #expect(try originals(bmsd).count == 1)
    }

    @Test("fault 20: a message of 100 MB streams past and is tagged")
    func largeMessage() throws {
      let bmsd = try daemon()
      let before = try bmsd.status("VmHWM")
      let session = try stranger(bmsd)
      let message = Self.sent(Self.message)
      _ = try session.mail([message.sender])
      _ = try session.rcpt(["<bob@example.org>"])
      for field in message.headers { _ = try session.header(field) }
      _ = try session.endOfHeaders()
      let line = [UInt8](repeating: 0x41, count: 76) + [0x0D, 0x0A]
      let chunk = Array([[UInt8]](repeating: line, count: 840).joined())
      for _ in 0..<(100 << 20) / chunk.count { _ = try session.body(chunk) }
      let end = try session.endOfMessage()
      #expect(end.reply == .proceed)
      #expect(
        end.modifications.map(\.edit) == [
          .addHeader(name: "X-BMS-Attachment", value: "uninspected; too large")
        ])
      if Sanitizer.leavesMemoryAlone {
        let grown = try bmsd.status("VmHWM") - before
        #expect(grown < 250_000, "grown by \(grown) KiB")
      }
      try session.quit(waiting: true)
      // What was collected is given back.
      let small = try stranger(bmsd)
      #expect(try small.send(message).finalReply == .proceed)
      try small.quit(waiting: true)
      #expect(try bmsd.stop() == 0)
    }
  }
}
