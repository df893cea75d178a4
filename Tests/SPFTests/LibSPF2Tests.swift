// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import TestSupport
import Testing

/// Debian's libspf2 behind our door: what it gets right, and that it harms nobody.
@Suite struct LibSPF2Tests {
  static func evaluate(_ test: OpenSPFCase) throws -> SPFEvaluation {
    let time = FakeTime()
    let native = SPFEvaluator(resolver: try ZoneResolver(test.zone), time: time)
    return LibSPF2(native: native).evaluate(try test.query(), by: Deadline(.seconds(20), time))
  }

  /// Counts measured with libspf2 1.2.10-7.2; another version may have others.
  @Test func theSuitesAsMeasured() throws {
    var right7208 = 0
    for test in try OpenSPFCase.rfc7208.get() {
      let evaluation = try Self.evaluate(test)
      let isExplained = test.explanation.map { (evaluation.explanation ?? "DEFAULT") == $0 } ?? true
      if evaluation.result.rawValue == test.results.first, isExplained { right7208 += 1 }
    }
    var right4408 = 0
    for test in try OpenSPFCase.rfc4408.get() {
      if test.results.contains(try Self.evaluate(test).result.rawValue) { right4408 += 1 }
    }
    #expect(right7208 == 150)
    #expect(right4408 == 140)
  }

  @Test("a bomb ends with libspf2 too", arguments: SPFLimitTests.bombs)
  func bombsEnd(_ bomb: SPFLimitTests.Bomb) throws {
    let world = try SPFWorld(bomb.zone)
    let evaluation = LibSPF2(native: world.evaluator).evaluate(
      try world.query("longish@example.com"), by: world.deadline())
    #expect(evaluation.lookupCount <= 11)
    #expect(evaluation.voidLookupCount <= 3)
    // A fail asks twice: our own evaluator is asked for the explanation.
    #expect(world.resolver.asked.count <= 250)
  }

  @Test("the limits hold over the whole evaluation", arguments: [0, 1, 2, 4, 5, 6])
  func limits(_ number: Int) throws {
    let bomb = SPFLimitTests.bombs[number]
    let world = try SPFWorld(bomb.zone)
    let evaluation = LibSPF2(native: world.evaluator).evaluate(
      try world.query(), by: world.deadline())
    #expect(evaluation.result == .permerror)
    #expect(world.resolver.asked.count <= bomb.questions + 1)
  }

  @Test(
    "the explanation that ends the process of others",
    arguments: ["-all", "~all", "?all", "-ip4:192.0.2.1", "redirect=r.example"])
  func explanations(_ term: String) throws {
    let bomb = String(repeating: "%{d}a", count: 50)
    let world = try SPFWorld(
      """
      example.com TXT "v=spf1 \(term) exp=e.example"
      r.example TXT "v=spf1 -all exp=e.example"
      e.example TXT "\(bomb)"
      """)
    let query = try world.query()
    let evaluation = LibSPF2(native: world.evaluator).evaluate(query, by: world.deadline())
    let own = world.evaluator.evaluate(query, by: world.deadline())
    #expect(evaluation.result == own.result)
    #expect(evaluation.explanation == own.explanation)
    #expect((evaluation.explanation != nil) == (evaluation.result == .fail))
  }

  @Test(
    "explanations of any bytes",
    arguments: [
      String(repeating: "x", count: 65_000), #"a\000b"#, #"a\013\010b"#, #"\255\195"#, "%{", "%{x}",
      String(repeating: "%{S}", count: 10_000),
    ])
  func oddExplanations(_ text: String) throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 -all exp=e.example\"\ne.example TXT \"\(text)\"")
    let evaluation = LibSPF2(native: world.evaluator).evaluate(
      try world.query(), by: world.deadline())
    #expect(evaluation.result == .fail)
    #expect((evaluation.explanation?.utf8.count ?? 0) <= SPFEvaluation.longestExplanation)
  }

  @Test(
    "what the library cannot take is answered without it",
    arguments: [
      ("a@example.com", "127.0.0.1", "h.example"), ("a@example.com", "::1", "h.example"),
      ("ü@example.com", "192.0.2.1", "h.example"),
      (String(repeating: "x", count: 10_000) + "@example.com", "192.0.2.1", "h.example"),
      ("a\0b@example.com", "192.0.2.1", "h\u{0}"), ("a@example.com", "::ffff:192.0.2.1", "é"),
    ] as [(String, String, MailText)])
  func hardInputs(_ from: String, _ client: String, _ helo: MailText) throws {
    let world = try SPFWorld("example.com TXT \"v=spf1 ip4:192.0.2.9 -all\"")
    let query = try world.query(from, client: client, helo: helo)
    let evaluation = LibSPF2(native: world.evaluator).evaluate(query, by: world.deadline())
    #expect(evaluation.result == .fail)
  }

  @Test func theDeadlineHolds() throws {
    let world = try SPFWorld(SPFLimitTests.bombs[8].zone, cost: .milliseconds(4900))
    let evaluation = LibSPF2(native: world.evaluator).evaluate(
      try world.query(), by: world.deadline())
    #expect(evaluation.result == .temperror)
    #expect(world.time.monotonic <= .seconds(20))
  }

  @Test func runsOnManyThreadsAtOnce() async throws {
    let cases = try OpenSPFCase.rfc7208.get()
    let expected = try cases.map { try Self.evaluate($0).result }
    try await withThrowingTaskGroup(of: [SPFResult].self) { group in
      for _ in 0..<8 { group.addTask { try cases.map { try Self.evaluate($0).result } } }
      for try await results in group { #expect(results == expected) }
    }
  }

  @Test("no record ends the program")
  func survivesNonsense() throws {
    let pieces = [
      "a", "mx", "ptr", " all", "include:", " exists:", " ip4:", " ip6:", " redirect=", "%{", "}",
      "%", "d", "l1r-", "S", "p", "/", "//", "24", "128", ":", "=", ".", "example.com", " ",
      "192.0.2.1", "::1", "-", "~", "?", "+", "\\000", "\\255", "\\010", "99999999999", "v=spf1",
    ]
    let random = FakeRandom()
    var results: Set<SPFResult> = []
    for _ in 0..<3_000 {
      let text = (0..<(random.next() % 12)).map { _ in
        pieces[Int(random.next() % UInt64(pieces.count))]
      }
      let world = try SPFWorld(
        "example.com TXT \"v=spf1 \(text.joined())\"\nexample.com A 192.0.2.7")
      results.insert(
        LibSPF2(native: world.evaluator).evaluate(try world.query(), by: world.deadline()).result)
    }
    #expect(results.count > 1)
  }
}
