// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import TestSupport
import Testing

@Suite struct TrustedForwarderTests {
  static let zone = """
    list.example TXT "v=spf1 ip4:192.0.2.0/28 -ip4:192.0.2.32/30 ip4:192.0.2.32/28 a:h.example include:i.example ~all"
    h.example A 198.51.100.1
    h.example AAAA 2001:db8::1
    i.example TXT "v=spf1 ip4:203.0.113.1 ~ip4:203.0.113.2 ip4:203.0.113.0/30 mx -all"
    i.example MX 10 h.example
    norecord.example A 198.51.100.7
    cond.example TXT "v=spf1 ip4:198.51.100.8 exists:%{i}.ok.example ip4:198.51.100.9 -all"
    block.example TXT "v=spf1 ip4:198.51.100.10 -exists:%{i}.no.example ip4:198.51.100.11 -all"
    ptr.example TXT "v=spf1 ptr ?all"
    redir.example TXT "v=spf1 -ip4:198.51.100.20 redirect=rest.example"
    rest.example TXT "v=spf1 ip4:198.51.100.20/31 ip6:2001:db8:1::/48 -all"
    fixed.example TXT "v=spf1 exists:h.example -all"
    broken.example TXT "v=spf1 moo"
    partly.example TXT "v=spf1 ip4:198.51.100.30 include:broken.example ip4:198.51.100.31 -all"
    """

  static func forwarders(_ names: [String], _ world: SPFWorld) throws -> TrustedForwarders {
    let forwarders = TrustedForwarders(
      try names.map { try #require(DomainName($0)) }, evaluator: world.evaluator)
    forwarders.refresh(by: world.deadline())
    return forwarders
  }

  @Test(
    "a client of a forwarder",
    arguments: [
      ("192.0.2.1", "list.example"), ("192.0.2.15", "list.example"), ("192.0.2.16", nil),
      ("192.0.2.33", nil), ("192.0.2.36", "list.example"), ("198.51.100.1", "list.example"),
      ("2001:db8::1", "list.example"), ("2001:db8::2", nil), ("203.0.113.1", "list.example"),
      ("203.0.113.2", nil), ("203.0.113.3", "list.example"), ("198.51.100.7", "norecord.example"),
      ("198.51.100.8", "cond.example"), ("198.51.100.9", "cond.example"),
      ("198.51.100.10", "block.example"), ("198.51.100.11", nil), ("198.51.100.20", nil),
      ("198.51.100.21", "redir.example"), ("2001:db8:1:2::3", "redir.example"),
      ("198.51.100.30", "partly.example"), ("198.51.100.31", nil),
      ("::ffff:192.0.2.1", "list.example"),
    ])
  func finds(_ client: String, _ expected: String?) throws {
    let world = try SPFWorld(Self.zone)
    let names = [
      "list.example", "norecord.example", "cond.example", "block.example", "ptr.example",
      "redir.example", "broken.example", "partly.example",
    ]
    let forwarders = try Self.forwarders(names, world)
    let address = try #require(IPAddress(client))
    // A message costs no question.
    let before = world.resolver.asked.count
    let finding = forwarders.finding(of: address)
    #expect(world.resolver.asked.count == before)
    #expect(finding.forwarder.map { "\($0)" } == expected)
    #expect(
      finding.conditional.map { "\($0)" } == ["cond.example", "block.example", "ptr.example"])
  }

  @Test(
    "what is worked out beforehand is what an evaluation says",
    arguments: [
      "list.example", "redir.example", "fixed.example", "partly.example", "i.example",
      "rest.example",
    ])
  func agreesWithEvaluation(_ domain: String) throws {
    let world = try SPFWorld(Self.zone)
    let forwarders = try Self.forwarders([domain], world)
    let hosts =
      (0..<64).map { "192.0.2.\($0)" } + (0..<40).map { "198.51.100.\($0)" }
      + (0..<8).map { "203.0.113.\($0)" } + ["2001:db8::1", "2001:db8:1::1", "2001:db8:2::1"]
    for host in hosts {
      let client = try #require(IPAddress(host))
      let evaluation = world.evaluator.evaluate(
        SPFQuery(client: client, helo: MailText(domain)), by: world.deadline())
      let isKnown = forwarders.finding(of: client).forwarder != nil
      #expect(isKnown == (evaluation.result == .pass), "\(host)")
    }
  }

  @Test func keepsWhatItKnowsWhenDNSFails() throws {
    let world = try SPFWorld(Self.zone + "\nslow.example TIMEOUT")
    let forwarders = try Self.forwarders(["slow.example", "list.example"], world)
    #expect(forwarders.statuses.map(\.failure) == ["timeout for slow.example TXT", nil])
    let stranger = try #require(IPAddress("198.18.0.1"))
    #expect(forwarders.finding(of: stranger).unknown.map { "\($0)" } == "slow.example")
    // Asked again soon, then ever later.
    for seconds in [5, 10, 20, 40, 80] {
      #expect(forwarders.timeUntilDue == .seconds(seconds))
      world.time.advance(by: .seconds(seconds))
      forwarders.refresh(by: world.deadline())
    }
    let asked = world.resolver.asked.count
    forwarders.refresh(by: world.deadline())
    #expect(world.resolver.asked.count == asked)
    world.time.advance(by: .seconds(301))
    #expect(forwarders.timeUntilDue == .zero)
    let over = Deadline(.zero, world.time)
    forwarders.refresh(by: over)
    #expect(world.resolver.asked.count == asked)
    #expect(forwarders.finding(of: try #require(IPAddress("192.0.2.1"))).forwarder != nil)
    forwarders.refresh(by: world.deadline())
    #expect(world.resolver.asked.count > asked)
  }

  @Test func theFirstForwarderOwnsASharedAddress() throws {
    let world = try SPFWorld(
      """
      a.example TXT "v=spf1 ip4:192.0.2.8/30"
      b.example TXT "v=spf1 ip4:192.0.2.0/28"
      """)
    let forwarders = try Self.forwarders(["a.example", "b.example"], world)
    let owners = try ["192.0.2.7", "192.0.2.8", "192.0.2.11", "192.0.2.12"].map {
      forwarders.finding(of: try #require(IPAddress($0))).forwarder.map { "\($0)" }
    }
    #expect(owners == ["b.example", "a.example", "a.example", "b.example"])
  }
}
