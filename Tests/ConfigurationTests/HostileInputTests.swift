// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Configuration
import Mail
import Testing

/// Random numbers that are the same in each run (xorshift64*).
private struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

/// Parsers meet bytes of an alphabet that reaches their branches, and must only return.
@Suite struct HostileInputTests {
  private static let pieces: [[UInt8]] =
    [
      "[", "]", "=", ":", "\n", "\r\n", " ", "\t", "#", ";", "%%", ",", "@", "<", ">", "\"", "\\",
      ".",
      "/", "*", "?", "-", "0", "9", "255", "::", "ffff", "server", "helo", "milter", "mode",
      "timeout",
      "words", "secret", "always", "networks", "file:", "scan_zip", "datadir", "1h", "10M", "é",
    ].map { Array($0.utf8) } + [[0], [0xFF], [0xC3], [0x1B], [0xEF, 0xBB, 0xBF]]

  private static func bytes(_ count: ClosedRange<Int>, _ random: inout Seeded) -> [UInt8] {
    (0..<Int.random(in: count, using: &random)).flatMap { _ in
      pieces.randomElement(using: &random) ?? []
    }
  }

  @Test func parsersOnlyReturn() {
    var random = Seeded(state: 0x9E37_79B9_7F4A_7C15)
    for _ in 0..<4_000 {
      let bytes = Self.bytes(1...60, &random)
      let configuration = Configuration(
        bytes: Array("[server]\n".utf8) + bytes, sections: sampleSections, coming: sampleComing,
        read: { _ in Array("a@b c".utf8) })
      #expect(configuration.faults.count <= 202)
      let mailbox = Mailbox(envelope: MailText(bytes))
      #expect(Mailbox(envelope: mailbox.address) == mailbox)
      let text = String(decoding: bytes.prefix(30), as: UTF8.self)
      if let address = IPAddress(text) { #expect(IPAddress(address.description) == address) }
      if let list = try? NetworkList(items: [text]) { _ = list.contains(IPAddress(v4: 1)) }
      let client = IPAddress(v6High: random.next(), low: random.next())
      _ = DynamicName.looksDynamic(text, address: client)
      _ = DynamicName.looksDynamic(text, address: IPAddress(v4: UInt32.random(in: 0...9)))
    }
  }

  @Test func randomAddressesPrintAndReadBack() {
    var random = Seeded(state: 42)
    for _ in 0..<2_000 {
      // Many zero groups, so that runs of zeros get compressed.
      let mask = random.next() & random.next() & random.next()
      let address = IPAddress(v6High: random.next() & mask, low: random.next() & mask)
      #expect(IPAddress(address.description) == address)
      #expect(IPAddress(octets: address.octets) == address)
    }
  }
}
