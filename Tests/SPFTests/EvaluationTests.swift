// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import TestSupport
import Testing

@Suite struct EvaluationTests {
  @Test func tellsWhatMatchedAndWhatItCost() throws {
    let world = try SPFWorld(
      """
      example.com TXT "v=spf1 a include:b.example mx -all"
      example.com A 192.0.2.9
      b.example TXT "v=spf1 exists:none.example ip4:192.0.2.0/29 -all"
      """)
    let evaluation = try world.check()
    #expect(evaluation.result == .pass)
    #expect(evaluation.mechanism == "include:b.example")
    #expect(evaluation.lookupCount == 3)
    #expect(evaluation.voidLookupCount == 1)
    #expect(
      evaluation.lookups.map { "\($0.term) \($0.question) \($0.outcome) \($0.recordCount)" } == [
        "0 example.com TXT answer 1", "1 example.com A answer 1", "2 b.example TXT answer 1",
        "3 none.example A NXDOMAIN 0",
      ])
    #expect(
      evaluation.steps.map { "\($0.depth) \($0.text): \($0.outcome)" } == [
        "0 : pass", "1 a: no match", "1 include:b.example: match: pass", "2 : pass",
        "3 exists:none.example: no match", "3 ip4:192.0.2.0/29: match: pass",
      ])
  }

  @Test(
    "each kind of failure has its result and says why",
    arguments: [
      ("slow.example", SPFResult.temperror, "timeout for slow.example TXT"),
      ("servfail.example", .temperror, "SERVFAIL for servfail.example TXT"),
      ("bogus.example", .temperror, "bogus for bogus.example TXT"),
      ("nothing.example", .none, "the domain has no SPF record"),
      ("two.example", .permerror, "two.example has 2 SPF records"),
      ("late.example", .permerror, "an unknown mechanism: moo"),
      ("badmx.example", .temperror, "SERVFAIL for servfail.example MX"),
      ("incnone.example", .permerror, "nothing.example, which is included, has no SPF record"),
      (
        "redirnone.example", .permerror,
        "nothing.example, to which redirect= leads, has no SPF record"
      ),
    ])
  func failures(_ domain: String, _ result: SPFResult, _ problem: String) throws {
    let evaluation = try SPFWorld(
      """
      slow.example TIMEOUT
      servfail.example SERVFAIL
      bogus.example BOGUS
      two.example TXT "v=spf1 -all"
      two.example TXT "v=spf1"
      late.example TXT "v=spf1 ip4:192.0.2.1 moo"
      badmx.example TXT "v=spf1 mx:servfail.example -all"
      incnone.example TXT "v=spf1 include:nothing.example -all"
      redirnone.example TXT "v=spf1 redirect=nothing.example"
      """
    ).check("a@\(domain)")
    #expect(evaluation.result == result)
    #expect(evaluation.problem == problem)
  }

  @Test(
    "the identity",
    arguments: [
      ("", "mail.example", SPFResult.fail, "postmaster@mail.example"),
      ("<>", "MAIL.example", .fail, "postmaster@MAIL.example"),
      ("<@mail.example>", "x.example", .fail, "postmaster@mail.example"),
      ("<@relay.example:b@mail.example>", "x.example", .fail, "b@mail.example"),
      ("<\"a b\"@mail.example>", "x.example", .fail, "a b@mail.example"),
      // MTAs accept the final dot, which no address has.
      ("b@mail.example.", "x.example", .fail, "b@mail.example"),
      ("b", "mail.example", .none, nil), ("", "", .none, nil), ("b@", "x.example", .none, nil),
      ("b@[192.0.2.1]", "x.example", .none, nil), ("", "[192.0.2.1]", .none, nil),
      ("b@example", "x.example", .none, nil), ("b@a..example", "x.example", .none, nil),
    ] as [(String, MailText, SPFResult, String?)])
  func identities(
    _ from: String, _ helo: MailText, _ result: SPFResult, _ explanation: String?
  ) throws {
    let evaluation = try SPFWorld(
      """
      mail.example TXT "v=spf1 -all exp=e.example"
      e.example TXT "%{s}"
      """
    ).check(from, helo: helo)
    #expect(evaluation.result == result)
    #expect(evaluation.explanation == explanation)
  }

  @Test(
    "addresses of 10 KB, 8-bit and quoted ones",
    arguments: [
      String(repeating: "x", count: 10_000) + "@example.com", "ü@example.com",
      "\"" + String(repeating: "\\\"", count: 5_000) + "\"@example.com",
      "a@" + String(repeating: "b.", count: 5_000) + "example.com", "<a@\u{0}.com>", "\u{FFFD}",
    ])
  func oddAddresses(_ from: String) throws {
    let world = try SPFWorld(
      """
      example.com TXT "v=spf1 exists:%{l}.%{s}.%{o}.%{h}.x.example a:%{l1r-}.example -all exp=e.example"
      e.example TXT "%{l} %{s} %{S} %{h} %{r} %{t} %{c}"
      """)
    let evaluation = try world.check(from, helo: MailText(Array(repeating: 0xFF, count: 10_000)))
    #expect([.fail, .none].contains(evaluation.result))
    if let text = evaluation.explanation {
      #expect(text.utf8.count <= SPFEvaluation.longestExplanation)
      #expect(text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }
  }

  @Test(
    "an IPv4-mapped client is an IPv4 client",
    arguments: [
      ("ip4:192.0.2.1", SPFResult.pass), ("ip6:::ffff:192.0.2.1", .neutral),
      ("ip6:::ffff:0:0/96", .neutral), ("ip6:::/0", .neutral), ("a", .pass),
    ])
  func mappedClients(_ term: String, _ result: SPFResult) throws {
    let world = try SPFWorld("example.com TXT \"v=spf1 \(term)\"\nexample.com A 192.0.2.1")
    #expect(try world.check(client: "::ffff:192.0.2.1").result == result)
  }

  @Test(
    "mapped networks reach beyond mapped addresses where they are wide",
    arguments: [
      ("::ffff:192.0.2.1/80", "::1234:1:2", SPFResult.pass),
      ("::ffff:192.0.2.1/90", "::ffc0:1:2", .pass), ("::ffff:192.0.2.1/90", "::1234:1:2", .neutral),
      ("::ffff:192.0.2.1/0", "2001:db8::1", .pass), ("::ffff:192.0.2.1/95", "::fffe:1:2", .pass),
      ("::ffff:192.0.2.1/96", "::fffe:1:2", .neutral),
    ])
  func wideMappedNetworks(_ network: String, _ client: String, _ result: SPFResult) throws {
    let world = try SPFWorld("example.com TXT \"v=spf1 ip6:\(network)\"")
    #expect(try world.check(client: client).result == result)
  }

  @Test(
    "macros, as the examples of RFC 7208 §7.4 have them",
    arguments: [
      ("%{s}", "strong-bad@email.example.com"), ("%{o}", "email.example.com"),
      ("%{d}", "email.example.com"), ("%{d4}", "email.example.com"),
      ("%{d3}", "email.example.com"), ("%{d2}", "example.com"), ("%{d1}", "com"),
      ("%{dr}", "com.example.email"), ("%{d2r}", "example.email"), ("%{l}", "strong-bad"),
      ("%{l-}", "strong.bad"), ("%{lr}", "strong-bad"), ("%{lr-}", "bad.strong"),
      ("%{l1r-}", "strong"), ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
      ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
      ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
      ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
      ("%{c} %{r} %{t}", "192.0.2.3 mx.example.org 1795219200"), ("%{p}", "unknown"),
      ("%{d000000000000000000000000000001}", "com"),
      ("%{d99999999999999999999999999999}", "email.example.com"), ("%%%_%-", "% %20"),
      ("%{L}%{S}", "strong-badstrong-bad%40email.example.com"), ("%{R-.+,/_=}", "mx.example.org"),
    ])
  func macros(_ macro: String, _ expected: String) throws {
    let world = try SPFWorld(
      "email.example.com TXT \"v=spf1 -all exp=e.example\"\ne.example TXT \"\(macro)\"")
    let evaluation = try world.check("strong-bad@email.example.com", client: "192.0.2.3")
    #expect(evaluation.explanation == expected)
  }

  @Test(
    "faults that are one of the whole record",
    arguments: [
      "a:", "include", "exists", "ip4", "ip6", "ip4:", "ip4:192.0.2.1/", "ip4:192.0.2.1/33",
      "ip4:::1", "ip6:192.0.2.1", "ip6:::1/129", "ip4:192.0.2.1/24/24", "a/", "a/x", "a//", "mx/33",
      "a//129", "a/24//", "all/8", "all:x", "+", "-", "++all", "!all", "a:%{x}", "a:%{d", "a:%",
      "a:%d",
      "a:%{d0}.example", "a:%{dx}", "a:%{}", "a:example", "a:example.1", "a:-.-", "a:a.b-",
      "redirect=", "exp=", "redirect=a.example redirect=a.example", "exp=a.example exp=a.example",
      "x=%", "x=%{c}", "=", "1=x", "a:\\001.example", "a:\\127.example", "ä", "ptr/24", "ptr:",
      "exists:%{i}", "exists:a.example/24", "include:a.example//64",
    ])
  func syntaxFaults(_ term: String) throws {
    let zone = "example.com TXT \"v=spf1 ip4:192.0.2.1 \(term) ~all\"\nexists.example A 127.0.0.1"
    let evaluation = try SPFWorld(zone).check()
    #expect(evaluation.result == (term == "exists:%{i}" ? .pass : .permerror))
    #expect((evaluation.problem?.isEmpty ?? true) == (term == "exists:%{i}"))
  }
}
