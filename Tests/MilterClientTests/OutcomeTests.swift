// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import Testing

/// What the MTA does with verdicts and edits.
@Suite struct OutcomeTests {
  static let message = EditedMessage(
    sender: "<a@example.com>",
    recipients: [.init("<x@example.net>"), .init("<no@example.net>"), .init("<later@x>")],
    headers: [.init(name: "Subject", rawValue: " s")], body: Array("b\r\n".utf8))

  @Test func collectsRefusedRecipients() throws {
    let received = try Filter().run { session throws in
      let outcome = try session.send(Self.message)
      #expect(outcome.accepted == [.init("<x@example.net>")])
      let no = StepReply.reply(.init(code: 550, lines: ["5.7.1 100%% no"]))
      #expect(outcome.refused.map(\.reply) == [no, .tempfail])
      #expect(outcome.message.recipients == outcome.accepted && outcome.isAccepted)
    }
    #expect(received.last == .init(.endOfMessage))
  }

  @Test func endsWhenNoRecipientIsLeft() throws {
    var message = Self.message
    message.recipients.removeFirst()
    let received = try Filter().run { session throws in
      let outcome = try session.send(message)
      #expect(outcome.finalReply == .tempfail && outcome.decidedAt == .rcpt)
      #expect(outcome.accepted.isEmpty && outcome.data == .notSent && !outcome.isAccepted)
    }
    #expect(received.last == .init(.abort) && received.count == 4)
  }

  struct Verdict: Sendable, CustomTestStringConvertible {
    var command: WireCommand
    var answer: WireResponse
    var reply: StepReply
    var testDescription: String { "\(reply) at \(command)" }
  }

  static let verdicts: [Verdict] = [WireCommand.mail, .rcpt, .data, .header, .endOfHeaders, .body]
    .flatMap { command in
      [
        Verdict(command: command, answer: .accept, reply: .accept),
        Verdict(command: command, answer: .discard, reply: .discard),
        Verdict(command: command, answer: .shutdown, reply: .shutdown),
        Verdict(command: command, answer: .connectionFailure, reply: .connectionFailure),
        Verdict(command: command, answer: .reject, reply: .reject),
        Verdict(command: command, answer: .tempfail, reply: .tempfail),
      ]
    }.filter { $0.command != .rcpt || ($0.answer != .reject && $0.answer != .tempfail) }

  @Test(arguments: verdicts)
  func endsEarly(_ verdict: Verdict) throws {
    let filter = Filter(answers: [verdict.command: [.init(verdict.answer)]])
    let received = try filter.run { session throws in
      for _ in 1...2 {  // the session goes on
        let outcome = try session.send(Self.message)
        #expect(outcome.finalReply == verdict.reply && outcome.decidedAt == verdict.command)
        #expect(outcome.endOfMessage == nil)
        #expect(outcome.isAccepted == !verdict.reply.isRefusal)
        if verdict.reply == .accept, verdict.command == .rcpt {
          #expect(outcome.accepted == Self.message.recipients)
          #expect(outcome.recipients.map(\.reply) == [.accept, .notSent, .notSent])
        }
      }
    }
    let aborts = received.indices.filter { received[$0] == .init(.abort) }
    #expect(aborts.count == 2 && aborts.last == received.count - 1)
    #expect(received.dropLast().last?.command == verdict.command.rawValue)
  }

  @Test func remembersAVerdictOnTheConnection() throws {
    let filter = Filter(answers: [.connect: [.init(.accept)], .helo: [.init(.reject)]])
    let received = try filter.run { session throws in
      #expect(try session.connect("a", .unknown) == .accept)
      let outcome = try session.send(Self.message)
      #expect(outcome.finalReply == .accept && outcome.decidedAt == .connect)
      #expect(outcome.message == Self.message && outcome.accepted == Self.message.recipients)
      try session.quitNewConnection()
      #expect(session.connectionReply == nil)
      #expect(try session.helo("a") == .reject)
      #expect(try session.send(Self.message).finalReply == .reject)
    }
    #expect(received.map(\.command) == Array("CKH".utf8))
  }

  static let edits: [WirePacket] = [
    .init(.progress), .init(.addHeader, wire("X-A| 1|")),
    .init(.insertHeader, WireData(0).bytes + wire("X-B|2|")),
    .init(.changeHeader, WireData(1).bytes + wire("subject|\tt|")),
    .init(.changeHeader, WireData(1).bytes + wire("X-A||")), .init(.progress),
    .init(.addRecipient, wire("<y@example.net>|")),
    .init(.deleteRecipient, wire("<x@example.net>|")), .init(.changeSender, wire("<>|")),
    .init(.replaceBody, wire("n\r\n")), .init(.quarantine, wire("why|")),
  ]

  @Test(arguments: [false, true])
  func makesTheEdits(leadingSpace: Bool) throws {
    let filter = Filter(
      steps: leadingSpace ? .leadingSpace : [],
      answers: [.endOfMessage: Self.edits + [.init(.accept)]])
    try filter.run { session throws in
      let outcome = try session.send(Self.message)
      #expect(outcome.finalReply == .accept && outcome.endOfMessage?.progressCount == 2)
      #expect(outcome.edits.count == 9)
      var expected = Self.message
      expected.headers = [
        .init(name: "X-B", rawValue: leadingSpace ? "2" : " 2"),
        .init(name: "Subject", rawValue: leadingSpace ? "\tt" : " \tt"),
      ]
      expected.recipients = [.init("<y@example.net>")]
      expected.sender = "<>"
      expected.body = wire("n\r\n")
      expected.quarantineReason = "why"
      #expect(outcome.message == expected)
      #expect(session.progressCount == 2)
    }
  }

  @Test(arguments: [WireResponse.discard, .reject, .tempfail, .shutdown])
  func makesNoEditsToWhatIsNotKept(_ verdict: WireResponse) throws {
    let filter = Filter(answers: [.endOfMessage: Self.edits + [.init(verdict)]])
    try filter.run { session throws in
      let outcome = try session.send(Self.message)
      #expect(outcome.edits.count == 9 && outcome.message.headers == Self.message.headers)
      #expect(outcome.isAccepted == (verdict == .discard))
    }
  }
}
