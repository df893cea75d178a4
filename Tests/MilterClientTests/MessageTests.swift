// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import Testing

/// Whole messages, compared packet by packet with what an MTA sends.
@Suite struct MessageTests {
  static let message = EditedMessage(
    sender: "<a@example.com>", senderParameters: "SIZE=9 BODY=8BITMIME",
    recipients: [
      .init("<x@example.net>"), .init(MailText([0x3C, 0xE9, 0x3E]), parameters: "A=1"),
    ],
    headers: [
      .init(name: "From", rawValue: " a"), .init(name: "X-A", rawValue: "\tb\n  c"),
      .init(name: "X-B", rawValue: MailText([0x20, 0x20, 0xE9, 0x00, 0x64])),
      .init(name: "X-C", rawValue: ""),
    ], body: [0x00, 0xE9, 0x0D, 0x0A, 0x2E, 0x0D, 0x0A])

  static let envelope: [WirePacket] = [
    .init(.mail, wire("<a@example.com>|SIZE=9|BODY=8BITMIME|")),
    .init(.rcpt, wire("<x@example.net>|")), .init(.rcpt, [0x3C, 0xE9, 0x3E] + wire("|A=1|")),
  ]
  static let strippedHeader: [WirePacket] = [
    .init(.header, wire("From|a|")), .init(.header, wire("X-A|\tb\n  c|")),
    .init(.header, wire("X-B| ") + [0xE9, 0, 0x64, 0]), .init(.header, wire("X-C||")),
    .init(.endOfHeaders),
  ]
  static let end: [WirePacket] = [.init(.body, message.body), .init(.endOfMessage)]

  @Test func passesEveryByte() throws {
    let received = try Filter().run { session throws in
      let peer = MilterSession.Peer.inet("192.0.2.7", port: 0x1234)
      #expect(try session.connect("mx.example.com", peer) == .proceed)
      #expect(try session.helo("mx") == .proceed)
      #expect(try session.unknown("NOOP x") == .proceed)
      let outcome = try session.send(Self.message)
      #expect(outcome.finalReply == .proceed && outcome.isAccepted)
      #expect(outcome.decidedAt == .endOfMessage)
      #expect(outcome.message == Self.message && outcome.edits.isEmpty)
      #expect(outcome.accepted == Self.message.recipients && outcome.refused.isEmpty)
      #expect(outcome.headers == [.proceed, .proceed, .proceed, .proceed])
      #expect(outcome.mail == .proceed && outcome.data == .proceed)
      #expect(outcome.endOfHeaders == .proceed && outcome.body == [.proceed])
      try session.quit()
    }
    let start: [WirePacket] = [
      .init(.connect, wire("mx.example.com|4") + [0x12, 0x34] + wire("192.0.2.7|")),
      .init(.helo, wire("mx|")), .init(.unknown, wire("NOOP x|")),
    ]
    let rest = [.init(.data)] + Self.strippedHeader + Self.end + [.init(.quit)]
    #expect(received == start + Self.envelope + rest)
  }

  @Test func namesEveryKindOfClient() throws {
    let received = try Filter().run { session throws in
      _ = try session.connect("a", .inet6("2001:db8::1", port: 25))
      _ = try session.connect("b", .unix("/s"))
      _ = try session.connect(MailText([0xE9]), .unknown)
    }
    #expect(
      received == [
        .init(.connect, wire("a|6") + [0, 25] + wire("2001:db8::1|")),
        .init(.connect, wire("b|L||/s|")), .init(.connect, [0xE9, 0, 0x55]),
      ])
  }

  @Test func keepsTheLeadingSpaceWhenAgreed() throws {
    let received = try Filter(steps: .leadingSpace).run { session throws in
      for field in Self.message.headers { _ = try session.header(field) }
    }
    #expect(
      received == [
        .init(.header, wire("From| a|")), .init(.header, wire("X-A|\tb\n  c|")),
        .init(.header, wire("X-B|  ") + [0xE9, 0, 0x64, 0]), .init(.header, wire("X-C||")),
      ])
  }

  @Test(arguments: [UInt32(2), 3, 4, 5])
  func leavesOutWhatTheVersionLacks(_ version: UInt32) throws {
    let received = try Filter(actions: []).run(version: version) { session throws in
      #expect(try session.unknown("X") == (version < 3 ? .notSent : .proceed))
      #expect(try session.data() == (version < 4 ? .notSent : .proceed))
      #expect(throws: MilterClientError.unsupported(.quitNewConnection)) {
        try session.quitNewConnection()
      }
    }
    let all: [WirePacket] = [.init(.unknown, wire("X|")), .init(.data)]
    #expect(received == Array(all.prefix(Int(version) - 2)))
  }

  static let allNo: WireSteps = [
    .noConnect, .noHelo, .noMail, .noRcpt, .noData, .noUnknown, .noHeaders, .noEndOfHeaders,
    .noBody,
  ]
  static let allNoReply: WireSteps = [
    .noReplyConnect, .noReplyHelo, .noReplyMail, .noReplyRcpt, .noReplyData, .noReplyUnknown,
    .noReplyHeaders, .noReplyEndOfHeaders, .noReplyBody,
  ]

  @Test func leavesOutSteps() throws {
    let received = try Filter(steps: Self.allNo).run { session throws in
      #expect(try session.connect("a", .unknown) == .notSent)
      #expect(try session.helo("a") == .notSent)
      #expect(try session.unknown("a") == .notSent)
      let outcome = try session.send(Self.message)
      #expect(outcome.recipients.map(\.reply) == [.notSent, .notSent])
      #expect(outcome.accepted == Self.message.recipients && outcome.body.isEmpty)
      #expect(outcome.finalReply == .proceed)
    }
    #expect(received == [.init(.endOfMessage)])
  }

  @Test func doesNotWaitForAnswersThatDoNotCome() throws {
    var filter = Filter(steps: Self.allNoReply)
    filter.silent = Set(WireCommand.allCases).subtracting([.negotiate, .endOfMessage])
    let received = try filter.run { session throws in
      #expect(try session.connect("a", .unknown) == .noReply)
      #expect(try session.helo("a") == .noReply)
      let outcome = try session.send(Self.message, chunkSize: 3)
      #expect(outcome.accepted == Self.message.recipients)
      #expect(outcome.body == [.noReply, .noReply, .noReply])
      #expect(outcome.finalReply == .proceed)
    }
    #expect(received.count == 2 + 3 + 1 + 5 + 3 + 1)
  }

  @Test func sendsMacrosThatAreWished() throws {
    var wishes = WireData(0)
    wishes.append("j {client_addr} {missing}")
    wishes.append(3 as UInt32)
    wishes.append("")
    let received = try Filter(steps: .noMail, macros: wishes).run { session throws in
      session.macros = [
        .connect: ["v": "x", "j": MailText([0xE9]), "client_addr": "192.0.2.7"],
        .mail: ["{mail_addr}": "a", "i": "Q1"], .rcpt: ["{rcpt_addr}": "b"],
      ]
      _ = try session.connect("a", .unknown)
      _ = try session.mail(["<a>"])
      _ = try session.rcpt(["<b>"])
    }
    #expect(
      received == [
        .init(.macro, wire("C{client_addr}|192.0.2.7|j|") + [0xE9, 0]),
        .init(.connect, wire("a|U")), .init(.macro, wire("Mi|Q1|{mail_addr}|a|")),
        .init(.rcpt, wire("<b>|")),
      ])
  }

  @Test(arguments: [1, 3, 7, 65_535, 0])
  func cutsTheBody(_ size: Int) throws {
    let received = try Filter().run { session throws in
      _ = try session.send(Self.message, chunkSize: size)
    }
    let chunks = received.filter { $0.command == WireCommand.body.rawValue }.map(\.payload)
    #expect(Array(chunks.joined()) == Self.message.body)
    #expect(chunks.dropLast().allSatisfy { $0.count == max(size, 1) })
  }

  @Test func stopsTheBodyAtSkip() throws {
    let received = try Filter(answers: [.body: [.init(.skip)]]).run { session throws in
      let outcome = try session.send(Self.message, chunkSize: 1)
      #expect(outcome.body == [.skip] && outcome.finalReply == .proceed)
    }
    #expect(received.suffix(2) == [.init(.body, [0]), .init(.endOfMessage)])
  }
}
