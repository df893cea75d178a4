// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Mail
import MilterClient
import Testing

@testable import Milter

extension LiveTests {
  /// Every callback gets what the MTA sent, to the byte.
  @Suite struct Callbacks {
    static let hostile = MailText([0xE9, 0x20, 0x01, 0x7F, 0x0D, 0x0A, 0xFF, 0x25])
    static let body: [UInt8] = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    @Test(arguments: [UInt32(2), 3, 4, 5, 6]) func everyStepArrives(version: UInt32) throws {
      let live = try LiveFilter.open(version: version)
      let client = live.client
      #expect(client.negotiated.version == version)
      #expect(try client.connect(Self.hostile, .inet("192.0.2.7", port: 4321)) == .proceed)
      #expect(try client.helo(Self.hostile) == .proceed)
      #expect(try client.unknown(Self.hostile) == (version >= 3 ? .proceed : .notSent))
      #expect(try client.mail([Self.hostile, "SIZE=1", Self.hostile]) == .proceed)
      #expect(try client.rcpt(["<>", "", Self.hostile]) == .proceed)
      #expect(try client.data() == (version >= 4 ? .proceed : .notSent))
      let field = HeaderField(name: Self.hostile, rawValue: MailText([0x20] + Self.hostile.bytes))
      #expect(try client.header(field) == .proceed)
      #expect(try client.endOfHeaders() == .proceed)
      #expect(try client.body([0x00, 0xE9, 0x0D]) == .proceed)
      #expect(try client.body([0x0A, 0x00]) == .proceed)
      #expect(try client.endOfMessage().reply == .proceed)
      let address = Peer.Address.inet(IPAddress(v4: 0xC000_0207), port: 4321)
      let all: [Event] = [
        .connect(Peer(hostName: Self.hostile, address: address)), .hello(Self.hostile),
        .unknown, .sender([Self.hostile, "SIZE=1", Self.hostile]),
        .recipient(["<>", "", Self.hostile]), .data, .header(field), .endOfHeaders,
        .body([0x00, 0xE9, 0x0D]),
        .body([0x0A, 0x00]), .endOfMessage, .close,
      ]
      let expected = all.filter { event -> Bool in
        switch event {
        case .unknown: version >= 3
        case .data: version >= 4
        default: true
        }
      }
      #expect(try live.events() == expected)
    }

    @Test(
      arguments: [
        (.inet("192.0.2.7", port: 25), .inet(IPAddress(v4: 0xC000_0207), port: 25)),
        (
          .inet6("2001:db8::7", port: 25),
          .inet(IPAddress(v6High: 0x2001_0DB8 << 32, low: 7), port: 25)
        ),
        (
          .inet6("IPv6:2001:db8::7", port: 0),
          .inet(IPAddress(v6High: 0x2001_0DB8 << 32, low: 7), port: 0)
        ),
        (.inet6("::ffff:192.0.2.7", port: 1), .inet(IPAddress(v4: 0xC000_0207), port: 1)),
        (.unix("/var/run/s"), .unix(path: "/var/run/s")), (.unknown, .unknown),
      ] as [(ClientSession.Peer, Peer.Address)])
    func everyKindOfClient(sent: ClientSession.Peer, seen: Peer.Address) throws {
      let live = try LiveFilter.open()
      _ = try live.client.connect("unknown", sent)
      #expect(
        try live.events() == [.connect(Peer(hostName: "unknown", address: seen)), .close])
    }

    @Test(arguments: [true, false]) func whiteSpaceBehindTheColonStays(isOffered: Bool) throws {
      let values: [MailText] = [
        " a", "  a", "\ta", "", " ", "\t", "\n a", " a\n\tb\n  c", MailText([0x20, 0xE9]),
      ]
      let steps = isOffered ? WireSteps.known(to: 6) : [.skip]
      let live = try LiveFilter.open(steps: steps)
      #expect(live.client.negotiated.steps.contains(.leadingSpace) == isOffered)
      try live.beginMessage()
      for value in values { _ = try live.client.header(.init(name: "X", rawValue: value)) }
      _ = try live.events()
      let seen = live.journal.fields.map(\.rawValue)
      // The MTA eats one space; that there was none, nobody can know then.
      #expect(seen == values.map { isOffered || !$0.isEmpty ? $0 : " " })
    }

    @Test("fault 22: a header of up to a million bytes", arguments: [65_535, 102_400, 1_000_000])
    func longHeader(length: Int) throws {
      let live = try LiveFilter.open()
      let field = HeaderField(
        name: "X-Long", rawValue: MailText([0x20] + [UInt8](repeating: 0x78, count: length)))
      try live.beginMessage()
      #expect(try live.client.header(field) == .proceed)
      #expect(try live.client.header(.init(name: "X", rawValue: "")) == .proceed)
      #expect(
        try live.events().dropFirst(2).prefix(2) == [
          .header(field), .header(.init(name: "X", rawValue: "")),
        ])
    }

    @Test("fault 34: a body in pieces of any size", arguments: [1, 7, 65_535]) func bodyInPieces(
      size: Int
    ) throws {
      let body = size == 1 ? Array(Self.body.prefix(3_000)) : Self.body
      let live = try LiveFilter.open()
      try live.greet()
      let message = EditedMessage(recipients: [.init("<b@example.net>")], body: body)
      #expect(try live.client.send(message, chunkSize: size).isAccepted)
      #expect(live.journal.body == body)
      _ = try live.events()
    }

    @Test("fault 34: pieces at the edges") func bodyPiecesAtTheEdges() throws {
      let live = try LiveFilter.open()
      try live.beginMessage()
      #expect(try live.client.body([0x0D]) == .proceed)
      // The last piece may travel with the end of the message.
      #expect(try live.client.endOfMessage(lastChunk: [0x0A, 0x00]).reply == .proceed)
      #expect(live.journal.body == [0x0D, 0x0A, 0x00])
      try live.beginMessage()
      #expect(try live.client.endOfMessage().reply == .proceed)
      let events = try live.events()
      #expect(events.filter { $0 == .endOfMessage }.count == 2 && !events.contains(.abort))
    }

    @Test func tooManyArgumentsAreCutOff() throws {
      let live = try LiveFilter.open()
      let many = (0..<1_000).map { MailText("A\($0)") }
      _ = try live.client.mail(many)
      #expect(try live.events().first == .sender(Array(many.prefix(256))))
    }

    @Test func macrosComeWithTheirStep() throws {
      var plan = Plan()
      plan.macros = ["i", "{auth_authen}", "j"]
      let live = try LiveFilter.open(plan)
      live.client.macros = [
        .connect: ["j": "mx"], .mail: ["auth_authen": MailText([0xE9]), "i": ""],
        .endOfMessage: ["i": "4ZBC"],
      ]
      try live.greet()
      try live.beginMessage()
      _ = try live.client.endOfMessage()
      let macros = try live.events().filter { event -> Bool in
        if case .macro = event { true } else { false }
      }
      let user = Event.macro("{auth_authen}", MailText([0xE9]))
      let ofMessage: [Event] = [.macro("i", ""), user, .macro("j", "mx")]
      let ofConnect: [Event] = [.macro("i", nil), .macro("{auth_authen}", nil), .macro("j", "mx")]
      #expect(
        macros == ofConnect + ofConnect
          + ofMessage + ofMessage + [.macro("i", "4ZBC"), user, .macro("j", "mx")])
    }
  }
}
