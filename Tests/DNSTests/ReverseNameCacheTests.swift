// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import TestSupport
import Testing

@Suite struct ReverseNameCacheTests {
  static let zone = """
    1.2.0.192.in-addr.arpa PTR mail.example
    mail.example A 192.0.2.1
    2.2.0.192.in-addr.arpa PTR forged.example
    forged.example A 198.51.100.1
    4.2.0.192.in-addr.arpa SERVFAIL
    5.2.0.192.in-addr.arpa PTR down.example
    down.example SERVFAIL
    6.2.0.192.in-addr.arpa PTR down.example
    6.2.0.192.in-addr.arpa PTR six.example
    six.example A 192.0.2.6
    """

  /// A zone behind a cache.
  struct World {
    let time = FakeTime()
    let resolver: CountingResolver
    let names: ReverseNameCache

    init(capacity: Int = 1 << 20, lives: [DomainName: UInt32] = [:]) throws {
      resolver = CountingResolver(
        try ZoneResolver(ReverseNameCacheTests.zone), .zero, time, lives: lives)
      names = ReverseNameCache(capacity: capacity, time: time)
    }

    func name(of client: String) throws -> ReverseName {
      names.name(
        of: try #require(IPAddress(client)), resolver, by: Deadline(.seconds(20), time))
    }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var client: String
    var result: ReverseName.Result
    var name: String?
    /// How many questions the first look-up takes, and the second one.
    var questions: (Int, Int)
  }

  @Test(
    "what is kept and what is not",
    arguments: [
      Case(
        testDescription: "a name that leads back", client: "192.0.2.1", result: .pass,
        name: "mail.example", questions: (2, 0)),
      Case(
        testDescription: "a name that leads elsewhere", client: "192.0.2.2", result: .fail,
        name: "forged.example", questions: (2, 0)),
      Case(
        testDescription: "no name", client: "192.0.2.3", result: .permerror, name: nil,
        questions: (1, 0)),
      Case(
        testDescription: "no answer", client: "192.0.2.4", result: .temperror, name: nil,
        questions: (1, 0)),
      Case(
        testDescription: "no answer about the name", client: "192.0.2.5", result: .temperror,
        name: "down.example", questions: (2, 0)),
      Case(
        testDescription: "no answer about one of the names", client: "192.0.2.6", result: .pass,
        name: "six.example", questions: (3, 0)),
    ])
  func keeps(_ test: Case) throws {
    let world = try World()
    let first = try world.name(of: test.client)
    #expect(first.result == test.result)
    #expect(first.text == test.name)
    #expect(world.resolver.asked.count == test.questions.0)
    #expect(try world.name(of: test.client) == first)
    #expect(world.resolver.asked.count == test.questions.0 + test.questions.1)
  }

  @Test(
    "it holds as long as the shorter-lived answer",
    arguments: [("1.2.0.192.in-addr.arpa", 40), ("mail.example", 50), ("other.example", 300)])
  func expires(_ name: String, _ seconds: Int) throws {
    let world = try World(lives: [try #require(DomainName(name)): UInt32(seconds)])
    for (pause, asked) in [
      (Duration.zero, 2), (.seconds(seconds) - .milliseconds(1), 2), (.milliseconds(1), 4),
    ] {
      world.time.advance(by: pause)
      #expect(try world.name(of: "192.0.2.1").result == .pass)
      #expect(world.resolver.asked.count == asked)
    }
  }

  @Test("a small cache forgets") func forgets() throws {
    let world = try World(capacity: 4_000)
    for round in 1...2 {
      for host in 10..<110 {
        #expect(try world.name(of: "192.0.2.\(host)").result == .permerror)
      }
      #expect(world.resolver.asked.count == 100 * round)
    }
  }

  @Test("a failure is forgotten soon", arguments: ["192.0.2.4", "192.0.2.6"])
  func forgetsFailures(_ client: String) throws {
    let world = try World()
    _ = try world.name(of: client)
    let asked = world.resolver.asked.count
    for (pause, factor) in [
      (Duration.seconds(ReverseNameCache.failureTime) - .milliseconds(1), 1), (.milliseconds(1), 2),
    ] {
      world.time.advance(by: pause)
      _ = try world.name(of: client)
      #expect(world.resolver.asked.count == asked * factor)
    }
  }
}
