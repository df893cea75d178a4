// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Policies
import Policy
import TestSupport
import Testing

/// The table of the ancestor's SPF milter (its section 7.1).
struct AncestorSenderTests {
  static let zone = """
    example.com TXT "v=spf1 ip4:192.0.2.1"
    n.example.com TXT "v=spf1 ip4:192.0.2.1"
    fail.example.com TXT "v=spf1 ip4:192.0.2.2 -all"
    mail.example.com TXT "v=spf1 ip4:192.0.2.1 -all"
    bad.example.com TXT "v=spf1 a:192.0.2.1/bad"
    """
  static let map = """
    SPF-Neutral:example.com REJECT
    SMTP-Auth:good@example.com OK
    SMTP-Auth:example.com REJECT
    HELO-Neutral:example.com OK
    SPF-PermError:foo@bad.example.com OK
    SPF-PermError: REJECT
    SMTP-Auth:bad@localhost.localdomain REJECT
    """
  static let configuration = """
    [helo]
    mode = enforce
    [sender]
    mode = enforce
    [spf]
    mode = enforce
    access_file = /access
    """

  struct Row: CustomTestStringConvertible, Sendable {
    let client: String
    var helo: MailText = "mail.random.com"
    let sender: MailText
    var user: MailText?
    /// The reply's begin; nil to continue.
    let reply: String?
    var testDescription: String { "\(client) \(helo) \(sender) \(user ?? "")" }
  }

  static let rows = [
    Row(client: "192.0.2.1", sender: "<good@example.com>", reply: nil),
    Row(client: "192.0.2.2", sender: "<good@example.com>", reply: "550 5.7.23"),
    Row(client: "192.0.2.3", sender: "<whatever@random.com>", reply: nil),
    Row(client: "192.0.3.1", helo: "1.2.3.4", sender: "<a@random.com>", reply: "550 5.7.1"),
    Row(client: "192.0.3.1", helo: "example.com", sender: "<good@random.com>", reply: nil),
    Row(
      client: "192.0.3.1", helo: "n.example.com", sender: "<good@random.com>", reply: "550 5.7.23"),
    Row(
      client: "192.0.3.1", helo: "fail.example.com", sender: "<good@random.com>",
      reply: "550 5.7.23"),
    Row(client: "192.0.2.1", helo: "fail.example.com", sender: "<good@example.com>", reply: nil),
    Row(
      client: "192.0.2.2", helo: "mail.example.com", sender: "<good@fail.example.com>", reply: nil),
    Row(
      client: "192.0.2.2", helo: "bad.example.com", sender: "<good@example.com>",
      reply: "550 5.7.23"),
    Row(client: "192.0.2.1", sender: "<clueless@bad.example.com>", reply: "550 5.5.2"),
    Row(client: "192.0.2.1", sender: "<foo@bad.example.com>", reply: nil),
    Row(client: "192.0.3.1", sender: "<grief@example.com>", user: "good", reply: nil),
    Row(client: "192.0.2.1", sender: "<good@example.com>", user: "bad", reply: "550 5.7.1"),
    Row(client: "192.0.2.1", sender: "<good>", user: "bad", reply: "550 5.7.1"),
  ]

  @Test("the ancestor's table", arguments: rows)
  func meetsTheTable(_ row: Row) throws {
    var conversation = Conversation().client(row.client, "client.random.com").hello(row.helo)
    if let user = row.user { conversation = conversation.auth(user) }
    let result = try conversation.from(row.sender).to().run(
      Self.configuration, files: ["/access": Self.map], zone: Self.zone)
    let reply = result.records.last?.finalReply
    #expect(reply?.hasPrefix("\(row.reply ?? "none") ") ?? (row.reply == nil), "\(reply ?? "-")")
  }
}
