// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import TestSupport
import Testing

/// What senders publish to keep a receiver busy.
@Suite struct SPFLimitTests {
  struct Bomb: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var zone: String
    var result: SPFResult
    /// The most questions it may cost.
    var questions: Int
  }

  static func record(_ name: String, _ text: String) -> String {
    // One string of any length: the zone file joins them anyway.
    "\(name) TXT \"v=spf1 \(text)\""
  }

  static func lines(_ count: Int, _ line: (Int) -> String) -> String {
    (0..<count).map(line).joined(separator: "\n")
  }

  static let bombs: [Bomb] = [
    Bomb(
      testDescription: "100 includes side by side",
      zone: record("example.com", (0..<100).map { "include:i\($0).example" }.joined(separator: " "))
        + "\n" + lines(100) { record("i\($0).example", "-all") },
      result: .permerror, questions: 11),
    Bomb(
      testDescription: "includes that double",
      zone: record("example.com", "include:i0.example include:i0.example") + "\n"
        + lines(20) {
          record("i\($0).example", "include:i\($0 + 1).example include:i\($0 + 1).example")
        },
      result: .permerror, questions: 11),
    Bomb(
      testDescription: "includes itself", zone: record("example.com", "include:example.com -all"),
      result: .permerror, questions: 11),
    Bomb(
      testDescription: "redirects to itself", zone: record("example.com", "redirect=example.com"),
      result: .permerror, questions: 11),
    Bomb(
      testDescription: "the limit holds for included records too",
      zone: record("example.com", "include:a.example include:b.example -all") + "\n"
        + record("a.example", "a a a a a") + "\n" + record("b.example", "a a a a a")
        + "\na.example A 192.0.2.99\nb.example A 192.0.2.99",
      result: .permerror, questions: 12),
    Bomb(
      testDescription: "voids",
      zone: record("example.com", "a:x.example a:y.example a:z.example +all"),
      result: .permerror, questions: 4),
    Bomb(
      testDescription: "voids in included records",
      zone: record("example.com", "include:i.example exists:z.example +all") + "\n"
        + record("i.example", "a:x.example mx:y.example -all"),
      result: .permerror, questions: 5),
    Bomb(
      testDescription: "10 mx of 10 names that do not exist",
      zone: record("example.com", (0..<10).map { "mx:m\($0).example" }.joined(separator: " "))
        + "\n"
        + lines(100) { "m\($0 / 10).example MX 1 x\($0).example" },
      result: .permerror, questions: 34),
    Bomb(
      testDescription: "10 mx of 10 names",
      zone: record(
        "example.com", (0..<10).map { "mx:m\($0).example" }.joined(separator: " ") + " -all")
        + "\n"
        + lines(100) { "m\($0 / 10).example MX 1 x\($0).example\nx\($0).example A 192.0.2.99" },
      result: .fail, questions: 111),
    Bomb(
      testDescription: "11 MX records",
      zone: record("example.com", "mx -all") + "\n"
        + lines(11) { "example.com MX \($0) m\($0).example\nm\($0).example A 192.0.2.1" },
      result: .permerror, questions: 2),
    Bomb(
      testDescription: "1000 names of a client",
      zone: record("example.com", "ptr ptr:x.example ptr:n1.example -all") + "\n"
        + lines(1000) { "1.2.0.192.in-addr.arpa PTR n\($0).example" },
      result: .fail, questions: 12),
    Bomb(
      testDescription: "an alias loop",
      zone: "example.com CNAME b.example\nb.example CNAME example.com", result: .temperror,
      questions: 1),
    Bomb(
      testDescription: "an alias loop at a mechanism",
      zone: record("example.com", "a:l.example -all")
        + "\nl.example CNAME m.example\nm.example CNAME l.example",
      result: .temperror, questions: 2),
    Bomb(
      testDescription: "65 KB of networks",
      zone: record(
        "example.com",
        (0..<3200).map { "ip4:10.\($0 / 256).\($0 % 256).0/24" }.joined(separator: " ") + " -all"),
      result: .fail, questions: 1),
    Bomb(
      testDescription: "65 KB of one term",
      zone: record("example.com", "a:" + String(repeating: "x", count: 65_000)),
      result: .permerror, questions: 1),
    Bomb(
      testDescription: "65 KB of spaces",
      zone: record("example.com", String(repeating: " ", count: 65_000)),
      result: .neutral, questions: 1),
    Bomb(
      testDescription: "65 KB of modifiers",
      zone: record("example.com", String(repeating: "x=%{d} ", count: 9_000)),
      result: .neutral, questions: 1),
    Bomb(
      testDescription: "65 KB of qualifiers",
      zone: record("example.com", String(repeating: "+", count: 65_000)),
      result: .permerror, questions: 1),
    Bomb(
      testDescription: "macros that grow: 13,000 times the sender",
      zone: record(
        "example.com", "exists:" + String(repeating: "%{s}", count: 13_000) + ".example -all"),
      result: .fail, questions: 2),
    Bomb(
      testDescription: "macros that come to nothing",
      zone: record(
        "example.com", "exists:" + String(repeating: "%{l1-}", count: 10_000) + ".example -all"),
      result: .permerror, questions: 1),
    Bomb(
      testDescription: "a label too long by a macro",
      zone: record("example.com", "a:%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}.example -all"),
      result: .fail, questions: 1),
  ]

  @Test("fault 13: a bomb ends", arguments: bombs)
  func ends(_ bomb: Bomb) throws {
    let world = try SPFWorld(bomb.zone)
    let evaluation = try world.check(
      bomb.testDescription.contains("nothing") ? "aaaaaa-@example.com" : "longish@example.com")
    #expect(evaluation.result == bomb.result, "\(evaluation.problem ?? "")")
    #expect(world.resolver.asked.count <= bomb.questions)
    #expect(evaluation.lookups.count == world.resolver.asked.count)
    #expect(evaluation.lookupCount <= 11)
    #expect(evaluation.voidLookupCount <= 3)
  }

  @Test("fault 11: answers that take 4.9 s each end with the time", arguments: [20, 5, 1])
  func slowAnswers(_ seconds: Int) throws {
    let world = try SPFWorld(Self.bombs[8].zone, cost: .milliseconds(4900))
    let began = world.time.monotonic
    let evaluation = world.evaluator.evaluate(try world.query(), by: world.deadline(seconds))
    #expect(evaluation.result == .temperror)
    #expect(world.time.monotonic - began <= .seconds(seconds))
  }

  @Test("the lax evaluation ends too", arguments: bombs)
  func laxEnds(_ bomb: Bomb) throws {
    let world = try SPFWorld(bomb.zone)
    let query = try world.query("longish@example.com")
    _ = world.evaluator.laxResult(of: query, by: world.deadline())
    #expect(world.resolver.asked.count <= 450)
  }

  // MARK: - Explanations

  @Test(
    "fault 14: an explanation is visible ASCII, and not long",
    arguments: [
      ("50 times %{d}a", String(repeating: "%{d}a", count: 50), 400),
      ("64 KB", String(repeating: "x", count: 65_000), 400),
      ("64 KB of macros", String(repeating: "%{s}", count: 16_000), 400),
      ("64 KB of encoded macros", String(repeating: "%{S}", count: 16_000), 400),
      ("64 KB of percent signs", String(repeating: "%%", count: 32_000), 400),
      ("exactly as long", String(repeating: "y", count: 400), 400),
    ])
  func boundsExplanations(_ what: String, _ text: String, _ length: Int) throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 -all exp=e.example\"\ne.example TXT \"\(text)\"")
    let evaluation = try world.check()
    #expect(evaluation.result == .fail)
    #expect(evaluation.explanation?.utf8.count == length)
    #expect(evaluation.explanation?.hasSuffix("...") == (what != "exactly as long"))
  }

  @Test(
    "an explanation with a byte that is not visible ASCII is none",
    arguments: [
      #"a\000b"#, #"a\010b"#, #"a\013\010b"#, #"a\127b"#, #"a\255b"#, #"\195\188"#, "%{x}", "%",
    ])
  func refusesExplanations(_ text: String) throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 -all exp=e.example\"\ne.example TXT \"\(text)\"")
    let evaluation = try world.check()
    #expect(evaluation.result == .fail)
    #expect(evaluation.explanation == nil)
  }

  @Test func cleansWhatTheClientBringsIntoAnExplanation() throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 -all exp=e.example\"\ne.example TXT \"%{l} of %{h}\"")
    let evaluation = try world.check("a\r\n\u{7F}b@example.com", helo: MailText([0, 0xFF, 0x61]))
    #expect(evaluation.explanation == "a???b of ??a")
  }

  @Test("no record ends the program")
  func survivesNonsense() throws {
    let pieces = [
      "a", "mx", "ptr", "all", "include:", "exists:", "ip4:", "ip6:", "redirect=", "exp=", "%{",
      "}",
      "%", "d", "l1r-", "S", "p", "/", "//", "24", "128", "0", ":", "=", ".", "example.com",
      "192.0.2.1", "::1", "-", "~", "?", "+", " ", " ", " ", "\\000", "\\255", "\\010",
      "99999999999",
    ]
    let terms = [
      " a", " mx", " ptr", " -all", " ~all", " include:example.com", " exists:%{d}", " ip6:::/0",
      " ip4:192.0.2.1", " redirect=example.org", " exp=%{i}.example", " a:%{l1r-}.%{p}/24//64",
    ]
    let random = FakeRandom()
    var results: [SPFResult: Int] = [:]
    for _ in 0..<3_000 {
      let text = (0..<(random.next() % 6)).map { _ -> String in
        let list = random.next() % 5 == 0 ? pieces : terms
        return list[Int(random.next() % UInt64(list.count))]
      }
      let world = try SPFWorld(
        "example.com TXT \"v=spf1 \(text.joined())\"\nexample.com A 192.0.2.7\nexample.com MX 1 example.com"
      )
      results[try world.check().result, default: 0] += 1
      let query = try world.query()
      _ = world.evaluator.laxResult(of: query, by: world.deadline())
    }
    #expect(results.count >= 4)
  }
}
