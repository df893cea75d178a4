// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import DNS
import Environment
import Mail
import Milter
import Policies
import Policy
import TestSupport
import Testing

/// What is not known for the moment never becomes a refusal for good.
struct SenderTroubleTests {
  static let zone =
    SenderResultTests.zone + """

      6.2.0.192.in-addr.arpa SERVFAIL
      5.2.0.192.in-addr.arpa PTR a.slow.example
      a.slow.example TIMEOUT
      forwarder.example TXT "v=spf1 ip4:192.0.2.9 -all"
      asking.example TXT "v=spf1 exists:%{i}.lost.example -all"
      192.0.2.9.lost.example SERVFAIL
      """
  static let forwarder = "trusted_forwarder = forwarder.example"

  static func site(
    _ options: String, map: String? = nil, zone: String = zone, isRefreshed: Bool = true
  ) throws -> Site {
    let access = map == nil ? "" : "access_file = /access\n"
    return try Site(
      "[spf]\nmode = enforce\n\(access)\(options)\n", files: ["/access": map ?? ""], zone: zone,
      isRefreshed: isRefreshed)
  }

  static func reply(_ conversation: Conversation, _ site: Site) throws -> String {
    SenderResultTests.reply(try conversation.run(on: site))
  }

  // MARK: forwarders

  @Test(
    "mail of a forwarder that is not known yet",
    arguments: [
      ("fail.example", nil, "451 4.4.3"), ("fail.example", "SPF-Fail: DISCARD", "451 4.4.3"),
      ("fail.example", "SPF-Fail: BAN", "451 4.4.3"),
      ("fail.example", "SPF-Fail: ERROR:\"554 5.7.1 x\"", "451 4.4.3"),
      ("permerror.example", nil, "451 4.4.3"), ("pass.example", nil, "accepted"),
      ("fail.example", "SPF-Fail: OK", "accepted"),
    ] as [(String, String?, String)])
  func waitsForAForwarder(_ domain: String, _ map: String?, _ reply: String) throws {
    let site = try Self.site(Self.forwarder, map: map, isRefreshed: false)
    let result = try SenderResultTests.conversation(domain).run(on: site)
    #expect(SenderResultTests.reply(result).hasPrefix(reply), "\(SenderResultTests.reply(result))")
    #expect(result.messages.last?.end != .discard)
    // Once it is known, the client is let in.
    site.pipeline.refresh(by: Deadline(.seconds(20), site.time))
    #expect(try Self.reply(SenderResultTests.conversation(domain), site) == "accepted")
  }

  @Test func aReloadKeepsWhatIsKnownOfForwarders() throws {
    let old = try Self.site(Self.forwarder)
    let new = try Self.site(Self.forwarder, isRefreshed: false)
    new.pipeline.takeOver(from: old.pipeline)
    #expect(try Self.reply(SenderResultTests.conversation("fail.example"), new) == "accepted")
    // What is no longer listed is forgotten.
    let other = try Self.site("trusted_forwarder = asking.example", isRefreshed: false)
    other.pipeline.takeOver(from: old.pipeline)
    let said = try Self.reply(SenderResultTests.conversation("fail.example"), other)
    #expect(said.hasPrefix("451 4.4.3"), "\(said)")
  }

  @Test("a forwarder whose record asks what DNS does not answer")
  func aForwarderMayBeUnknownForAMoment() throws {
    let site = try Self.site("trusted_forwarder = asking.example")
    let said = try Self.reply(SenderResultTests.conversation("fail.example"), site)
    #expect(said.hasPrefix("451 4.4.3"), "\(said)")
  }

  @Test("bad lines of the map are a fault that stands")
  func badLinesAreAFault() throws {
    let site = try Self.site("", map: "SPF-Fail: OK\nalone\nSPF-None: PERHAPS\n")
    #expect(
      site.pipeline.standingFaults == [
        "access map: /access:2: an entry has a key and a value; the line is left out",
        "access map: /access:3: \"PERHAPS\" is no word of the access map: it counts as REJECT",
      ])
  }

  // MARK: credentials

  @Test(
    "nobody is without credentials as long as DNS does not answer",
    arguments: [
      ("192.0.2.6", "x.example", "451 4.4.3"), ("192.0.2.5", "x.example", "451 4.4.3"),
      ("192.0.2.7", "temperror.example", "451 4.4.3"), ("192.0.2.7", "x.example", "550 5.7.26"),
      ("192.0.2.4", "x.example", "550 5.7.26"),
    ])
  func waitsForCredentials(_ ip: String, _ helo: MailText, _ reply: String) throws {
    let client = Conversation().client(ip).hello(helo).from("<ann@nothing.example>").to()
    let said = try Self.reply(client, Self.site("reject_noptr = yes"))
    #expect(said.hasPrefix(reply), "\(said)")
    let banned = try Self.reply(client, Self.site("", map: "SPF-None: BAN"))
    #expect(banned.hasPrefix(reply), "\(banned)")
    // Without the option such mail goes on to greylisting.
    #expect(try Self.reply(client, Self.site("")) == "accepted")
  }

  @Test(
    "what others would say counts as a credential too",
    arguments: [
      ("delegate = delegate.example", "lost.example", "451 4.4.3"),
      ("delegate = delegate.example", "nothing.example", "550 5.7.26"),
      ("best_guess = yes", "guess.example", "451 4.4.3"),
      ("best_guess = yes", "nothing.example", "550 5.7.26"),
    ])
  func waitsForOthers(_ options: String, _ domain: String, _ reply: String) throws {
    let zone =
      Self.zone + "\nlost.example._spf.delegate.example SERVFAIL\n"
      + "guess.example MX 10 mx.guess.example\nmx.guess.example SERVFAIL\n"
    let site = try Self.site("reject_noptr = yes\n\(options)", zone: zone)
    let client = SenderResultTests.conversation(domain, "192.0.2.7", helo: "x.example")
    let said = try Self.reply(client, site)
    #expect(said.hasPrefix(reply), "\(said)")
    // The same of a domain of ours, which the delegate may answer for.
    guard options.hasPrefix("delegate") else { return }
    let ours = try Site(
      "[sender]\nmode = enforce\ninternal_domains = *.example\n[spf]\nmode = enforce\n\(options)\n",
      zone: zone)
    let own = try Self.reply(SenderResultTests.conversation(domain), ours)
    #expect(own.hasPrefix(reply.hasPrefix("451") ? reply : "550 5.7.1 "), "\(own)")
  }

  @Test(
    "a HELO name about which DNS does not answer",
    arguments: [
      ("HELO-TempError: REJECT", "451 4.4.3"), ("HELO-TempError: BAN", "451 4.4.3"),
      ("HELO-TempError: TEMPFAIL", "451 4.4.3"), ("HELO-TempError: OK", "accepted"),
      ("", "accepted"),
    ])
  func waitsForTheHeloName(_ map: String, _ reply: String) throws {
    let client = SenderResultTests.conversation("nothing.example", helo: "temperror.example")
    let result = try client.run(on: Self.site("", map: map))
    #expect(SenderResultTests.reply(result).hasPrefix(reply), "\(SenderResultTests.reply(result))")
  }

  @Test("nobody is banned for the trouble of a DNS server")
  func nobodyIsBannedForDNS() throws {
    let client = SenderResultTests.conversation("temperror.example")
    for map in ["SPF-TempError: BAN", "SPF-TempError: REJECT"] {
      let result = try client.to().run(on: Self.site("", map: map))
      #expect(SenderResultTests.reply(result).hasPrefix("451 4.4.3"))
    }
  }

  @Test(
    "a domain without SPF is refused only when the client has nothing else",
    arguments: [
      ("192.0.2.9", "x.example", "accepted"), ("192.0.2.7", "helo.other.example", "accepted"),
      ("192.0.2.7", "x.example", "550 5.7.26"),
    ])
  func noRecordIsNoFault(_ ip: String, _ helo: MailText, _ reply: String) throws {
    let zone = Self.zone + "\nhelo.other.example TXT \"v=spf1 ip4:192.0.2.7 -all\""
    let client = SenderResultTests.conversation("nothing.example", ip, helo: helo)
    let said = try Self.reply(client, Self.site("", map: "SPF-None: REJECT", zone: zone))
    #expect(said.hasPrefix(reply), "\(said)")
  }
}
