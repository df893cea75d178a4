// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import DNS
import Environment
import TestSupport
import Testing

@Suite struct ZoneResolverTests {
  static let zone = #"""
    # a comment, and an empty line

    ; another comment
    example.org.      TXT   "v=spf1 " "mx -all"
    example.org       txt   "second"
    Example.ORG       MX    20 mail2.example.org.
    example.org       MX    10 mail1.example.org
    example.org       NS    ns.example.org
    example.org       SOA   ns.example.org hostmaster.example.org 1 7200 900 1209600 60
    mail1.example.org A     192.0.2.1
    mail1.example.org A     192.0.2.2
    mail1.example.org AAAA  2001:db8::1
    null.example.org  MX    0 .
    1.2.0.192.in-addr.arpa PTR mail1.example.org
    www.example.org   CNAME example.org
    w3.example.org    CNAME www.example.org
    gone.example.org  CNAME nowhere.example.net
    loop.example.org  CNAME pool.example.org
    pool.example.org  CNAME loop.example.org
    slow.example.org  TIMEOUT
    half.example.org  TXT   "there"
    half.example.org  SERVFAIL
    odd.example.org   BOGUS
    a.b.c.example.org A     192.0.2.9
    b\032\.\255.example.org TXT "\"\\\000\255 \x"
    empty.example.org TXT   ""
    """#

  static func ask(_ name: String, _ type: RecordType) throws -> Response {
    let time = FakeTime()
    return try ZoneResolver(zone).resolve(
      try #require(DomainName(name)), type, by: Deadline(.seconds(1), time))
  }

  @Test(
    arguments: [
      ("example.org", RecordType.txt, ["\"v=spf1 mx -all\"", "\"second\""]),
      ("EXAMPLE.org", .mx, ["20 mail2.example.org", "10 mail1.example.org"]),
      ("example.org", .ns, ["ns.example.org"]),
      ("example.org", .soa, ["ns.example.org hostmaster.example.org 1 7200 900 1209600 60"]),
      ("mail1.example.org", .a, ["192.0.2.1", "192.0.2.2"]),
      ("mail1.example.org", .aaaa, ["2001:db8::1"]), ("null.example.org", .mx, ["0 ."]),
      ("1.2.0.192.in-addr.arpa", .ptr, ["mail1.example.org"]),
      ("www.example.org", .cname, ["example.org"]), ("half.example.org", .txt, ["\"there\""]),
      ("empty.example.org", .txt, ["\"\""]),
    ])
  func answers(_ name: String, _ type: RecordType, _ expected: [String]) throws {
    let response = try Self.ask(name, type)
    #expect(response.records.map(\.description) == expected)
    #expect(response.timeToLive == ZoneResolver.timeToLive)
    #expect(!response.isFailure && !response.isVoid)
  }

  @Test(
    arguments: [
      ("example.net", RecordType.a, Response.Outcome.nonexistent),
      ("nothing.example.org", .txt, .nonexistent), ("example.org", .a, .noData),
      ("b.c.example.org", .a, .noData), ("org", .txt, .noData),
      ("gone.example.org", .a, .nonexistent), ("loop.example.org", .a, .temporary(.aliasLoop)),
      ("slow.example.org", .txt, .temporary(.timeout)),
      ("half.example.org", .a, .temporary(.serverFailure(code: 2))),
      ("odd.example.org", .mx, .bogus("the zone file says so")),
    ])
  func hasNoAnswer(_ name: String, _ type: RecordType, _ expected: Response.Outcome) throws {
    let response = try Self.ask(name, type)
    #expect(response.outcome == expected)
    #expect(response.records.isEmpty)
  }

  @Test func followsAliases() throws {
    let response = try Self.ask("w3.example.org", .mx)
    #expect(response.exchanges.map(\.preference) == [10, 20])
    #expect(response.aliases.map(\.description) == ["www.example.org", "example.org"])
    #expect(try Self.ask("gone.example.org", .a).aliases == [DomainName("nowhere.example.net")])
  }

  @Test func followsTenAliasesAndNoMore() throws {
    let chain = (0..<12).map { "n\($0).example CNAME n\($0 + 1).example\n" }.joined()
    let resolver = try ZoneResolver(chain + "n12.example A 192.0.2.1")
    let deadline = Deadline(.seconds(1), FakeTime())
    let two = try #require(DomainName("n2.example"))
    let one = try #require(DomainName("n1.example"))
    #expect(resolver.resolve(two, .a, by: deadline).addresses.count == 1)
    #expect(resolver.resolve(one, .a, by: deadline).outcome == .temporary(.aliasLoop))
  }

  @Test func unescapes() throws {
    let name = try #require(
      DomainName(labels: [Array("b .".utf8) + [0xFF], Array("example".utf8), Array("org".utf8)]))
    let response = try ZoneResolver(Self.zone).resolve(
      name, .txt, by: Deadline(.seconds(1), FakeTime()))
    #expect(response.texts == [Array(#""\"#.utf8) + [0, 255] + Array(" x".utf8)])
    #expect("\(name)" == #"b\032\.\255.example.org"#)
    #expect(response.records.map(\.description) == [#""\"\\\000\255 x""#])
  }

  @Test func isSilentOnceTheTimeIsUp() throws {
    let time = FakeTime()
    let deadline = Deadline(.seconds(1), time)
    time.advance(by: .seconds(1))
    let name = try #require(DomainName("example.org"))
    #expect(
      try ZoneResolver(Self.zone).resolve(name, .txt, by: deadline).outcome == .temporary(.deadline)
    )
  }

  @Test(
    "a line that is wrong is named",
    arguments: [
      ("example.org", "the type is missing"), ("a..b A 192.0.2.1", "'a..b' is no domain name"),
      ("example.org SPF \"x\"", "'SPF' is not one of"), ("example.org A", "'' is no IPv4 address"),
      ("example.org A 2001:db8::1", "is no IPv4 address"),
      ("example.org AAAA 192.0.2.1", "is no IPv6 address"),
      ("example.org A 192.0.2.1 x", "'x' is too much"), ("example.org MX mail", "the preference"),
      ("example.org MX 65536 mail", "no number from 0 to 65535"),
      ("example.org MX 1", "a name is missing"), ("example.org TXT v=spf1", "must be quoted"),
      ("example.org TXT \"x", "the closing quote is missing"),
      ("example.org TXT \"\\256\"", "at most \\255"), ("example.org TXT \"\\", "nothing follows"),
      ("example.org TIMEOUT now", "'now' is too much"), ("\"x\" A 192.0.2.1", "a quoted string"),
      ("example.org 300 A 192.0.2.1", "'300' is not one of"),
      ("example.org SOA a. b. 1 2 3 4", "minimum"), ("example.org CNAME ", "a name is missing"),
    ])
  func namesBadLines(_ line: String, _ part: String) {
    let error = #expect(throws: ZoneFaults.self) {
      try ZoneResolver("\nexample.org A 192.0.2.1\r\n\(line)\n")
    }
    #expect(error?.faults.map(\.line) == [3])
    #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
  }

  @Test func namesAllBadLines() {
    let lines = (1...30).map { "x\($0)" }.joined(separator: "\n")
    let error = #expect(throws: ZoneFaults.self) { try ZoneResolver(lines) }
    #expect(error?.faults.count == 30)
    #expect(error?.description.hasSuffix("and 10 more") == true)
  }
}
