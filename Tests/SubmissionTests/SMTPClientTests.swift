// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import Mail
import TestSupport
import Testing

@testable import Submission

/// The client before a server that a test scripts.
struct SMTPClientTests {
  static let message = "Subject: x\r\n\r\n.dot\r\n..\r\nlast\r\n"

  func client(_ server: ScriptedSMTPServer, limit: Duration = .seconds(20)) throws -> SMTPClient {
    SMTPClient(
      try #require(SMTPAddress("127.0.0.1:\(server.port)")), hello: "mx.example.org", limit: limit,
      time: SystemTime())
  }

  func send(
    _ server: ScriptedSMTPServer, _ text: String = message, from sender: MailText = "a@example.com",
    to recipients: [MailText] = ["b@example.org"], limit: Duration = .seconds(20)
  ) throws -> SMTPClient.Outcome {
    let bytes = Array(text.utf8)
    return try client(server, limit: limit).send(
      .init(
        sender: sender, recipients: recipients, size: bytes.count,
        isEightBit: bytes.contains { $0 > 0x7F })
    ) { _ in [bytes.prefix(5), bytes.dropFirst(5)] }
  }

  @Test func handsInAMessage() throws {
    let server = try ScriptedSMTPServer { _, _ in nil }
    let outcome = try send(server, to: ["b@example.org", "\"c d\"@example.org"])
    #expect(outcome.accepted == ["b@example.org", "\"c d\"@example.org"])
    #expect(outcome.reply.description == "250 2.0.0 Ok: queued as 4ZBC")
    #expect(
      server.commands == [
        "EHLO mx.example.org", "MAIL FROM:<a@example.com> SIZE=\(Self.message.utf8.count)",
        "RCPT TO:<b@example.org>", "RCPT TO:<\"c d\"@example.org>", "DATA", "QUIT",
      ])
    #expect(
      String(decoding: server.content, as: UTF8.self)
        == "Subject: x\r\n\r\n..dot\r\n...\r\nlast\r\n.\r\n")
  }

  /// What must come out at the other end, whatever the content looks like.
  @Test(arguments: [
    ("", ".\r\n"), ("a", "a\r\n.\r\n"), ("a\r", "a\r\n.\r\n"), ("a\r\n", "a\r\n.\r\n"),
    (".", "..\r\n.\r\n"), ("a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"),
    ("a\r\n.\nMAIL FROM:<x>\r\n", "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n"),
    ("a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"), ("a\r.\r\nb\r\n", "a\r.\r\nb\r\n.\r\n"),
    ("\r\n.\r\n", "\r\n..\r\n.\r\n"), ("\u{0}\u{7F}\r\n", "\u{0}\u{7F}\r\n.\r\n"),
  ])
  func endsTheContentItselfOnly(_ content: String, _ wire: String) {
    let bytes = Array(content.utf8)
    for cut in 0...bytes.count {
      var stuffing = DotStuffing()
      var out: [UInt8] = []
      stuffing.take(bytes[..<cut], into: &out)
      stuffing.take(bytes[cut...], into: &out)
      stuffing.finish(into: &out)
      #expect(out == Array(wire.utf8))
    }
  }

  @Test func sendsALargeMessage() throws {
    let server = try ScriptedSMTPServer { _, _ in nil }
    let text = String(repeating: ".123456789\r\n", count: 60_000)
    _ = try send(server, text)
    #expect(
      server.content == Array((String(repeating: "..123456789\r\n", count: 60_000) + ".\r\n").utf8))
  }

  @Test func saysWhatTheMessageNeeds() throws {
    let server = try ScriptedSMTPServer { _, _ in nil }
    _ = try send(server, "é\r\n", from: "", to: ["ü@example.org"])
    #expect(server.commands.dropFirst().first == "MAIL FROM:<> SIZE=4 BODY=8BITMIME SMTPUTF8")
  }

  @Test func asksNothingOfAServerThatOffersNothing() throws {
    let server = try ScriptedSMTPServer { step, _ in
      step == "EHLO" ? .say("502 what") : nil
    }
    _ = try send(server)
    #expect(
      server.commands.prefix(3) == [
        "EHLO mx.example.org", "HELO mx.example.org", "MAIL FROM:<a@example.com>",
      ])
  }

  @Test func doesNotSendWhatTheServerCannotTake() throws {
    func poor() throws -> ScriptedSMTPServer {
      try ScriptedSMTPServer { step, _ in step == "EHLO" ? .say("250-a\r\n250 SIZE 10") : nil }
    }
    #expect(throws: SubmissionTrouble.lacks("8BITMIME")) { try send(poor(), "é") }
    #expect(throws: SubmissionTrouble.lacks("SMTPUTF8")) { try send(poor(), "e", to: ["é@b"]) }
    #expect(throws: SubmissionTrouble.tooLarge(11, largest: 10)) {
      try send(poor(), "12345678901")
    }
  }

  @Test func makesTheContentForTheRecipientsThatAreTaken() throws {
    let server = try ScriptedSMTPServer { step, line in
      step == "RCPT" && line.contains("no@") ? .say("550 5.1.1 no such user") : nil
    }
    var asked: [MailText] = []
    let outcome = try client(server).send(
      .init(sender: "a@b", recipients: ["no@c", "yes@c"], size: 1, isEightBit: false)
    ) { accepted in
      asked = accepted
      return [[0x61]]
    }
    #expect(asked == ["yes@c"] && outcome.accepted == ["yes@c"])
    #expect(outcome.refused.map(\.recipient) == ["no@c"])
    #expect(outcome.refused.first?.reply.description == "550 5.1.1 no such user")
  }

  @Test(arguments: [
    "a\r\nRCPT TO:<x@y>", "a\n", "a b@c", "a>b", "<a>", "a\u{0}", "\"a", "\"a\\\"", "a\u{7F}",
    String(repeating: "a", count: 2000),
  ])
  func writesNoAddressThatEndsItsCommand(_ address: String) throws {
    let server = try ScriptedSMTPServer { _, _ in nil }
    let address = MailText(address)
    #expect(throws: SubmissionTrouble.badAddress(address)) { try send(server, to: [address]) }
    #expect(throws: SubmissionTrouble.badAddress(address)) { try send(server, from: address) }
    _ = try send(server)
  }

  static let steps: [(String, SubmissionTrouble.Step)] = [
    ("greeting", .greeting), ("EHLO", .hello), ("MAIL", .mail), ("RCPT", .recipient),
    ("DATA", .data), ("content", .content),
  ]

  @Test(arguments: steps)
  func survivesAServerThatCloses(_ step: String, _ place: SubmissionTrouble.Step) throws {
    let server = try ScriptedSMTPServer { now, _ in now == step ? .close : nil }
    let trouble = #expect(throws: SubmissionTrouble.self) { try send(server) }
    #expect(trouble == .closed(place))
    #expect(trouble?.isUncertain == (step == "content"))
  }

  @Test(arguments: steps)
  func waitsNoLongerThanItsLimit(_ step: String, _ place: SubmissionTrouble.Step) throws {
    let server = try ScriptedSMTPServer { now, _ in now == step ? .keepSilent : nil }
    #expect(throws: SubmissionTrouble.timeout(place)) {
      try send(server, limit: .milliseconds(200))
    }
  }

  @Test(arguments: steps)
  func takesNoReplyThatNeverEnds(_ step: String, _ place: SubmissionTrouble.Step) throws {
    let lines: [ScriptedSMTPServer.Action] = [
      .babble(100_000), .repeated("250-more"), .say("hello"), .say("999 x"), .say("25"), .say(""),
      .say("250-a\r\n550 b"), .say("2500 x"), .say("1\u{0}0 x"), .say("199 x"), .say("-50 x"),
    ]
    for line in lines {
      let server = try ScriptedSMTPServer { now, _ in now == step ? line : nil }
      #expect(throws: SubmissionTrouble.garbage(place), "\(line)") { try send(server) }
    }
  }

  @Test(
    arguments: steps.dropFirst(2).map { $0 } + [("greeting", SubmissionTrouble.Step.greeting)],
    [451, 554, 421])
  func tellsARefusal(
    _ step: (name: String, place: SubmissionTrouble.Step), _ code: Int
  ) throws {
    let server = try ScriptedSMTPServer { now, _ in
      now == step.name ? .say("\(code)-4.3.0 not\r\n\(code) 4.3.0 now\u{1B}[31m") : nil
    }
    let trouble = #expect(throws: SubmissionTrouble.self) { try send(server) }
    guard case .refused(step.place, let reply)? = trouble else {
      Issue.record("\(String(describing: trouble))")
      return
    }
    #expect(reply.code == code)
    #expect(reply.description == #"\#(code) 4.3.0 not / 4.3.0 now\x1B[31m"#)
  }

  @Test func saysThatNobodyListens() throws {
    let server = try ScriptedSMTPServer { _, _ in .close }
    _ = try? send(server)
    _ = server.commands
    let address = try #require(SMTPAddress("127.0.0.1:1"))
    #expect(throws: SubmissionTrouble.unreachable(address, "Connection refused")) {
      try SMTPClient(address, hello: "x", limit: .seconds(5), time: SystemTime()).send(
        .init(sender: "", recipients: ["a@b"], size: 1, isEightBit: false)
      ) { _ in [] }
    }
  }

  @Test(arguments: [
    ("127.0.0.1:25", "127.0.0.1:25"), ("localhost@2525", "localhost:2525"),
    ("LocalHost", "localhost:25"), ("127.0.0.1", "127.0.0.1:25"), ("[127.0.0.1]", "127.0.0.1:25"),
    ("[::1]:587", "[::1]:587"), ("[::1]", "[::1]:25"), ("::1@25", nil), ("[::1]@26", "[::1]:26"),
    ("", nil), (":25", nil), ("a:", nil), ("a:0", nil), ("a:65536", nil), ("a:+5", nil),
    ("a b:25", nil), ("a:b:25", nil), ("[a]b:25", nil),
    // Names of other hosts would have to be looked up, and nothing bounds how long that takes.
    ("mx:25", nil), ("mail.example.org", nil), ("[localhost]:25", nil),
    ("/run/submit.sock", nil), ("unix:/run/submit.sock", nil), ("inet:25@127.0.0.1", nil),
    ("25", nil), ("25@127.0.0.1", nil), ("127.0.0.1:", nil), ("127.0.0.1@", nil),
    ("127.1:25", nil), ("127.0.0.1.:25", nil), ("smtp://127.0.0.1", nil),
    ("127.0.0.1:025", "127.0.0.1:25"),
  ])
  func readsAddresses(_ text: String, _ expected: String?) {
    #expect(SMTPAddress(text)?.description == expected)
  }
}
