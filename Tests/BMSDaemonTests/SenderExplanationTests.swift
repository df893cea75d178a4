// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Mail
import Policies
import Policy
import Store
import TestSupport
import Testing

/// What `bmsd explain` says of senders that are refused or let in.
struct SenderExplanationTests {
  static let zone = """
    fail.example TXT "v=spf1 -all"
    observed.example TXT "v=spf1 -all"
    softfail.example TXT "v=spf1 ~all"
    neutral.example TXT "v=spf1 ?all"
    pass.example TXT "v=spf1 ip4:192.0.2.1 -all"
    permerror.example TXT "v=spf1 include:"
    temperror.example SERVFAIL
    9.2.0.192.in-addr.arpa PTR mail.named.example
    mail.named.example A 192.0.2.9
    """
  static let map = """
    SPF-Pass:pass.example REJECT
    SPF-None:named.example REJECT
    SPF-Fail:observed.example OBSERVE
    From:drop.example DISCARD
    From:good.example WHITELIST
    From:bad.example REJECT
    SMTP-Auth:example.com REJECT
    """

  func explain(_ conversation: Conversation, _ more: String = "") throws -> String {
    let result = try conversation.run(
      """
      [network]
      internal_connect = 127.0.0.0/8, 10.0.0.0/8
      [sender]
      mode = enforce
      internal_domains = ours.example
      internal_mta = 10.0.0.1
      [spf]
      mode = enforce
      access_file = /access
      \(more)
      """, files: ["/access": Self.map], zone: Self.zone)
    let entry = TrailEntry(try #require(result.records.last))
    return Explanation(entry, ReasonBook(BMSDaemon.pipeline), .utc).lines.joined(separator: "\n")
  }

  func from(_ domain: String, _ ip: String = "192.0.2.1") -> Conversation {
    Conversation().client(ip, "client.example.com").from(MailText("<ann@\(domain)>")).to()
  }

  static let rows: [(domain: String, more: String, sentence: String)] = [
    (
      "fail.example", "",
      "SPF: the sender's domain says that this client may not send for it "
        + "(ann@fail.example from 192.0.2.1, -all)."
    ),
    (
      "softfail.example", "reject_neutral = softfail.example",
      "SPF: the sender's domain says that this client probably may not send for it "
        + "(ann@softfail.example from 192.0.2.1, ~all)."
    ),
    (
      "neutral.example", "reject_neutral = neutral.example",
      "SPF: the sender's domain does not say that this client may send for it "
        + "(ann@neutral.example from 192.0.2.1, ?all)."
    ),
    (
      "pass.example", "",
      "SPF authorises the client, but the access map refuses the domain "
        + "(ann@pass.example from 192.0.2.1, ip4:192.0.2.1, spf-pass:pass.example REJECT)."
    ),
    (
      "permerror.example", "",
      "The SPF record of the sender's domain is faulty (ann@permerror.example from 192.0.2.1)."
    ),
    (
      "temperror.example", "",
      "DNS did not answer about SPF of the sender's domain (ann@temperror.example from 192.0.2.1)."
    ),
    (
      "ours.example", "",
      "A stranger used a domain of ours, which has no SPF record that allows it "
        + "(ann@ours.example from 192.0.2.1)."
    ),
    (
      "nothing.example", "reject_noptr = yes",
      "The sender has nothing to show: no PTR name of its own, no SPF record, no HELO name that SPF "
        + "passes (ann@nothing.example from 192.0.2.1)."
    ),
    ("bad.example", "", "The access map refuses it: from:bad.example REJECT."),
    ("good.example", "", "The access map lets it in: from:good.example WHITELIST."),
    ("drop.example", "", "The access map drops it: from:drop.example DISCARD."),
  ]

  @Test("sentences", arguments: rows)
  func says(_ row: (domain: String, more: String, sentence: String)) throws {
    let text = try explain(from(row.domain), row.more)
    #expect(text.contains("    \(row.sentence)\n"), "\(text)")
  }

  @Test func aHeloNameThatIsNotItsOwn() throws {
    let text = try explain(
      Conversation().hello("fail.example").from("<ann@nothing.example>").to())
    #expect(
      text.contains(
        "    SPF: the client may not use its HELO name (fail.example from 192.0.2.1).\n")
    )
  }

  @Test func whatTheMapOnlyObserves() throws {
    let text = try explain(from("observed.example"))
    #expect(
      text.contains("would have refused it, but an entry OBSERVE has it recorded only"), "\(text)")
  }

  @Test func whatTheMapSaysOfSendersWithoutARecord() throws {
    #expect(
      try explain(from("named.example", "192.0.2.8")).contains(
        "    The sender has nothing to show: no PTR name of its own, no SPF record, no HELO name "
          + "that SPF passes (ann@named.example from 192.0.2.8, spf-none:named.example REJECT).\n"))
    let text = try explain(from("fail.example", "192.0.2.1"), "trusted_forwarder = pass.example")
    #expect(
      text.contains(
        "    The client forwards for a trusted forwarder (pass.example from 192.0.2.1).\n"),
      "\(text)")
  }

  @Test func ourOwnClientsAndUsers() throws {
    #expect(
      try explain(from("other.example", "10.0.0.7")).contains(
        "    A client of ours sent from a domain that is not ours, other.example: it may be taken "
          + "over.\n"))
    let bounce = Conversation().client("10.0.0.7", "pc.ours.example").from("<>").to()
    #expect(
      try explain(bounce).contains(
        "    A client of ours that is no mail server sent a bounce: 10.0.0.7.\n"))
    let user = Conversation().auth("joe").from("<ann@example.com>").to()
    #expect(
      try explain(user).contains(
        "    The user may not send from this address by the access map: "
          + "smtp-auth:example.com REJECT.\n"))
  }

  @Test func saysWhatWouldLetItThrough() throws {
    #expect(
      try explain(from("fail.example")).hasSuffix(
        """
        To let such mail through:
            bmsd allow add 192.0.2.1 --skip spf
        or set [spf] mode = observe
        """))
  }
}
