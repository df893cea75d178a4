// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
@testable import DNS
import TestSupport
import Testing

/// Messages as servers send them, written out octet by octet.
@Suite struct MessageTests {
  /// A header: id 7, an answer with recursion, this code, and the four counts.
  static func header(
    _ answers: UInt8, _ authorities: UInt8 = 0, code: UInt8 = 0, flags: UInt8 = 0x81
  )
    -> [UInt8]
  {
    [0, 7, flags, 0x80 | code, 0, 1, 0, answers, 0, authorities, 0, 0]
  }

  /// `example.org`, which every question begins with, at octet 12.
  static let name: [UInt8] = [7] + Array("example".utf8) + [3] + Array("org".utf8) + [0]
  static func question(_ type: RecordType) -> [UInt8] { name + [0, UInt8(type.rawValue), 0, 1] }
  static func record(
    at owner: [UInt8] = [0xC0, 12], _ type: RecordType, _ data: [UInt8], seconds: UInt8 = 60
  ) -> [UInt8] {
    owner + [0, UInt8(type.rawValue), 0, 1, 0, 0, 0, seconds]
      + [UInt8(data.count >> 8), UInt8(data.count & 255)] + data
  }

  static func response(_ bytes: [UInt8], _ type: RecordType) throws -> Response {
    Response(bytes, to: Question(try #require(DomainName("Example.ORG")), type))
  }

  @Test(
    arguments: [
      (RecordType.a, [192, 0, 2, 1], "192.0.2.1"),
      (.aaaa, [0x20, 1, 0xD, 0xB8] + Array(repeating: 0, count: 11) + [1], "2001:db8::1"),
      (.mx, [0, 10, 4] + Array("mail".utf8) + [0xC0, 12], "10 mail.example.org"),
      (.mx, [0, 0, 0], "0 ."), (.ns, [2, 110, 115, 0xC0, 12], "ns.example.org"),
      (.ptr, [0xC0, 12], "example.org"), (.txt, [3, 97, 98, 99, 2, 100, 101], "\"abcde\""),
      (.txt, [], "\"\""), (.txt, [0, 1, 0xFF], #""\255""#),
      (
        .soa,
        [0xC0, 12, 1, 104, 0xC0, 12] + [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]
          + [0, 0, 0, 4, 0, 0, 0, 5], "example.org h.example.org 1 2 3 4 5"
      ),
    ] as [(RecordType, [UInt8], String)])
  func readsRecords(_ type: RecordType, _ data: [UInt8], _ expected: String) throws {
    let bytes = Self.header(1) + Self.question(type) + Self.record(type, data)
    let response = try Self.response(bytes, type)
    #expect(response.records.map(\.description) == [expected])
    #expect(response.timeToLive == 60)
  }

  @Test func followsAliases() throws {
    // Octet 40 is the alias's target, a.org.
    let alias = Self.record(.cname, [1, 97, 3, 111, 114, 103, 0], seconds: 30)
    let bytes =
      Self.header(2) + Self.question(.a) + Self.record(at: [0xC0, 41], .a, [192, 0, 2, 1]) + alias
    let other = try Self.response(bytes, .a)
    #expect(other.outcome == .temporary(.malformed("the parts of a name point at each other")))
    let ordered =
      Self.header(2) + Self.question(.a) + alias
      + Self.record(at: [1, 65, 3, 111, 114, 103, 0], .a, [192, 0, 2, 1])
    let response = try Self.response(ordered, .a)
    #expect(response.addresses.map(\.description) == ["192.0.2.1"])
    #expect(response.aliases == [DomainName("a.org")])
    #expect(response.timeToLive == 30)
  }

  @Test func endsAliasLoops() throws {
    let bytes = Self.header(1) + Self.question(.a) + Self.record(.cname, [0xC0, 12])
    #expect(try Self.response(bytes, .a).outcome == .temporary(.aliasLoop))
    // Asked for the alias itself, it is an answer.
    let asked = Self.header(1) + Self.question(.cname) + Self.record(.cname, [0xC0, 12])
    #expect(try Self.response(asked, .cname).names == [DomainName("example.org")])
  }

  @Test(
    arguments: [
      (UInt8(0), Response.Outcome.noData), (3, .nonexistent),
      (2, .temporary(.serverFailure(code: 2))), (5, .temporary(.serverFailure(code: 5))),
    ])
  func knowsNegativeAnswers(_ code: UInt8, _ expected: Response.Outcome) throws {
    let soa =
      Self.record(
        .soa, [0xC0, 12, 0xC0, 12] + Array(repeating: 0, count: 19) + [20], seconds: 200)
    let bytes = Self.header(0, 1, code: code) + Self.question(.a) + soa
    let response = try Self.response(bytes, .a)
    #expect(response.outcome == expected)
    #expect(response.timeToLive == (response.isFailure ? 0 : 20))
    // Without an SOA record a negative answer is not to be kept.
    #expect(try Self.response(Self.header(0, code: code) + Self.question(.a), .a).timeToLive == 0)
  }

  @Test(
    "an answer that cannot be used is none",
    arguments: [
      ("empty", [], "it ends too early"),
      (
        "no question", [0, 7, 0x81, 0x80] + Array(repeating: 0, count: 8),
        "it answers another question"
      ), ("header only", header(0), "it ends too early"),
      ("a question", header(0, flags: 0x01) + question(.a), "it is no answer"),
      ("two questions", [0, 7, 0x81, 0x80, 0, 2, 0, 0, 0, 0, 0, 0], "it has 2 questions"),
      ("another type", header(0) + question(.mx), "it answers another question"),
      (
        "another name", header(0) + [1, 97, 0, 0, 1, 0, 1], "it answers another question"
      ),
      ("another class", header(0) + name + [0, 1, 0, 3], "it answers another question"),
      ("an unknown type", header(0) + name + [0, 99, 0, 1], "it answers another question"),
      ("truncated", header(0, flags: 0x83) + question(.a), "it is truncated"),
      ("fewer records", header(1) + question(.a), "it ends too early"),
      (
        "a short address", header(1) + question(.a) + record(.a, [1, 2, 3]),
        "the length of an address is wrong"
      ),
      (
        "a long name record", header(1) + question(.a) + record(.ns, [0, 0]),
        "the length of a NS record is wrong"
      ),
      (
        "a string beyond its record", header(1) + question(.a) + record(.txt, [5, 97]),
        "it ends too early"
      ),
      (
        "a string into the next record",
        header(2) + question(.a) + record(.txt, [5, 97]) + record(.a, [1, 2, 3, 4]),
        "the length of a TXT record is wrong"
      ),
      (
        "a pointer at itself",
        header(1) + question(.a) + record(at: [0xC0, 29], .a, [1, 2, 3, 4]),
        "the parts of a name point at each other"
      ),
      (
        "a pointer forward", header(1) + question(.a) + record(at: [0xC0, 99], .a, [1, 2, 3, 4]),
        "the parts of a name point at each other"
      ),
      (
        "a circle", header(1) + question(.a) + record(at: [1, 97, 0xC0, 29], .a, [1, 2, 3, 4]),
        "the parts of a name point at each other"
      ),
      ("an unknown label", header(1) + question(.a) + [0x41, 0], "a label has an unknown form"),
      (
        "a name of 300 octets",
        header(0)
          + Array(repeating: [49] + Array(repeating: 97, count: 49), count: 6).flatMap(\.self) + [
            0, 0, 1, 0, 1,
          ], "a name is longer than 255 octets"
      ),
      ("too much", Array(repeating: 0x80, count: 65536), "it is too long"),
    ] as [(String, [UInt8], String)])
  func refuses(_ what: String, _ bytes: [UInt8], _ why: String) throws {
    #expect(try Self.response(bytes, .a).outcome == .temporary(.malformed(why)))
  }

  @Test("a name goes on elsewhere 127 times at most", arguments: [(127, true), (128, false)])
  func boundsPointers(_ count: Int, _ isRead: Bool) throws {
    // The data of a record that nobody reads holds the pointers, each to the one before.
    var bytes = Self.header(2) + Self.question(.a)
    let first = bytes.count + 12
    var chain: [UInt8] = [0xC0, 12]
    for index in 1..<(count - 1) {
      let target = first + 2 * (index - 1)
      chain += [0xC0 | UInt8(target >> 8), UInt8(target & 255)]
    }
    var unread = Self.record(.txt, chain)
    unread[3] = 99
    bytes += unread
    let last = first + 2 * (count - 2)
    bytes += Self.record(at: [0xC0 | UInt8(last >> 8), UInt8(last & 255)], .a, [192, 0, 2, 1])
    #expect(try Self.response(bytes, .a).isFailure == !isRead)
  }

  @Test("no message of a hostile server ends the program")
  func survivesDamage() throws {
    let sound =
      Self.header(3, 1) + Self.question(.mx) + Self.record(.mx, [0, 10, 1, 97, 0xC0, 12])
      + Self.record(.cname, [1, 98, 0xC0, 12]) + Self.record(.txt, [3, 97, 98, 99])
      + Self.record(.soa, [0xC0, 12, 0xC0, 12] + Array(repeating: 1, count: 20))
    let random = FakeRandom()
    var kinds: Set<String> = []
    for _ in 0..<20_000 {
      var bytes = sound
      for _ in 0..<(random.next() % 4 + 1) {
        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      if random.next() % 4 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
      kinds.insert(try Self.response(bytes, .mx).outcome.word)
    }
    #expect(kinds.count > 5)
  }
}
