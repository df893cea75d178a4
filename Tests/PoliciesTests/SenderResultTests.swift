// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Milter
import Policies
import Policy
import TestSupport
import Testing

/// What is done about each result, with the options and the access map.
struct SenderResultTests {
  /// The client has a name of its own that leads back to it.
  static let zone = """
    9.2.0.192.in-addr.arpa PTR mail.client.example
    mail.client.example A 192.0.2.9
    pass.example TXT "v=spf1 ip4:192.0.2.9 -all"
    fail.example TXT "v=spf1 -all exp=why.fail.example"
    why.fail.example TXT "%{i} is none of ours"
    softfail.example TXT "v=spf1 ~all"
    neutral.example TXT "v=spf1 ?all"
    permerror.example TXT "v=spf1 include: -all"
    lax.example TXT "v=spf1 ipv4:192.0.2.9 -all"
    temperror.example SERVFAIL
    late.example TIMEOUT
    hosts.example A 192.0.2.8
    helo.pass.example TXT "v=spf1 ip4:192.0.2.9 -all"
    7.2.0.192.in-addr.arpa PTR dyn-192-0-2-7.isp.example
    dyn-192-0-2-7.isp.example A 192.0.2.7
    """

  static func conversation(
    _ domain: String, _ ip: String = "192.0.2.9", helo: MailText = "mail.client.example"
  ) -> Conversation {
    Conversation().client(ip, "mail.client.example").hello(helo)
      .from(MailText("<ann@\(domain)>")).to()
  }

  static func run(
    _ conversation: Conversation, _ options: String = "", map: String? = nil,
    network: String = "", sender: String = "", more: String = ""
  ) throws -> ConversationResult {
    var text = "[network]\n\(network)\n[sender]\nmode = enforce\n\(sender)\n"
    text += "[spf]\nmode = enforce\n\(options)\n[auth_results]\nmode = enforce\n\(more)\n"
    if map != nil { text = text.replacing("[spf]\n", with: "[spf]\naccess_file = /access\n") }
    return try conversation.run(text, files: ["/access": map ?? ""], zone: Self.zone)
  }

  static func reply(_ result: ConversationResult) -> String {
    result.records.last?.finalReply ?? "accepted"
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let domain: String
    var options = ""
    var map: String?
    /// How the reply begins, or `accepted`.
    let reply: String
    var testDescription: String { "\(domain) \(options) \(map ?? "")" }
  }

  static let rows = [
    Row(domain: "pass.example", reply: "accepted"),
    Row(domain: "pass.example", map: "SPF-Pass:pass.example REJECT", reply: "550 5.7.1 We do not"),
    Row(domain: "fail.example", reply: "550 5.7.23 SPF: 192.0.2.9 may not send mail for fail.e"),
    Row(domain: "fail.example", options: "accept_fail = fail.example", reply: "accepted"),
    Row(domain: "fail.example", map: "SPF-Fail:ann@fail.example OK", reply: "accepted"),
    Row(domain: "fail.example", map: "SPF-Fail:.example OK", reply: "accepted"),
    Row(domain: "fail.example", map: "SPF-Fail: DSN", reply: "accepted"),
    Row(domain: "fail.example", map: "SPF-Fail: OBSERVE", reply: "accepted"),
    Row(domain: "fail.example", map: "SPF-Fail: WHITELIST", reply: "accepted"),
    Row(domain: "fail.example", map: "SPF-Fail: TEMPFAIL", reply: "451 4.7.24"),
    Row(domain: "fail.example", map: "SPF-Fail: nonsense", reply: "550 5.7.23"),
    Row(
      domain: "fail.example", map: "SPF-Fail: ERROR:\"550 5.7.13 Go away\"",
      reply: "550 5.7.13 Go away"),
    Row(domain: "softfail.example", reply: "accepted"),
    Row(
      domain: "softfail.example", options: "reject_neutral = *.example, softfail.example",
      reply: "550 5.7.23"),
    Row(
      domain: "softfail.example", options: "accept_softfail = softfail.example",
      reply: "accepted"),
    Row(domain: "softfail.example", map: "SPF-Softfail: BAN", reply: "550 5.7.23"),
    Row(domain: "neutral.example", reply: "accepted"),
    Row(
      domain: "neutral.example", options: "reject_neutral = neutral.example",
      reply: "550 5.7.23"),
    Row(domain: "permerror.example", reply: "550 5.5.2 The SPF record of permerror.example has"),
    Row(domain: "permerror.example", map: "SPF-PermError: OK", reply: "accepted"),
    Row(domain: "lax.example", reply: "accepted"),
    Row(domain: "temperror.example", reply: "451 4.4.3"),
    Row(domain: "late.example", reply: "451 4.4.3"),
    Row(domain: "temperror.example", map: "SPF-TempError: OK", reply: "accepted"),
    Row(domain: "nothing.example", reply: "accepted"),
    Row(domain: "nothing.example", map: "SPF-None: REJECT", reply: "accepted"),
  ]

  @Test("results", arguments: rows)
  func meets(_ row: Row) throws {
    let said = Self.reply(
      try Self.run(Self.conversation(row.domain), row.options, map: row.map))
    #expect(said.hasPrefix(row.reply), "\(said)")
  }

  @Test(
    "addresses of every shape, with both engines",
    arguments: [
      (#"<"a b"@fail.example>"#, "550 5.7.23"), (#"<"a@b\""@fail.example>"#, "550 5.7.23"),
      ("<@relay.example,@pass.example:ann@fail.example>", "550 5.7.23"),
      ("<ann@[192.0.2.9]>", "accepted"), ("<ann@[IPv6:2001:db8::1]>", "accepted"),
      ("<>", "accepted"), ("<ann>", "accepted"), ("<@fail.example>", "550 5.7.23"),
      ("<" + String(repeating: "x", count: 10_000) + "@fail.example>", "550 5.7.23"),
      ("<ann@" + String(repeating: "x.", count: 5_000) + "fail.example>", "accepted"),
      ("<\u{FC}@fail.example>", "550 5.7.23"), ("<ann@b\u{FC}cher.example>", "accepted"),
    ], ["native", "libspf2"])
  func addresses(_ row: (path: String, reply: String), _ engine: String) throws {
    let client = Conversation().client("192.0.2.9", "mail.client.example")
      .hello("mail.client.example").from(MailText(row.path)).to()
    let said = Self.reply(try Self.run(client, "engine = \(engine)"))
    #expect(said.hasPrefix(row.reply), "\(said)")
  }

  @Test("fault 14: the owner's words are marked as theirs")
  func theOwnersWordsAreMarkedAsTheirs() throws {
    let said = Self.reply(try Self.run(Self.conversation("fail.example")))
    #expect(said.contains("; fail.example says: 192.0.2.9 is none of ours"), "\(said)")
    #expect(said.contains("(ref "))
  }

  // MARK: senders with nothing to show

  @Test(
    "three strikes",
    arguments: [
      ("192.0.2.7", "x.example", "nothing.example", "550 5.7.26"),
      ("192.0.2.6", "x.example", "nothing.example", "550 5.7.26"),
      // Any one of these would do: a name, a HELO name that passes, an SPF record.
      ("192.0.2.9", "x.example", "nothing.example", "accepted"),
      ("192.0.2.7", "x.example", "neutral.example", "accepted"),
    ])
  func threeStrikes(
    _ ip: String, _ helo: MailText, _ domain: String, _ reply: String
  ) throws {
    let said = Self.reply(
      try Self.run(Self.conversation(domain, ip, helo: helo), "reject_noptr = yes"))
    #expect(said.hasPrefix(reply), "\(said)")
  }

  @Test func withoutCredentialsItShouldBeVerified() throws {
    let result = try Self.run(Self.conversation("nothing.example", "192.0.2.7"))
    #expect(Self.reply(result) == "accepted")
    let notes = result.records.last?.decisions.compactMap(\.note).joined(separator: "\n") ?? ""
    #expect(notes.contains("call-back wanted: CBV no-credentials"), "\(notes)")
  }

  @Test(
    "HELO names that SPF does not pass",
    arguments: [
      ("fail.example", "", "550 5.7.23 SPF: 192.0.2.9 may not use the HELO name fail.example"),
      ("softfail.example", "", "550 5.7.23"), ("neutral.example", "", "550 5.7.23"),
      ("permerror.example", "", "accepted"), ("temperror.example", "", "accepted"),
      ("neutral.example", "HELO-Neutral:neutral.example OK", "accepted"),
      ("neutral.example", "HELO-Neutral: CBV", "accepted"),
    ])
  func heloNames(_ helo: MailText, _ map: String, _ reply: String) throws {
    let said = Self.reply(
      try Self.run(Self.conversation("nothing.example", helo: helo), map: map))
    #expect(said.hasPrefix(reply), "\(said)")
  }

  @Test func aStrangerIsNoServerOfOurs() throws {
    let ours = "internal_domains = nothing.example, pass.example"
    let said = Self.reply(try Self.run(Self.conversation("nothing.example"), sender: ours))
    #expect(said.hasPrefix("550 5.7.1 nothing.example is our own domain"), "\(said)")
    // With a record, that decides.
    #expect(Self.reply(try Self.run(Self.conversation("pass.example"), sender: ours)) == "accepted")
  }

  @Test func aGuessMayPass() throws {
    let client = Self.conversation("hosts.example", "192.0.2.7", helo: "x.example")
    let strict = try Self.run(client, "reject_noptr = yes")
    #expect(Self.reply(strict).hasPrefix("550 5.7.26"))
    let guessed = try Self.run(client, "reject_noptr = yes\nbest_guess = yes")
    #expect(Self.reply(guessed) == "accepted")
    // What is guessed is not the official result.
    #expect(Self.results(guessed).contains("spf=none (guess: pass) smtp.mailfrom="))
  }

  @Test func aHeloNameOfTheSendersDomainMayPass() throws {
    let client = Self.conversation("pass.example", "192.0.2.9", helo: "helo.pass.example")
    #expect(Self.results(try Self.run(client)).contains("spf=pass smtp.mailfrom=ann@pass.example"))
    let bounce = Conversation().client("192.0.2.9", "mail.client.example")
      .hello("helo.pass.example").from("<>").to()
    let results = Self.results(try Self.run(bounce))
    #expect(results.contains("spf=pass smtp.helo=helo.pass.example"), "\(results)")
    #expect(!results.contains("mailfrom"))
  }

  @Test func aForwarderIsLetIn() throws {
    let result = try Self.run(
      Self.conversation("fail.example"), "trusted_forwarder = pass.example")
    #expect(Self.reply(result) == "accepted")
    #expect(
      result.records.last?.decisions.contains {
        $0.verdict.reason?.code == "trusted-forwarder"
      } == true)
  }

  @Test func evaluatesAtTheFirstRecipientIfAsked() throws {
    let client = Conversation().client("192.0.2.9", "mail.client.example")
      .hello("mail.client.example").from("<ann@fail.example>").to().to().to()
    let result = try Self.run(client, "when = rcpt")
    let said = result.records.last?.decisions.filter { $0.module == "spf" } ?? []
    #expect(said.count == 3)
    #expect(said.allSatisfy { $0.stage == .recipient && $0.verdict.reply != nil })
  }

  // MARK: Authentication-Results

  static func results(_ result: ConversationResult) -> String {
    for edit in result.messages.last?.edits ?? [] {
      if case .insertHeader(0, "Authentication-Results", let value) = edit {
        return String(decoding: value.bytes, as: UTF8.self).replacing("\n\t", with: " ")
      }
    }
    return "none"
  }

  @Test func writesWhatWasFound() throws {
    #expect(
      Self.results(try Self.run(Self.conversation("softfail.example")))
        == "mx.example.org; iprev=pass (mail.client.example) policy.iprev=192.0.2.9; "
        + "spf=none smtp.helo=mail.client.example; "
        + "spf=softfail smtp.mailfrom=ann@softfail.example")
  }

  @Test("fault 39: forged results are removed from the last to the first")
  func removesWhatIsForgedFromTheLastToTheFirst() throws {
    var conversation = Self.conversation("pass.example")
    for value: MailText in [
      "mx.example.org; spf=pass", "other.example; spf=pass", "MX.example.org; dkim=pass",
      "mx2.example.org; none",
    ] {
      conversation = conversation.header("Authentication-Results", value)
    }
    let result = try Self.run(conversation, more: "hosts = mx2.example.org")
    let removed = result.messages.last?.edits.compactMap { edit -> Int? in
      if case .changeHeader("Authentication-Results", let number, nil) = edit {
        number
      } else {
        nil
      }
    }
    #expect(removed == [4, 3, 1])
  }

  @Test func saysOfOurUsersWhoTheyAre() throws {
    let user = Conversation().client("192.0.2.9", "mail.client.example").auth("joe")
      .from("<ann@fail.example>").to()
    #expect(Self.results(try Self.run(user)) == "mx.example.org; auth=pass smtp.auth=joe")
    let ours = Conversation().localClient().from("<ann@fail.example>").to()
    #expect(Self.results(try Self.run(ours)) == "none")
  }

  // MARK: relays

  static func relayed(_ received: MailText...) -> Conversation {
    var conversation = Conversation().client("198.51.100.1", "mx2.example.org")
      .hello("mx2.example.org").from("<ann@fail.example>").to()
    for value in received { conversation = conversation.header("Received", value) }
    return conversation
  }
  static let relay = "trusted_relay = 198.51.100.0/24"

  @Test func theClientOfARelayIsJudged() throws {
    let result = try Self.run(
      Self.relayed(
        "from mx3.example.org (mx3.example.org [198.51.100.2]) by mx2.example.org",
        "from evil.example (mail.client.example [192.0.2.9]) by mx3.example.org",
        "from innocent.example (innocent.example [203.0.113.5]) by evil.example"),
      network: Self.relay)
    #expect(Self.reply(result).hasPrefix("550 5.7.23 SPF: 192.0.2.9 may not send mail for fail"))
  }

  @Test(
    "relayed mail that no stranger brought",
    arguments: [
      (["by mx2.example.org (Postfix, from userid 0)"], "relayed, but from nobody else"),
      (["(qmail 7 invoked by uid 7); date"], "relayed, but from nobody else"),
      (
        ["from laptop (mail.client.example [192.0.2.9]) by mx2.example.org with ESMTPSA id 1"],
        "relayed, submitted by a user from 192.0.2.9"
      ),
      (
        [
          "by mx2.example.org (Postfix, from userid 7)",
          "from laptop (unknown [IPv6:2001:db8::9]) by mx2.example.org with utf8smtpa id 1",
        ], "relayed, submitted by a user from 2001:db8::9"
      ),
    ] as [([MailText], String)])
  func whoIsNoStrangerIsNotJudged(_ received: [MailText], _ note: String) throws {
    var conversation = Self.relayed()
    for value in received { conversation = conversation.header("Received", value) }
    let result = try Self.run(conversation, network: Self.relay)
    #expect(Self.reply(result) == "accepted")
    let notes = result.records.last?.decisions.compactMap(\.note) ?? []
    #expect(notes.contains(note), "\(notes)")
  }

  @Test("hops within a relay are read past")
  func hopsWithinARelayAreReadPast() throws {
    let result = try Self.run(
      Self.relayed(
        "by mx2.example.org (Postfix, from userid 1000)", "(qmail 4 invoked from network); date",
        "from evil.example (mail.client.example [192.0.2.9]) by mx2.example.org with ESMTP",
        "from x (x [203.0.113.5]) by evil.example with ESMTPSA"), network: Self.relay)
    #expect(Self.reply(result).hasPrefix("550 5.7.23 SPF: 192.0.2.9 may not send"))
  }

  @Test(
    "fields in our name that a relay brings stay only above the hop where the mail came in",
    arguments: [
      ("from evil.example (mail.client.example [192.0.2.9]) by mx2.example.org", [3]),
      ("from laptop (mail.client.example [192.0.2.9]) by mx2.example.org with ESMTPA", [3]),
      ("garbage", [3]), ("from mx3 (mx3 [198.51.100.2]) by mx2", []),
    ] as [(MailText, [Int])])
  func relayedResults(_ hop: MailText, _ gone: [Int]) throws {
    let field: MailText = "mx.example.org; spf=pass"
    let conversation = Self.relayed("by mx2.example.org (Postfix, from userid 1000)")
      .header("Authentication-Results", field)
      .header("Authentication-Results", "other.example; spf=pass")
      .header("Received", hop).header("Authentication-Results", field)
    let result = try Self.run(conversation, map: "SPF-Fail: OK", network: Self.relay)
    #expect(Self.removed(result) == gone)
  }

  @Test("no number of forged fields hides one")
  func manyForgedFields() throws {
    let fields = Array(
      repeating: HeaderField(name: "Authentication-Results", rawValue: "mx.example.org; spf=pass"),
      count: 1500)
    let result = try Self.run(Self.conversation("pass.example").headers(fields))
    #expect(Self.removed(result).count == 1500)
  }

  static func removed(_ result: ConversationResult) -> [Int] {
    result.messages.last?.edits.compactMap { edit -> Int? in
      if case .changeHeader("Authentication-Results", let number, nil) = edit {
        number
      } else {
        nil
      }
    } ?? []
  }

  @Test(
    "relayed mail whose client cannot be read",
    arguments: [
      [],
      ["from mx3.example.org (mx3.example.org [198.51.100.2]) by mx2", "garbage"],
    ] as [[MailText]])
  func whatCannotBeReadIsSaid(_ received: [MailText]) throws {
    var conversation = Self.relayed()
    for value in received { conversation = conversation.header("Received", value) }
    let result = try Self.run(conversation, network: Self.relay)
    #expect(Self.reply(result) == "accepted")
    let notes = result.records.last?.decisions.compactMap(\.note) ?? []
    #expect(notes.contains { $0.hasPrefix("relayed, but from whom cannot be read: ") }, "\(notes)")
  }
}
