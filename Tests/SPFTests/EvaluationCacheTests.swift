// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import TestSupport
import Testing

@Suite struct EvaluationCacheTests {
  /// Who sends.
  struct Sender: Sendable {
    var from = "ann@example.com"
    var client = "192.0.2.1"
    var helo: MailText = "mail.example"
    var receiver: MailText? = "mx.example.org"

    func query() throws -> SPFQuery {
      SPFQuery(
        client: try #require(IPAddress(client)), mailFrom: Mailbox(envelope: MailText(from)),
        helo: helo, receiver: receiver)
    }
  }

  /// Two senders, one after the other.
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// The record of example.com.
    var record: String
    var second: Sender
    /// Whether what the first came to is used for the second.
    var isKnown: Bool

    init(_ name: String, _ record: String, _ second: Sender = Sender(), isKnown: Bool) {
      testDescription = name
      self.record = record
      self.second = second
      self.isKnown = isKnown
    }
  }

  static let zone = """
    h.example A 192.0.2.1
    1.2.0.192.in-addr.arpa PTR h.example
    ann.l.example A 127.0.0.2
    mail.example.h.example A 127.0.0.2
    192.0.2.1.i.example A 127.0.0.2
    plain.example TXT "No, thank you"
    letters.example TXT "%{s} at %{r} from %{c}"
    clock.example TXT "%{t}"
    domain.example TXT "%{d} is %{o}"
    down.example SERVFAIL
    late.example TIMEOUT
    9.2.0.192.in-addr.arpa SERVFAIL
    """

  static let cases = [
    Case("the same again", "v=spf1 a:h.example -all", isKnown: true),
    Case(
      "another local part", "v=spf1 a:h.example -all", Sender(from: "bob@example.com"),
      isKnown: true),
    Case(
      "another local part, and the record asks for it", "v=spf1 exists:%{l}.l.example -all",
      Sender(from: "bob@example.com"), isKnown: false),
    Case(
      "the same local part, and the record asks for it", "v=spf1 exists:%{l}.l.example -all",
      isKnown: true),
    Case(
      "another sender, and a modifier asks for it", "v=spf1 redirect=%{s}.l.example",
      Sender(from: "bob@example.com"), isKnown: false),
    Case(
      "a local part that is not looked at", "v=spf1 a:h.example exists:%{l}.l.example -all",
      Sender(from: "bob@example.com"), isKnown: true),
    Case(
      "another HELO name", "v=spf1 a:h.example -all", Sender(helo: "other.example"),
      isKnown: true),
    Case(
      "another HELO name, and the record asks for it", "v=spf1 exists:%{h}.h.example -all",
      Sender(helo: "other.example"), isKnown: false),
    Case(
      "the same HELO name, and the record asks for it", "v=spf1 exists:%{h}.h.example -all",
      isKnown: true),
    Case(
      "another client", "v=spf1 a:h.example -all", Sender(client: "192.0.2.2"), isKnown: false),
    Case("the client's macros", "v=spf1 exists:%{i}.i.example -all", isKnown: true),
    Case(
      "the domain in other case", "v=spf1 -all exp=domain.example",
      Sender(from: "ann@Example.COM"), isKnown: false),
    Case("a plain explanation", "v=spf1 -all exp=plain.example", isKnown: true),
    Case("an explanation with the sender", "v=spf1 -all exp=letters.example", isKnown: true),
    Case(
      "an explanation with another sender", "v=spf1 -all exp=letters.example",
      Sender(from: "bob@example.com"), isKnown: false),
    Case(
      "an explanation with another receiver", "v=spf1 -all exp=letters.example",
      Sender(receiver: nil), isKnown: false),
    Case("an explanation with the time", "v=spf1 -all exp=clock.example", isKnown: false),
    Case("an explanation that cannot be had", "v=spf1 -all exp=down.example", isKnown: false),
    Case("a temporary error", "v=spf1 a:down.example -all", isKnown: false),
    Case("no answer in time", "v=spf1 a:late.example -all", isKnown: false),
    Case("the client's name", "v=spf1 ptr:h.example -all", isKnown: true),
    Case("a permanent error", "v=spf1 moo", isKnown: true),
    Case("lookups that find nothing", "v=spf1 a:n.example -all", isKnown: true),
    Case("no SPF record", "hello", isKnown: true),
  ]

  @Test("what came of one evaluation is used for another", arguments: cases)
  func keeps(_ test: Case) throws {
    let zone = "example.com TXT \"\(test.record)\"\n\(Self.zone)"
    let world = try SPFWorld(zone, evaluations: SPFEvaluationCache(capacity: 1 << 20))
    let evaluate = { (sender: Sender, world: SPFWorld) in
      world.evaluator.evaluate(try sender.query(), by: world.deadline())
    }
    _ = try evaluate(Sender(), world)
    let before = world.resolver.asked.count
    // The macro `t` counts seconds.
    world.time.advance(by: .seconds(1))
    let found = try evaluate(test.second, world)
    #expect((world.resolver.asked.count == before) == test.isKnown)
    // Whatever was remembered, nobody can tell by the result.
    let fresh = try SPFWorld(zone)
    fresh.time.advance(by: .seconds(1))
    let expected = try evaluate(test.second, fresh)
    #expect(found.result == expected.result)
    #expect(found.explanation == expected.explanation)
    #expect(found.mechanism == expected.mechanism)
    #expect(found.problem == expected.problem)
    #expect(found.lookupCount == expected.lookupCount)
    #expect(found.voidLookupCount == expected.voidLookupCount)
    // Nobody was asked again.
    let asked = test.isKnown ? [] : expected.lookups
    #expect(found.lookups.map(\.question) == asked.map(\.question))
    #expect(found.lookups.map(\.outcome) == asked.map(\.outcome))
    #expect(found.lookups.map(\.recordCount) == asked.map(\.recordCount))
  }

  @Test("a client whose name cannot be looked up is looked up again") func failedPointer() throws {
    let zone = "example.com TXT \"v=spf1 ptr:h.example -all\"\n\(Self.zone)"
    let world = try SPFWorld(zone, evaluations: SPFEvaluationCache(capacity: 1 << 20))
    let query = try world.query(client: "192.0.2.9")
    for round in 1...2 {
      #expect(world.evaluator.evaluate(query, by: world.deadline()).result == .fail)
      #expect(world.resolver.asked.count == 2 * round)
    }
  }

  /// Seconds after which the answer of one name among others is not used any more.
  @Test(
    "it holds as long as the shortest-lived answer",
    arguments: [("example.com", 40), ("h.example", 50), ("other.example", 300)])
  func expires(_ name: String, _ seconds: Int) throws {
    let lives = [try #require(DomainName(name)): UInt32(seconds)]
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 a:h.example -all\"\nh.example A 192.0.2.1",
      evaluations: SPFEvaluationCache(capacity: 1 << 20), lives: lives)
    let query = try world.query()
    func asks() -> Int {
      let before = world.resolver.asked.count
      #expect(world.evaluator.evaluate(query, by: world.deadline()).result == .pass)
      return world.resolver.asked.count - before
    }
    #expect(asks() == 2)
    world.time.advance(by: .seconds(seconds) - .milliseconds(1))
    #expect(asks() == 0)
    world.time.advance(by: .milliseconds(1))
    #expect(asks() == 2)
  }

  @Test("a negative answer holds for an hour at most") func negative() throws {
    let lives = [try #require(DomainName("example.com")): UInt32(86_400)]
    let world = try SPFWorld(
      "other.example A 192.0.2.1", evaluations: SPFEvaluationCache(capacity: 1 << 20), lives: lives)
    let query = try world.query()
    for (pause, asked) in [(0, 1), (3_599, 1), (1, 2)] {
      world.time.advance(by: .seconds(pause))
      #expect(world.evaluator.evaluate(query, by: world.deadline()).result == .none)
      #expect(world.resolver.asked.count == asked)
    }
  }

  @Test("a life is counted from before the first question") func slowAnswers() throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 a:h.example -all\"\nh.example A 192.0.2.1", cost: .seconds(5),
      evaluations: SPFEvaluationCache(capacity: 1 << 20))
    let query = try world.query()
    for (pause, asked) in [(0, 2), (289, 2), (1, 4)] {
      world.time.advance(by: .seconds(pause))
      #expect(world.evaluator.evaluate(query, by: world.deadline()).result == .pass)
      #expect(world.resolver.asked.count == asked)
    }
  }

  @Test("it does not outlive the record that it was read from") func agedRecord() throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 a:h.example -all\"\nh.example A 192.0.2.1",
      records: SPFRecordCache(), evaluations: SPFEvaluationCache(capacity: 1 << 20))
    let first = try world.query(), second = try world.query(client: "192.0.2.2")
    #expect(world.evaluator.evaluate(first, by: world.deadline()).result == .pass)
    world.time.advance(by: .seconds(200))
    // The record is 200 seconds old, the address is fresh.
    for (pause, asked) in [(0, 3), (99, 3), (1, 5)] {
      world.time.advance(by: .seconds(pause))
      #expect(world.evaluator.evaluate(second, by: world.deadline()).result == .fail)
      #expect(world.resolver.asked.count == asked)
    }
  }

  @Test("a deadline that passed says nothing for later") func deadline() throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 a:h.example -all\"\nh.example A 192.0.2.1", cost: .seconds(3),
      evaluations: SPFEvaluationCache(capacity: 1 << 20))
    let query = try world.query()
    #expect(world.evaluator.evaluate(query, by: world.deadline(4)).result == .temperror)
    #expect(world.evaluator.evaluate(query, by: world.deadline(20)).result == .pass)
  }

  @Test("the tree of an evaluation is made anew") func explains() throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 -all\"", evaluations: SPFEvaluationCache(capacity: 1 << 20))
    let query = try world.query()
    _ = world.evaluator.evaluate(query, by: world.deadline())
    let explained = world.evaluator.evaluate(query, by: world.deadline(), isExplained: true)
    #expect(explained.steps.map(\.outcome) == ["fail", "match: fail"])
    #expect(world.evaluator.evaluate(query, by: world.deadline()).steps.isEmpty)
  }

  @Test("a small cache forgets") func forgets() throws {
    let zone = (0..<100).map { "d\($0).example TXT \"v=spf1 -all\"" }.joined(separator: "\n")
    let world = try SPFWorld(zone, evaluations: SPFEvaluationCache(capacity: 10_000))
    for round in 1...2 {
      for number in 0..<100 {
        let query = try world.query("a@d\(number).example")
        #expect(world.evaluator.evaluate(query, by: world.deadline()).result == .fail)
      }
      #expect(world.resolver.asked.count == 100 * round)
    }
  }

  @Test("the suite holds when everything is remembered") func suite() throws {
    for test in try OpenSPFCase.rfc7208.get() {
      let time = FakeTime()
      let evaluator = SPFEvaluator(
        resolver: try ZoneResolver(test.zone), time: time, records: SPFRecordCache(),
        evaluations: SPFEvaluationCache(capacity: 1 << 20))
      let found = try (0..<2).map { _ in
        evaluator.evaluate(try test.query(), by: Deadline(.seconds(20), time))
      }
      #expect(found.allSatisfy { $0.result.rawValue == test.results.first }, "\(test.name)")
      #expect(Set(found.map(\.explanation)).count == 1, "\(test.name)")
    }
  }
}
