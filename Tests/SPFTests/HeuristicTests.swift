// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import TestSupport
import Testing

@Suite struct HeuristicTests {
  @Test(
    "what lax puts up with is a permerror officially",
    arguments: [
      ("ip:192.0.2.1 -all", SPFResult.pass), ("ipv4:192.0.2.1 -all", .pass),
      ("ipv6:::1 -all", .fail), ("prt -all", .fail), ("192.0.2.1 -all", .pass),
      ("192.0.2.0/24 -all", .pass), ("a:192.0.2.1 -all", .pass), ("moo ip4:192.0.2.1 -all", .pass),
      ("ip4:192.0.2.1, -all", .pass), ("-all:example.org", .fail), ("-all.", .fail),
      ("exp=a.example exp=b.example -all", .fail), ("include:none.example ip4:192.0.2.1", .pass),
      (String(repeating: "a ", count: 12) + "ip4:192.0.2.1 -all", .pass),
    ])
  func lax(_ terms: String, _ result: SPFResult) throws {
    let world = try SPFWorld("example.com TXT \"v=spf1 \(terms)\"\nexample.com A 192.0.2.9")
    #expect(try world.check().result == .permerror)
    let lax = world.evaluator.laxResult(of: try world.query(), by: world.deadline())
    #expect(lax.result == result, "\(lax.problems)")
    #expect(lax.problems.count == 1)
    #expect(lax.basis == .lax)
  }

  @Test(
    "what lax does not put up with",
    arguments: [
      "ip4:192.0.2.1/33", "a:%{x}", "ip4:192.0.2", "all/8", "redirect=", "\\255",
      String(repeating: "a ", count: 41),
    ])
  func tooMuch(_ terms: String) throws {
    let world = try SPFWorld("example.com TXT \"v=spf1 \(terms)\"\nexample.com A 192.0.2.9")
    #expect(
      world.evaluator.laxResult(of: try world.query(), by: world.deadline()).result == .permerror)
  }

  @Test func laxIsTheOfficialResultWithoutFaults() throws {
    for test in try OpenSPFCase.rfc7208.get() {
      let time = FakeTime()
      let evaluator = SPFEvaluator(resolver: try ZoneResolver(test.zone), time: time)
      let deadline = Deadline(.seconds(20), time)
      let lax = evaluator.laxResult(of: try test.query(), by: deadline)
      let official = evaluator.evaluate(try test.query(), by: deadline)
      if official.result != .permerror, lax.problems.isEmpty {
        #expect(lax.result == official.result, "\(test.name)")
      }
    }
  }

  @Test func theObsoleteDefaultCountsOnlyInLax() throws {
    let world = try SPFWorld("example.com TXT \"v=spf1 default=fail\"")
    #expect(try world.check().result == .neutral)
    let lax = world.evaluator.laxResult(of: try world.query(), by: world.deadline())
    #expect(lax.result == .fail)
  }

  @Test(
    "best guess",
    arguments: [
      ("near.example", GuessedRecord.sender, SPFResult.pass, "a/24"),
      ("near.example", .helo, .neutral, nil), ("mx.example", .sender, .pass, "mx/24"),
      ("named.example", .sender, .pass, "ptr"),
      ("named.example", .senderWithoutPointer, .neutral, nil),
      ("far.example", .sender, .neutral, nil), ("slow.example", .sender, .temperror, nil),
      ("no.123", .sender, .none, nil), ("example", .sender, .none, nil),
      ("many.example", .helo, .neutral, nil),
    ] as [(String, GuessedRecord, SPFResult, String?)])
  func bestGuess(
    _ domain: String, _ guess: GuessedRecord, _ result: SPFResult, _ mechanism: String?
  ) throws {
    let client = "192.0.2.1"
    let world = try SPFWorld(
      """
      near.example A 192.0.2.200
      mx.example MX 1 near.example
      named.example A 198.51.100.2
      host.named.example A 192.0.2.1
      named.example MX 1 far.example
      1.2.0.192.in-addr.arpa PTR host.named.example
      far.example A 198.51.100.1
      slow.example TIMEOUT
      """ + "\n" + (0..<50).map { "many.example MX 1 m\($0).example" }.joined(separator: "\n"))
    let query = try world.query("a@\(domain)", client: client)
    let found = world.evaluator.bestGuess(guess, for: query, by: world.deadline())
    #expect(found.result == result)
    #expect(found.mechanism == mechanism)
    #expect(found.basis == .bestGuess)
  }

  @Test func aDelegateSpeaksOnlyForDomainsWithoutARecord() throws {
    let world = try SPFWorld(
      """
      own.example TXT "v=spf1 -all"
      own.example._spf.other.example TXT "v=spf1 +all"
      example.com._spf.other.example TXT "v=spf1 a -all"
      example.com A 192.0.2.1
      """)
    let delegate = try #require(DomainName("other.example"))
    func ask(_ domain: String) throws -> HeuristicResult? {
      world.evaluator.delegatedResult(
        of: try world.query("a@\(domain)"), to: delegate, by: world.deadline())
    }
    #expect(try ask("own.example") == nil)
    #expect(try ask("example.com")?.result == .pass)
    #expect(try ask("example.com")?.basis == .delegate)
    #expect(try ask("nothing.example")?.result == SPFResult.none)
  }

  @Test("a guess of one's own must be a record", arguments: ["v=spf1 moo", "a mx", "v=spf10", ""])
  func guesses(_ text: String) {
    #expect(throws: SPFSyntaxFault.self) { try GuessedRecord(text) }
  }
}
