// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
@testable import DNS
import Dispatch
import Environment
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

/// libunbound against a server on loopback that behaves as the test says.
@Suite struct UnboundResolverTests {
  static let zone = #"""
    example.com TXT "v=spf1 mx " "-all"
    example.com MX 10 mail.example.com
    example.com MX 5 mail2.example.com
    example.com NS ns.example.com
    example.com SOA ns.example.com host.example.com 1 2 3 4 5
    mail.example.com A 192.0.2.1
    mail.example.com AAAA 2001:db8::1
    www.example.com CNAME example.com
    1.2.0.192.in-addr.arpa PTR mail.example.com
    1.0.0.10.in-addr.arpa PTR inside.example.com
    loop.example.com CNAME pool.example.com
    pool.example.com CNAME loop.example.com
    a\.b\032c.example.com TXT "odd"
    foo:bar/baz.example.com A 192.0.2.3
    """# + "\nbig.example.com TXT \"" + String(repeating: "x", count: 65_000) + "\""

  static func name(_ text: String) throws -> DomainName { try #require(DomainName(text)) }

  /// A server, and a resolver that asks it alone.
  struct World {
    let server: LoopbackDNSServer
    let resolver: UnboundResolver
    let time: any TimeSource

    init(
      _ zone: String = UnboundResolverTests.zone, timeout: Duration = .seconds(30),
      time: any TimeSource = SystemTime(), change: (inout UnboundOptions) -> Void = { _ in }
    ) throws {
      server = try LoopbackDNSServer(zone)
      var options = UnboundOptions()
      options.servers = [server.server]
      options.timeout = timeout
      change(&options)
      self.time = time
      resolver = try UnboundResolver(options, time: time, random: SystemRandom())
    }

    func ask(_ name: String, _ type: RecordType, within limit: Duration = .seconds(60)) throws
      -> Response
    {
      resolver.resolve(try UnboundResolverTests.name(name), type, by: Deadline(limit, time))
    }
  }

  @Test(
    "what the zone has",
    arguments: [
      ("example.com", RecordType.txt, ["\"v=spf1 mx -all\""]),
      ("Example.COM", .mx, ["5 mail2.example.com", "10 mail.example.com"]),
      ("example.com", .ns, ["ns.example.com"]),
      ("example.com", .soa, ["ns.example.com host.example.com 1 2 3 4 5"]),
      ("mail.example.com", .a, ["192.0.2.1"]), ("mail.example.com", .aaaa, ["2001:db8::1"]),
      ("www.example.com", .txt, ["\"v=spf1 mx -all\""]),
      ("1.2.0.192.in-addr.arpa", .ptr, ["mail.example.com"]),
      ("1.0.0.10.in-addr.arpa", .ptr, ["inside.example.com"]),
      ("foo:bar/baz.example.com", .a, ["192.0.2.3"]),
    ])
  func answers(_ name: String, _ type: RecordType, _ expected: [String]) throws {
    let world = try World()
    let response = try world.ask(name, type)
    // Names come in the case that was asked.
    #expect(response.records.map { $0.description.lowercased() }.sorted() == expected.sorted())
    #expect(response.timeToLive == ZoneResolver.timeToLive)
    #expect(response.security == .unchecked && !response.isFromCache)
    let again = try world.ask(name, type)
    #expect(again.isFromCache && again.outcome == response.outcome)
  }

  @Test func asksForOddNames() throws {
    let world = try World()
    let name = try #require(
      DomainName(labels: [Array("a.b c".utf8), Array("example".utf8), Array("com".utf8)]))
    let response = world.resolver.resolve(name, .txt, by: Deadline(.seconds(60), world.time))
    #expect(response.texts == [Array("odd".utf8)])
  }

  @Test(
    "what the zone does not have",
    arguments: [
      ("nothing.example.com", RecordType.a, Response.Outcome.nonexistent),
      ("mail.example.com", .mx, .noData), ("com", .a, .noData),
      ("loop.example.com", .a, .temporary(.serverFailure(code: 2))),
    ])
  func negatives(_ name: String, _ type: RecordType, _ expected: Response.Outcome) throws {
    let world = try World()
    let response = try world.ask(name, type)
    #expect(response.outcome == expected)
    #expect(
      try world.ask(name, type).isFromCache == (expected == .nonexistent || expected == .noData))
  }

  @Test("fault 12: takes 65 KB by TCP") func takesALongAnswerByTCP() throws {
    let world = try World()
    #expect(try world.ask("big.example.com", .txt).texts.map(\.count) == [65_000])
    world.server.meet(try Self.name("mail.example.com"), with: .truncated)
    #expect(try world.ask("mail.example.com", .a).addresses.count == 1)
  }

  @Test(
    "fault 12: a server that fails is a temporary failure, and is not kept",
    arguments: [
      ("SERVFAIL", LoopbackDNSServer.Manner.code(2)), ("REFUSED", .code(5)),
      ("another question", .wrongQuestion), ("garbage", .garbage),
    ])
  func failures(_ what: String, _ manner: LoopbackDNSServer.Manner) throws {
    let world = try World(timeout: .milliseconds(400))
    let name = try Self.name("mail.example.com")
    world.server.meet(name, with: manner)
    let response = try world.ask("mail.example.com", .a)
    #expect(response.isFailure)
    guard case .temporary = response.outcome else {
      Issue.record("\(response.outcome)")
      return
    }
    #expect(try !world.ask("mail.example.com", .a).isFromCache)
    // Others are served: the servers are not down.
    #expect(try world.ask("example.com", .txt).texts.count == 1)
  }

  @Test("fault 11: a slow domain harms nobody else") func aSlowDomainHarmsNobodyElse() throws {
    let world = try World(timeout: .milliseconds(300))
    world.server.meet(try Self.name("mail.example.com"), with: .silent)
    #expect(try world.ask("mail.example.com", .a).outcome == .temporary(.timeout))
    #expect(!world.resolver.isDown)
    #expect(try world.ask("example.com", .txt).texts.count == 1)
  }

  @Test func theDeadlineHoldsWhateverTheTimeout() throws {
    let world = try World(timeout: .seconds(600))
    world.server.meet(try Self.name("mail.example.com"), with: .silent)
    let response = try world.ask("mail.example.com", .a, within: .milliseconds(50))
    #expect(response.outcome == .temporary(.deadline))
    #expect(!world.resolver.isDown)
  }

  @Test("fault 10: dead servers cost one wait") func deadServersCostOneWait() throws {
    let time = SteppedTime()
    let world = try World(timeout: .milliseconds(200), time: time)
    world.server.setMute(true)
    #expect(try world.ask("example.com", .txt).outcome == .temporary(.timeout))
    #expect(world.resolver.isDown)
    // Nobody waits any more, nor are the servers asked.
    let asked = world.server.asked.count { $0.type == .mx }
    for _ in 0..<100 {
      #expect(try world.ask("example.com", .mx).outcome == .temporary(.serversDown))
    }
    #expect(world.server.asked.count { $0.type == .mx } == asked)
    // They come back, which the next probe finds out.
    world.server.setMute(false)
    while world.resolver.isDown {
      time.step(by: ServerHealth.pause)
      _ = try world.ask("example.com", .ns)
      sched_yield()
    }
    #expect(try world.ask("example.com", .ns).names.count == 1)
  }

  @Test(
    "dead servers cost one wait, whatever time a message has left",
    arguments: [(200, 200), (200, 150), (200, 110), (200, 60)])
  func deadServersAndShortDeadlines(_ timeout: Int, _ limit: Int) throws {
    let world = try World(timeout: .milliseconds(timeout), time: SteppedTime())
    world.server.setMute(true)
    _ = try world.ask("example.com", .txt, within: .milliseconds(limit))
    // Less than half of the time tells nothing.
    #expect(world.resolver.isDown == (2 * limit >= timeout))
  }

  @Test func whoAsksTheSameWaitsForOneAnswer() throws {
    let world = try World()
    world.server.meet(try Self.name("mail.example.com"), with: .held)
    let results = Mutex<[Response]>([])
    let group = DispatchGroup()
    let deadline = Deadline(.seconds(60), world.time)
    let name = try Self.name("mail.example.com")
    for _ in 0..<8 {
      DispatchQueue.global().async(group: group) {
        let response = world.resolver.resolve(name, .a, by: deadline)
        results.withLock { $0.append(response) }
      }
    }
    while world.server.heldCount == 0 { sched_yield() }
    world.server.release()
    group.wait()
    #expect(results.withLock { $0.allSatisfy { $0.addresses.count == 1 } })
    #expect(results.withLock { $0.count } == 8)
    // libunbound asks again when an answer takes long, but not once for each of us.
    #expect(world.server.asked.count { $0.type == .a && $0.name == name } < 8)
  }

  @Test func anAnswerThatComesTooLateIsKept() throws {
    let world = try World(timeout: .seconds(30))
    world.server.meet(try Self.name("mail.example.com"), with: .held)
    let early = try world.ask("mail.example.com", .a, within: .milliseconds(50))
    #expect(early.outcome == .temporary(.deadline))
    while world.server.heldCount == 0 { sched_yield() }
    world.server.release()
    #expect(try world.ask("mail.example.com", .a).addresses.count == 1)
  }

  @Test func answersAreForgottenWhenTheirTimeIsUp() throws {
    let time = SteppedTime()
    let world = try World(time: time)
    #expect(try !world.ask("example.com", .txt).isFromCache)
    time.step(by: .seconds(290))
    let kept = try world.ask("example.com", .txt)
    #expect(kept.isFromCache && kept.timeToLive <= 10)
    time.step(by: .seconds(10))
    #expect(try !world.ask("example.com", .txt).isFromCache)
  }

  @Test func onlySoManyQuestionsAtOnce() throws {
    let world = try World { $0.questionsAtOnce = 2 }
    for label in ["a", "b"] {
      world.server.meet(try Self.name("\(label).example.com"), with: .silent)
      _ = try world.ask("\(label).example.com", .a, within: .milliseconds(20))
    }
    #expect(
      try world.ask("c.example.com", .a).outcome
        == .temporary(.unavailable("too many questions at once")))
  }

  @Test(
    "what cannot be a trust anchor is said",
    arguments: [
      ("/no/such/file", "No such file or directory"), ("/", "Is a directory"),
      ("/dev/zero", "not a regular file"), ("/proc/self/cmdline", "libunbound does not start"),
    ])
  func refusesTrustAnchors(_ path: String, _ why: String) {
    var options = UnboundOptions()
    options.servers = [NameServer(IPAddress(v4: 0x7F00_0001), port: 9)]
    options.trustAnchor = path
    let failure = #expect(throws: UnboundFailure.self) {
      try UnboundResolver(options, time: SystemTime(), random: SystemRandom())
    }
    #expect(failure?.description.contains(why) == true, "\(failure?.description ?? "")")
  }

  @Test func whatShouldBeSignedAndIsNotIsBogus() throws {
    let folder = try TemporaryFolder()
    let anchor = folder.path("anchor")
    let digest = String(repeating: "AB", count: 32)
    try Data("example.com. IN DS 12345 8 2 \(digest)\n".utf8).write(to: URL(filePath: anchor))
    let zone = Self.zone + "\nexample.net TXT \"unsigned\""
    let world = try World(zone) { $0.trustAnchor = anchor }
    guard case .bogus(let why) = try world.ask("example.com", .txt).outcome else {
      Issue.record("an unsigned answer was believed")
      return
    }
    #expect(!why.isEmpty)
    #expect(try !world.ask("example.com", .txt).isFromCache)
    // Above the anchor nothing is signed.
    let unsigned = try world.ask("example.net", .txt)
    #expect(unsigned.texts.count == 1 && unsigned.security == .insecure)
  }

  @Test(
    arguments: [
      ("192.0.2.1", "192.0.2.1@53"), ("192.0.2.1@5353", "192.0.2.1@5353"), ("::1@54", "::1@54"),
      ("localhost", "127.0.0.1@53"), ("Localhost@5353", "127.0.0.1@5353"),
      ("localhost.example", nil), ("ns.example", nil), ("192.0.2.1@", nil), ("192.0.2.1@0", nil),
      ("192.0.2.1@65536", nil),
      ("192.0.2.1@+1", nil), ("", nil), ("@53", nil),
    ])
  func readsServers(_ text: String, _ shown: String?) {
    #expect(NameServer(text)?.description == shown)
  }
}

/// A clock that runs as the machine's does, and ahead of it as far as a test says.
final class SteppedTime: TimeSource {
  private let ahead = Mutex<Duration>(.zero)
  private let system = SystemTime()

  var milliseconds: Int64 { system.milliseconds }
  var monotonic: Duration { system.monotonic + ahead.withLock { $0 } }

  func step(by duration: Duration) { ahead.withLock { $0 += duration } }
}
