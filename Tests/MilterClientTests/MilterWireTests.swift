// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import Testing

@Suite struct MilterWireTests {
  @Test func encodesAsTheProtocolSays() {
    #expect(WirePacket(.abort).encoded == [0, 0, 0, 1, 0x41])
    #expect(WirePacket(.helo, [0xE9, 0, 0]).encoded == [0, 0, 0, 4, 0x48, 0xE9, 0, 0])
    #expect(
      WirePacket(.negotiate, WireData(6, 0x1FF, 0x1F_FFFF).bytes).encoded
        == [0, 0, 0, 13, 0x4F, 0, 0, 0, 6, 0, 0, 1, 0xFF, 0, 0x1F, 0xFF, 0xFF])
    #expect(WireData(strings: ["a", "", MailText([0x80])]).bytes == [0x61, 0, 0, 0x80, 0])
  }

  @Test func decodesWhatWasEncodedHoweverItIsCut() throws {
    let payloads: [[UInt8]] = [[], [0], Array(0...255), [UInt8](repeating: 0xE9, count: 70_000)]
    let packets = payloads.enumerated().map { WirePacket(command: UInt8($0), payload: $1) }
    let stream = packets.flatMap(\.encoded)
    for size in [1, 3, 4, 5, 65_536, stream.count] {
      var decoder = WireDecoder()
      var decoded: [WirePacket] = []
      var rest = stream[...]
      while !rest.isEmpty {
        decoder.append(rest.prefix(size))
        rest = rest.dropFirst(size)
        while let packet = try decoder.next() { decoded.append(packet) }
      }
      #expect(decoded == packets, "pieces of \(size)")
      #expect(decoder.isEmpty)
    }
  }

  @Test func boundsPackets() throws {
    var decoder = WireDecoder()
    decoder.append([0, 0, 0, 0])
    #expect(throws: MilterClientError.self) { try decoder.next() }

    decoder = WireDecoder()
    decoder.append([0, 0x10, 0, 1])  // 1 MiB + 1
    #expect(try decoder.next() == nil)
    decoder.append([UInt8](repeating: 0x62, count: 1_048_577))
    #expect(try decoder.next()?.payload.count == 1_048_576)

    decoder = WireDecoder()
    decoder.append([0, 0x10, 0, 2])
    #expect(throws: MilterClientError.self) { try decoder.next() }
    decoder = WireDecoder()
    decoder.append([0xFF, 0xFF, 0xFF, 0xFF])
    #expect(throws: MilterClientError.self) { try decoder.next() }
  }

  @Test func readsNoFurtherThanTheData() throws {
    var reader = WireReader([0, 0, 1])
    #expect(throws: MilterClientError.self) { try reader.number() }
    reader = WireReader([0, 0, 1, 2, 0x61, 0, 0x62])
    #expect(try reader.number() == 258)
    #expect(try reader.string() == "a")
    #expect(throws: MilterClientError.self) { try reader.end() }
    #expect(throws: MilterClientError.self) { try reader.string() }
    #expect(reader.rest == [0x62])
    reader = WireReader([0])
    #expect(try reader.string() == "")
    #expect(throws: Never.self) { try reader.end() }
  }

  // The letters and numbers of libmilter's mfdef.h, written down a second time.
  @Test func knowsAllOfTheProtocol() {
    #expect(Set(WireCommand.allCases.map(\.rawValue)) == Set("ABCDEHKLMNOQRTU".utf8))
    #expect(Set(WireResponse.allCases.map(\.rawValue)) == Set("+-24abcdefhilmpqrsty".utf8))
    let steps: [WireSteps] = [
      .noConnect, .noHelo, .noMail, .noRcpt, .noBody, .noHeaders, .noEndOfHeaders,
      .noReplyHeaders, .noUnknown, .noData, .skip, .rejectedRecipients, .noReplyConnect,
      .noReplyHelo, .noReplyMail, .noReplyRcpt, .noReplyData, .noReplyUnknown,
      .noReplyEndOfHeaders, .noReplyBody, .leadingSpace,
    ]
    for (bit, step) in steps.enumerated() { #expect(step.rawValue == 1 << UInt32(bit)) }
    let actions: [WireActions] = [
      .addHeaders, .changeBody, .addRecipients, .deleteRecipients, .changeHeaders, .quarantine,
      .changeSender, .addRecipientsWithParameters, .setSymbolList,
    ]
    for (bit, action) in actions.enumerated() { #expect(action.rawValue == 1 << UInt32(bit)) }
    #expect(
      WireStage.allCases.map { Character(UnicodeScalar($0.command.rawValue)) } == Array("CHMRTEN"))
    #expect(
      (2...6).map { WireSteps.known(to: $0).rawValue } == [0x7F, 0x17F, 0x37F, 0x37F, 0x1F_FFFF])
    #expect((2...6).map { WireActions.known(to: $0).rawValue } == [0x3F, 0x3F, 0x3F, 0x3F, 0x1FF])
  }

  struct Address: Sendable, CustomTestStringConvertible {
    var text: String
    var expected: MilterAddress?
    var testDescription: String { text }
  }

  @Test(arguments: [
    Address(text: "unix:/run/x.sock", expected: .unix(path: "/run/x.sock")),
    Address(text: "local:/a:b", expected: .unix(path: "/a:b")),
    Address(text: "inet:8891@localhost", expected: .inet(host: "localhost", port: 8891)),
    Address(text: "inet:localhost:8891", expected: .inet(host: "localhost", port: 8891)),
    Address(text: "inet:8891", expected: .inet(host: "127.0.0.1", port: 8891)),
    Address(text: "inet:[::1]:8891", expected: .inet6(host: "::1", port: 8891)),
    Address(text: "inet6:8891@[::1]", expected: .inet6(host: "::1", port: 8891)),
    Address(text: "inet6:8891@::1", expected: .inet6(host: "::1", port: 8891)),
    Address(text: "inet6:::1:8891", expected: .inet6(host: "::1", port: 8891)),
    Address(text: "inet6:8891", expected: .inet6(host: "::1", port: 8891)),
    Address(text: "", expected: nil), Address(text: "unix:", expected: nil),
    Address(text: "/run/x.sock", expected: nil), Address(text: "inet:", expected: nil),
    Address(text: "inet:smtp@host", expected: nil), Address(text: "inet:0@host", expected: nil),
    Address(text: "inet:65536@host", expected: nil), Address(text: "inet:25@", expected: nil),
    Address(text: "tcp:25@host", expected: nil),
  ])
  func readsAddresses(_ row: Address) throws {
    guard let expected = row.expected else {
      #expect(throws: MilterClientError.badAddress(row.text)) { try MilterAddress(row.text) }
      return
    }
    let address = try MilterAddress(row.text)
    #expect(address == expected)
    #expect(try MilterAddress(address.description) == expected)
  }
}
