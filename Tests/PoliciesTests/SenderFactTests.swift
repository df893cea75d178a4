// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import DNS
import Environment
import Mail
import Milter
import Policies
import Policy
import TestSupport
import Testing

/// Tells what the sender policy leaves for later modules.
private struct FactReader: PolicyModule {
  struct Options: PolicySection {
    static let name = "fact_reader"
    static let summary = "For tests"
    init() {}
  }
  static var yieldsToAccept: Bool { false }

  init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
  func makeSession() -> Session { Session() }

  final class Session: SenderStage {
    func sender(_ t: Transaction) -> Verdict {
      let proven = (t[ProvenDomainsFact.self] ?? []).map(\.description).sorted()
      t.note(
        "origin=\(t[OriginFact.self] ?? "-") proven=\(proven.joined(separator: ",")) "
          + "call-back=\(t[CallBackFact.self] ?? "-") spf=\(t[SPFFact.self]?.words ?? "-")")
      return .proceed
    }
  }
}

/// What SPF leaves for later modules, and by which names.
struct SenderFactTests {
  static let zone =
    SenderResultTests.zone + """

      lax.other.example TXT "v=spf1 ipv4:192.0.2.9 -all"
      guess.example A 192.0.2.9
      there.example._spf.delegate.example TXT "v=spf1 ip4:192.0.2.9 -all"
      x.guess.example A 192.0.2.9
      """

  static func facts(
    _ path: MailText, _ options: String = "", helo: MailText = "mail.client.example",
    ip: String = "192.0.2.9", map: String = ""
  ) throws -> (facts: String, result: ConversationResult) {
    let site = try Site(
      "[spf]\nmode = enforce\naccess_file = /access\n\(options)\n[auth_results]\nmode = enforce\n"
        + "[fact_reader]\nmode = enforce\n",
      modules: Site.realPipeline + [FactReader.self], files: ["/access": map], zone: zone)
    let conversation = Conversation().client(ip, "mail.client.example").hello(helo).from(path).to()
    let result = try conversation.run(on: site)
    let note = result.records.last?.decisions.first { $0.module == "fact_reader" }?.note
    return (note ?? "none", result)
  }

  @Test(
    "only an official pass proves anything",
    arguments: [
      ("<a@pass.example>", "", "origin=pass.example proven=pass.example call-back=- spf=pass"),
      ("<a@PASS.example.>", "", "origin=pass.example proven=pass.example call-back=- spf=pass"),
      (
        "<a@lax.example>", "",
        "origin=- proven= call-back=DSN spf-permerror spf=permerror for mailfrom lax.example, "
          + "by lax pass"
      ),
      ("<a@guess.example>", "best_guess = yes", "origin=- proven= call-back=- spf=none"),
      ("<a@there.example>", "delegate = delegate.example", "origin=- proven= call-back=- spf=none"),
      (
        "<a@fail.example>", "trusted_forwarder = pass.example",
        "origin=- proven= call-back=- spf=not checked for mailfrom fail.example, by forwarder pass"
      ),
    ])
  func proves(_ path: MailText, _ options: String, _ facts: String) throws {
    let found = try Self.facts(path, options).facts
    #expect(found.hasPrefix(facts), "\(found)")
  }

  @Test("what is guessed of the HELO name is not what SPF says of it")
  func aGuessedHelloStaysApart() throws {
    let found = try Self.facts(
      "<a@none.example>", "best_guess = yes\nreceived_spf = yes", helo: "x.guess.example")
    #expect(found.facts.contains("helo none (guess: pass)"), "\(found.facts)")
    let fields = found.result.messages.last?.edits.compactMap { edit -> String? in
      if case .insertHeader(_, "Received-SPF", let value) = edit { value.description } else { nil }
    }
    #expect(fields?.joined().contains("x-helo-spf=none") == true, "\(fields ?? [])")
  }

  @Test("the first reason for a call-back is kept")
  func theFirstCallBackIsKept() throws {
    let found = try Self.facts(
      "<a@softfail.example>", helo: "neutral.example", map: "HELO-Neutral: DSN")
    #expect(found.facts.contains("call-back=DSN helo-spf "), "\(found.facts)")
  }

  @Test("a trusted forwarder's mail says nothing of SPF, which nobody asked")
  func aForwarderHasNoResult() throws {
    let results = SenderResultTests.results(
      try Self.facts("<a@fail.example>", "trusted_forwarder = pass.example").result)
    #expect(results.contains("iprev=pass") && !results.contains("spf="), "\(results)")
  }

  @Test(
    "a final dot changes nothing",
    arguments: [
      ("reject_neutral = neutral.example", "", "<a@neutral.example.>", "x.example", "550 5.7.23"),
      ("", "SPF-Neutral:neutral.example REJECT", "<a@neutral.example.>", "x.example", "550 5.7.23"),
      ("", "HELO-Neutral:neutral.example OK", "<a@none.example>", "neutral.example.", "accepted"),
      ("", "From:neutral.example REJECT", "<a@neutral.example.>", "x.example", "550 5.7.1"),
      ("accept_fail = fail.example", "", "<a@fail.example.>", "x.example", "accepted"),
    ] as [(String, String, MailText, MailText, String)])
  func finalDots(
    _ options: String, _ map: String, _ path: MailText, _ helo: MailText, _ reply: String
  ) throws {
    let client = Conversation().client("192.0.2.9", "mail.client.example").hello(helo)
      .from(path).to()
    let said = SenderResultTests.reply(try SenderResultTests.run(client, options, map: map))
    #expect(said.hasPrefix(reply), "\(said)")
  }

  @Test func aFinalDotDoesNotHideOurDomain() throws {
    let said = SenderResultTests.reply(
      try SenderResultTests.run(
        SenderResultTests.conversation("nothing.example."),
        sender: "internal_domains = nothing.example"))
    #expect(said.hasPrefix("550 5.7.1 nothing.example is our own domain"), "\(said)")
  }

  @Test(
    "OK of a sender's domain is no proof of the sender",
    arguments: [
      ("fail.example", "550 5.7.23"), ("softfail.example", "accepted"),
      ("good.bad.example", "accepted"), ("other.bad.example", "550 5.7.1"),
    ])
  func okProvesNothing(_ domain: String, _ reply: String) throws {
    let map = "From:fail.example OK\nFrom:good.bad.example OK\nFrom:bad.example REJECT\n"
    let said = SenderResultTests.reply(
      try SenderResultTests.run(SenderResultTests.conversation(domain), map: map))
    #expect(said.hasPrefix(reply), "\(said)")
  }

  @Test(
    "what an entry only observes is recorded",
    arguments: [
      ("fail.example", "mail.client.example", "SPF-Fail: OBSERVE", "spf-fail", "550 5.7.23"),
      (
        "permerror.example", "mail.client.example", "SPF-PermError: OBSERVE", "spf-permerror",
        "550 5.5.2"
      ),
      ("nothing.example", "neutral.example", "HELO-Neutral: OBSERVE", "helo-spf", "550 5.7.23"),
      (
        "temperror.example", "mail.client.example", "SPF-TempError: OBSERVE", "spf-temperror",
        "451 4.4.3"
      ),
    ])
  func observes(
    _ domain: String, _ helo: MailText, _ map: String, _ code: String, _ reply: String
  ) throws {
    let result = try SenderResultTests.run(
      SenderResultTests.conversation(domain, helo: helo), map: map)
    #expect(SenderResultTests.reply(result) == "accepted")
    let observed = result.records.last?.decisions.filter { $0.effect == .observed } ?? []
    #expect(observed.map { $0.verdict.reason?.code } == [code])
    #expect(observed.first?.verdict.reply?.description.hasPrefix(reply) == true)
    #expect(result.log.contains { "\($0)".contains("would-") })
  }

  @Test("names of the client leave SPF time")
  func iprevLeavesTime() throws {
    let names = (0..<10).map { "9.2.0.192.in-addr.arpa PTR n\($0).slow.example" }
    let zone = "ok.example TXT \"v=spf1 ip4:192.0.2.9 -all\"\n" + names.joined(separator: "\n")
    let time = FakeTime()
    let site = try Site("[spf]\nmode = enforce\n") { services in
      services.time = time
      services.dnsLimit = .seconds(10)
      services.resolver = CountingResolver(try ZoneResolver(zone), .seconds(1), time)
    }
    let client = Conversation().client("192.0.2.9").hello("x.example").from("<a@ok.example>").to()
    let result = try client.run(on: site)
    #expect(SenderResultTests.reply(result) == "accepted")
    let notes = result.records.last?.decisions.compactMap(\.note).joined(separator: "\n") ?? ""
    #expect(notes.contains("pass for mailfrom ok.example"), "\(notes)")
  }
}
