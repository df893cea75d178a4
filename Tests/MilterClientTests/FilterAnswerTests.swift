// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import Testing

/// How answers are read, each given by a filter at end of message.
@Suite struct FilterAnswerTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var packets: [WirePacket]
    var reply = StepReply.proceed
    var edits: [Edit] = []
    var raw: [MailText?]?
    var steps: WireSteps = []
    var testDescription: String { name }

    init(
      _ name: String, _ packets: WirePacket..., reply: StepReply = .proceed, edits: [Edit] = [],
      raw: [MailText?]? = nil, steps: WireSteps = []
    ) {
      self.name = name
      self.packets = packets
      self.reply = reply
      self.edits = edits
      self.raw = raw
      self.steps = steps
    }
  }

  static let proceed = WirePacket(.proceed)
  static func index(_ number: UInt32, _ text: String) -> [UInt8] {
    WireData(number).bytes + wire(text)
  }

  @Test(arguments: [
    Row("continue", proceed),
    Row("accept", .init(.accept), reply: .accept),
    Row("discard", .init(.discard), reply: .discard),
    Row("reject", .init(.reject), reply: .reject),
    Row("tempfail", .init(.tempfail), reply: .tempfail),
    Row("shutdown", .init(.shutdown), reply: .shutdown),
    Row("connection failure", .init(.connectionFailure), reply: .connectionFailure),
    Row(
      "reply", .init(.reply, wire("451 4.7.1 later|")),
      reply: .reply(.init(code: 451, lines: ["4.7.1 later"]))),
    Row(
      "reply of lines", .init(.reply, wire("550-5.7.1 a\r\n550-\r\n550 5.7.1 c|")),
      reply: .reply(.init(code: 550, lines: ["5.7.1 a", "", "5.7.1 c"]))),
    Row(
      "reply in 8 bits", .init(.reply, Array("550 ".utf8) + [0xE9, 0x07, 0]),
      reply: .reply(.init(code: 550, lines: [MailText([0xE9, 0x07])]))),
    Row("bare reply", .init(.reply, wire("421|")), reply: .reply(.init(code: 421, lines: [""]))),
    Row(
      "add header", .init(.addHeader, wire("X-A|v|")), proceed,
      edits: [.addHeader(name: "X-A", value: "v")], raw: [" v"]),
    Row(
      "add header with its space", .init(.addHeader, wire("X-A| v|")), proceed,
      edits: [.addHeader(name: "X-A", value: "v")], raw: [" v"], steps: .leadingSpace),
    Row(
      "add header with its spaces", .init(.addHeader, wire("X-A|  v|")), proceed,
      edits: [.addHeader(name: "X-A", value: " v")], raw: ["  v"], steps: .leadingSpace),
    Row(
      "add header without its space", .init(.addHeader, wire("X-A|v|")), proceed,
      edits: [.addHeader(name: "X-A", value: "v")], raw: ["v"], steps: .leadingSpace),
    Row(
      "add header, a fold first", .init(.addHeader, wire("X-A|\n\tv\n w|")), proceed,
      edits: [.addHeader(name: "X-A", value: "\n\tv\n w")], raw: ["\n\tv\n w"],
      steps: .leadingSpace),
    Row(
      "add header in 8 bits", .init(.addHeader, wire("X-A|") + [0xE9, 0]), proceed,
      edits: [.addHeader(name: "X-A", value: MailText([0xE9]))], raw: [MailText([0x20, 0xE9])]),
    Row(
      "insert header", .init(.insertHeader, index(0, "X-A||")), proceed,
      edits: [.insertHeader(index: 0, name: "X-A", value: "")], raw: [" "]),
    Row(
      "change header", .init(.changeHeader, index(2, "X-A|v|")), proceed,
      edits: [.changeHeader(name: "X-A", occurrence: 2, value: "v")], raw: [" v"]),
    Row(
      "delete header", .init(.changeHeader, index(2, "X-A||")), proceed,
      edits: [.changeHeader(name: "X-A", occurrence: 2, value: nil)], raw: [nil],
      steps: .leadingSpace),
    Row(
      "recipients", .init(.addRecipient, wire("<a>|")), .init(.deleteRecipient, [0xE9, 0]),
      .init(.addRecipientWithParameters, wire("<b>|NOTIFY=NEVER|")),
      .init(.addRecipientWithParameters, wire("<c>|")), proceed,
      edits: [
        .addRecipient("<a>", parameters: nil), .deleteRecipient(MailText([0xE9])),
        .addRecipient("<b>", parameters: "NOTIFY=NEVER"), .addRecipient("<c>", parameters: nil),
      ]),
    Row(
      "senders", .init(.changeSender, wire("<>|")), .init(.changeSender, wire("<a>|RET=HDRS|")),
      proceed,
      edits: [
        .changeSender("<>", parameters: nil), .changeSender("<a>", parameters: "RET=HDRS"),
      ]),
    Row("empty body", .init(.replaceBody), proceed, edits: [.replaceBody([])]),
    Row(
      "body in pieces", .init(.deleteRecipient, wire("<a>|")), .init(.replaceBody, [0, 0x0D]),
      .init(.progress), .init(.replaceBody, [0x0A, 0xE9]), .init(.quarantine, wire("why|")),
      proceed,
      edits: [
        .deleteRecipient("<a>"), .replaceBody([0, 0x0D, 0x0A, 0xE9]), .quarantine(reason: "why"),
      ]),
  ])
  func reads(_ row: Row) throws {
    let filter = Filter(steps: row.steps, answers: [.endOfMessage: row.packets])
    try filter.run { session in
      let end = try session.endOfMessage()
      #expect(end.reply == row.reply)
      #expect(end.edits == row.edits)
      if let raw = row.raw { #expect(end.modifications.map(\.rawValue) == raw) }
      #expect(end.progressCount == row.packets.count { $0 == WirePacket(.progress) })
    }
  }

  @Test(arguments: [
    Row("skip", .init(.skip)),
    Row("unknown response", .init(command: 0x7A)),
    Row("symbol list", .init(.setSymbolList, [0, 0, 0, 0, 0])),
    Row("data behind continue", .init(.proceed, [0])),
    Row("progress with data", .init(.progress, [0])),
    Row("reply: 250", .init(.reply, wire("250 ok|"))),
    Row("reply: no code", .init(.reply, wire("|"))),
    Row("reply: no digits", .init(.reply, wire("4x0 a|"))),
    Row("reply: no NUL", .init(.reply, wire("550 a"))),
    Row("reply: two NULs", .init(.reply, wire("550 a||"))),
    Row("reply: no separator", .init(.reply, wire("5501 a|"))),
    Row("reply: codes differ", .init(.reply, wire("550-a\r\n451 b|"))),
    Row("reply: bare LF", .init(.reply, wire("550-a\n550 b|"))),
    Row("reply: bare CR", .init(.reply, wire("550 a\rb|"))),
    Row("reply: no last line", .init(.reply, wire("550-a|"))),
    Row("reply: line behind the last", .init(.reply, wire("550 a\r\n250 b|"))),
    Row("header without value", .init(.addHeader, wire("X-A|"))),
    Row("header without NUL", .init(.addHeader, wire("X-A|v"))),
    Row("header and more", .init(.addHeader, wire("X-A|v|w|"))),
    Row("header without name", .init(.addHeader, wire("|v|"))),
    Row("header name with colon", .init(.addHeader, wire("X:A|v|"))),
    Row("header name with line end", .init(.addHeader, wire("X\nA|v|"))),
    Row("insert without index", .init(.insertHeader, [0, 0])),
    Row("insert below 0", .init(.insertHeader, index(0xFFFF_FFFF, "X-A|v|"))),
    Row("change at 0", .init(.changeHeader, index(0, "X-A|v|"))),
    Row("change without value", .init(.changeHeader, index(1, "X-A|"))),
    Row("recipient and more", .init(.addRecipient, wire("<a>|b|"))),
    Row("parameters without NUL", .init(.changeSender, wire("<a>|b"))),
    Row("quarantine without reason", .init(.quarantine, [0])),
    Row(
      "body in pieces apart", .init(.replaceBody, [1]), .init(.addHeader, wire("X-A|v|")),
      .init(.replaceBody, [2])),
  ])
  func refuses(_ row: Row) throws {
    let filter = Filter(answers: [.endOfMessage: row.packets + [Self.proceed]])
    try filter.run { session in
      let error = #expect(throws: MilterClientError.self) { try session.endOfMessage() }
      guard case .violation = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  @Test(arguments: WireResponse.allCases)
  func refusesEditsThatWereNotNegotiated(_ response: WireResponse) throws {
    let payload: [UInt8] =
      response == .insertHeader || response == .changeHeader
      ? Self.index(1, "X-A|v|") : wire("a|b|")
    let edits: [WireResponse] = [
      .addRecipient, .deleteRecipient, .addRecipientWithParameters, .replaceBody, .changeSender,
      .addHeader, .insertHeader, .changeHeader, .quarantine,
    ]
    guard edits.contains(response) else { return }
    let packet = WirePacket(response, payload)
    try Filter(actions: [], answers: [.endOfMessage: [packet]]).run { session in
      #expect(throws: MilterClientError.violation("an edit that was not negotiated: \(response)")) {
        try session.endOfMessage()
      }
    }
    try Filter(answers: [.body: [packet]]).run { session in
      #expect(throws: MilterClientError.self) { try session.body([1]) }
    }
  }

  @Test func showsOnePercentOfTwo() {
    let lines = ["a%%b", "%", "%a", "%%%", "%%%%", "100%"].map { MailText($0) }
    let shown = ReplyLines(code: 550, lines: lines).shown
    #expect(shown == ["a%b", "", "a", "%", "%%", "100"])
  }

  @Test func knowsWhatAnswersMean() {
    let open: [StepReply] = [.notSent, .noReply, .proceed, .skip]
    #expect(open.allSatisfy { $0.isOpen && !$0.isRefusal && $0.code == nil })
    let taken: [StepReply] = [.accept, .discard]
    #expect(taken.allSatisfy { !$0.isOpen && !$0.isRefusal })
    let refusals: [StepReply] = [
      .reject, .tempfail, .shutdown, .connectionFailure, .reply(.init(code: 552, lines: [])),
    ]
    #expect(refusals.allSatisfy { !$0.isOpen && $0.isRefusal })
    #expect(refusals.map(\.code) == [550, 451, 421, 421, 552])
    #expect(StepReply.reply(.init(code: 421, lines: [])).endsConnection)
  }

  /// Nothing a filter sends makes the session trap; reproducible noise of the protocol's letters.
  @Test func survivesNoise() throws {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    func random(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    let letters = Array("+-24abcdefhilmpqrstyOz".utf8)
    let alphabet: [UInt8] =
      Array("|45 0-:aX".utf8).map { $0 == 0x7C ? 0 : $0 } + [0x0D, 0x0A, 0xFF]
    func pick(_ from: [UInt8]) -> UInt8 {
      from.dropFirst(Int(random(UInt64(from.count)))).first ?? 0
    }
    for _ in 0..<300 {
      let packets = (0..<random(6)).map { _ in
        WirePacket(command: pick(letters), payload: (0..<random(12)).map { _ in pick(alphabet) })
      }
      var noise = packets.flatMap(\.encoded)
      if random(4) == 0 { noise.append(contentsOf: (0..<random(9)).map { _ in pick(alphabet) }) }
      let peer = try ScriptedPeer { [noise] packet in
        packet.command == WireCommand.endOfMessage.rawValue ? noise : nil
      }
      let session = MilterSession(connectedSocket: peer.descriptor, timeout: .milliseconds(5))
      _ = try? session.endOfMessage()
      session.closeAbruptly()
    }
  }
}
