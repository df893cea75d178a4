// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import Testing

@testable import Milter

extension LiveTests {
  /// What a step answers, and which ones are not answered at all.
  @Suite struct Replies {
    private static let message = EditedMessage(
      sender: "<a@example.com>", recipients: [.init("<b@example.net>"), .init("<c@example.net>")],
      headers: [.init(name: "Subject", rawValue: " x")], body: Array("a\r\nb\r\n".utf8))

    private func open(
      _ negotiation: Negotiation = Plan().negotiation, steps: WireSteps? = nil, version: UInt32 = 6,
      _ answer: @escaping @Sendable (Event) -> MilterReply
    ) throws -> LiveSession {
      try LiveFilter.open(
        Plan(negotiation: negotiation, answer: answer), version: version, steps: steps)
    }

    @Test func textReachesTheClient() throws {
      let reply = SMTPReply.permanent(7, 1, "100% no\r\n250 OK", "", "caf\u{E9}")
      let live = try open { _ in .refuse(reply) }
      let expected = StepReply.reply(
        ReplyLines(code: 550, lines: ["5.7.1 100%% no  250 OK", "5.7.1 ", "5.7.1 caf?"]))
      let short = StepReply.reply(ReplyLines(code: 550, lines: ["5.7.1 100%% no  250 OK"]))
      // libmilter takes one line only at CONNECT.
      #expect(try live.client.connect("mx", .unknown) == short)
      #expect(try live.client.helo("mx") == expected)
      #expect(try live.client.mail(["<>"]) == expected)
      _ = try live.events()
    }

    @Test("fault 30: the longest reply is taken") func longestReplyIsTaken() throws {
      let lines = Array(repeating: String(repeating: "%", count: 1_000), count: 40)
      let live = try open { _ in .refuse(SMTPReply(.transient, 21, 3, 2, lines)) }
      let line = MailText("4.3.2 " + String(repeating: "%", count: 980))
      let reply = try live.client.mail(["<>"])
      #expect(reply == .reply(ReplyLines(code: 451, lines: Array(repeating: line, count: 32))))
      _ = try live.events()
    }

    @Test func recipientIsRefusedAlone() throws {
      let live = try open { event in
        event == .recipient(["<b@example.net>"]) ? .refuse(.transient(7, 1, "later")) : .proceed
      }
      try live.greet()
      let outcome = try live.client.send(Self.message)
      #expect(outcome.accepted.map(\.address) == ["<c@example.net>"] && outcome.isAccepted)
      #expect(outcome.refused.first?.reply.code == 451)
      _ = try live.events()
    }

    @Test(arguments: [(.accept, .accept), (.discard, .discard)] as [(MilterReply, StepReply)])
    func endOfMessageAnswers(reply: MilterReply, seen: StepReply) throws {
      let live = try open { $0 == .endOfMessage ? reply : .proceed }
      try live.greet()
      #expect(try live.client.send(Self.message).finalReply == seen)
      _ = try live.events()
    }

    @Test func noReplyStepsAreNotAnswered() throws {
      // A refusal there would be a packet nobody waits for: the client throws on one.
      let live = try open(Negotiation(steps: .all, answered: .recipient)) { event in
        switch event {
        case .recipient, .endOfMessage: .proceed
        case .header: .accept
        case .body: .skipBody
        default: .refuse(.permanent(7, 1, "no"))
        }
      }
      #expect(try live.client.connect("mx", .unknown) == .noReply)
      #expect(try live.client.helo("mx") == .noReply)
      #expect(try live.client.unknown("X") == .noReply)
      let outcome = try live.client.send(Self.message)
      #expect(outcome.mail == .noReply && outcome.data == .noReply)
      #expect(outcome.headers == [.noReply] && outcome.endOfHeaders == .noReply)
      #expect(outcome.body == [.noReply] && outcome.finalReply == .proceed)
      #expect(outcome.recipients.map(\.reply) == [.proceed, .proceed])
      let events = try live.events()
      #expect(events.count == 12)
    }

    @Test("fault 47: older MTAs are answered", arguments: [UInt32(2), 3, 4, 5])
    func olderMTAsAreAnswered(version: UInt32) throws {
      let live = try open(Negotiation(steps: .all, answered: .recipient), version: version) { _ in
        .proceed
      }
      #expect(try live.client.connect("mx", .unknown) == .proceed)
      let outcome = try live.client.send(Self.message)
      #expect(outcome.mail == .proceed && outcome.headers == [.proceed] && outcome.isAccepted)
      _ = try live.events()
    }

    @Test(arguments: [UInt32(2), 3, 4, 6]) func stepsNobodyWantsAreLeftOut(version: UInt32) throws {
      let live = try open(Negotiation(steps: .recipient, answered: .recipient), version: version) {
        _ in .proceed
      }
      #expect(try live.client.connect("mx", .unknown) == .notSent)
      #expect(try live.client.helo("mx") == .notSent)
      #expect(try live.client.send(Self.message).isAccepted)
      let wanted = try live.events().filter { event in
        switch event {
        // Before version 3 and 4 these do not exist, so they cannot be left out either.
        case .data, .unknown: false
        default: true
        }
      }
      #expect(
        wanted == [
          .recipient(["<b@example.net>"]), .recipient(["<c@example.net>"]), .endOfMessage, .close,
        ])
    }

    @Test(arguments: [true, false]) func bodyIsSkippedOnlyWhenOffered(isOffered: Bool) throws {
      let steps: WireSteps = isOffered ? .known(to: 6) : WireSteps.known(to: 6).subtracting(.skip)
      let live = try open(steps: steps) { _ in .skipBody }
      _ = try live.client.connect("mx", .unknown)
      let outcome = try live.client.send(Self.message, chunkSize: 4)
      #expect(outcome.body == (isOffered ? [.skip] : [.proceed, .proceed]))
      #expect(outcome.isAccepted && outcome.headers == [.proceed])
      _ = try live.events()
    }

    @Test func wishesForMacrosAreSeen() throws {
      var negotiation = Negotiation(steps: .all, answered: .all)
      negotiation.macros = [.connect: ["j", "{daemon_name}"], .endOfMessage: ["i"]]
      let live = try open(negotiation) { _ in .proceed }
      let expected: [WireStage: [String]] = [
        .connect: ["j", "{daemon_name}"], .endOfMessage: ["i"],
      ]
      #expect(live.client.negotiated.macros == expected)
      _ = try live.events()
      let old = try open(negotiation, version: 2) { _ in .proceed }
      #expect(old.client.negotiated.macros.isEmpty)
      _ = try old.events()
    }

    @Test(arguments: [true, false]) func rejectedRecipientsAreAskedFor(isWanted: Bool) throws {
      var negotiation = Negotiation(steps: .all, answered: .all)
      negotiation.wantsRejectedRecipients = isWanted
      let live = try open(negotiation) { _ in .proceed }
      #expect(live.client.negotiated.steps.contains(.rejectedRecipients) == isWanted)
      _ = try live.events()
      let old = try open(negotiation, version: 5) { _ in .proceed }
      #expect(!old.client.negotiated.steps.contains(.rejectedRecipients))
      _ = try old.events()
    }
  }
}
