// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import Testing

@testable import Milter

extension LiveTests {
  /// Every change reaches the MTA as it was asked for, and nothing else does.
  @Suite struct Edits {
    private static let message = EditedMessage(
      sender: "<a@example.com>", recipients: [.init("<b@example.net>")],
      headers: [.init(name: "Subject", rawValue: " x")], body: Array("body\r\n".utf8))

    /// What the MTA got for these edits, and which of them the filter was told were taken.
    private func outcome(
      of edits: [Edit], actions: WireActions? = nil, steps: WireSteps? = nil
    ) throws -> (outcome: ClientSession.Outcome, taken: [Bool]) {
      var plan = Plan()
      plan.edits = edits
      let live = try LiveFilter.open(plan, actions: actions, steps: steps)
      try live.greet()
      let outcome = try live.client.send(Self.message)
      let taken = try live.events().compactMap { event -> Bool? in
        if case .applied(let isTaken) = event { isTaken } else { nil }
      }
      return (outcome, taken)
    }

    private static let every: [Edit] = [
      .addHeader(name: "X-A", value: MailText([0xE9, 0x25])),
      .addHeader(name: "X-Empty", value: ""),
      .insertHeader(index: 0, name: "X-Top", value: "fold\n\tmore"),
      .insertHeader(index: 7, name: "X-I", value: "i"),
      .changeHeader(name: "Subject", occurrence: 1, value: "new"),
      .changeHeader(name: "X-A", occurrence: 2, value: nil),
      .addRecipient("<c@example.net>", parameters: nil),
      .addRecipient(MailText([0x3C, 0xE9, 0x3E]), parameters: "NOTIFY=NEVER"),
      .deleteRecipient("<b@example.net>"), .deleteRecipient(MailText([0xE9])),
      .changeSender("<s@example.org>", parameters: nil),
      .changeSender("<>", parameters: "BODY=8BITMIME"),
      .replaceBody(Array("new\r\n".utf8)), .quarantine(reason: "held (ref X)"),
    ]

    @Test(arguments: [true, false]) func everyEditArrives(leadingSpace: Bool) throws {
      let steps: WireSteps = leadingSpace ? .known(to: 6) : []
      let (outcome, taken) = try outcome(of: Self.every, steps: steps)
      #expect(taken == Self.every.map { _ in true })
      #expect(outcome.edits == Self.every)
      // One space stands behind the colon either way.
      let top = outcome.message.headers.first
      #expect(top == HeaderField(name: "X-Top", rawValue: " fold\n\tmore"))
      #expect(outcome.message.quarantineReason == "held (ref X)")
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 300_000]) func bodyOfAnySize(size: Int) throws {
      let body = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
      let (outcome, taken) = try outcome(of: [.replaceBody(body)])
      #expect(taken == [true] && outcome.message.body == body && outcome.edits.count == 1)
    }

    @Test func longHeader() throws {
      let value = MailText([UInt8](repeating: 0x78, count: 200_000))
      let (outcome, taken) = try outcome(of: [.addHeader(name: "X", value: value)])
      #expect(taken == [true])
      #expect(outcome.message.headers.last?.value == value)
    }

    @Test(
      arguments: [
        ("a\r\nBcc: <evil@example.com>", "a Bcc: <evil@example.com>"), ("a\n\nbody", "a  body"),
        ("a\u{0}b", "ab"), ("a\r", "a"), ("x\n", "x "),
      ] as [(MailText, MailText)])
    func nothingIsInjectedByValue(value: MailText, expected: MailText) throws {
      let (outcome, taken) = try outcome(of: [
        .addHeader(name: "X", value: value), .insertHeader(index: 0, name: "X", value: value),
        .changeHeader(name: "Subject", occurrence: 1, value: value),
      ])
      #expect(taken == [true, true, true])
      #expect(outcome.message.headers.map(\.value) == [expected, expected, expected])
    }

    @Test(
      arguments: [
        .addHeader(name: "X\r\nBcc", value: "x"), .insertHeader(index: 0, name: "X:", value: "x"),
        .changeHeader(name: "", occurrence: 1, value: "x"),
        .changeHeader(name: "A B", occurrence: 1, value: nil),
        .addRecipient("<a\u{0}>", parameters: nil), .addRecipient("<a>", parameters: "A=\u{0}"),
        .deleteRecipient("a\u{0}"), .changeSender("a\u{0}", parameters: nil),
      ] as [Edit])
    func whatCannotStandIsNotTaken(edit: Edit) throws {
      let (outcome, taken) = try outcome(of: [edit])
      #expect(taken == [false] && outcome.edits.isEmpty && outcome.finalReply == .proceed)
    }

    @Test func quarantineReasonIsCleaned() throws {
      let (outcome, _) = try outcome(of: [.quarantine(reason: "a\r\n100%\u{0}")])
      #expect(outcome.message.quarantineReason == "a  100% ")
      let (empty, _) = try self.outcome(of: [.quarantine(reason: "")])
      #expect(empty.message.quarantineReason == "held")
    }

    @Test func whatWasNotOfferedIsNotTaken() throws {
      // An offer of nothing at all counts as one of protocol 1 for libmilter.
      let (outcome, taken) = try outcome(of: Self.every, actions: .quarantine)
      #expect(taken == Self.every.map { $0 == Self.every.last })
      #expect(outcome.edits == Self.every.suffix(1) && outcome.isAccepted)
    }

    @Test func parametersNeedTheirOwnOffer() throws {
      let (outcome, taken) = try outcome(
        of: [
          .addRecipient("<c>", parameters: nil), .addRecipient("<d>", parameters: "NOTIFY=NEVER"),
        ],
        actions: .addRecipients)
      #expect(taken == [true, false])
      #expect(outcome.edits == [.addRecipient("<c>", parameters: nil)])
    }

    @Test func progressIsTold() throws {
      var plan = Plan()
      plan.progress = 3
      let live = try LiveFilter.open(plan)
      try live.greet()
      let outcome = try live.client.send(Self.message)
      #expect(outcome.endOfMessage?.progressCount == 3 && outcome.isAccepted)
      #expect(try live.events().filter { $0 == .progressed(true) }.count == 3)
    }
  }
}
