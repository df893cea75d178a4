// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// The table of the ancestor's SPF milter (its section 7.1): what becomes of which sender.
package enum AncestorSenderTable {
  /// The DNS that it is about.
  package static let zone = """
    example.com TXT "v=spf1 ip4:192.0.2.1"
    n.example.com TXT "v=spf1 ip4:192.0.2.1"
    fail.example.com TXT "v=spf1 ip4:192.0.2.2 -all"
    mail.example.com TXT "v=spf1 ip4:192.0.2.1 -all"
    bad.example.com TXT "v=spf1 a:192.0.2.1/bad"
    """
  /// Its access map.
  package static let map = """
    SPF-Neutral:example.com REJECT
    SMTP-Auth:good@example.com OK
    SMTP-Auth:example.com REJECT
    HELO-Neutral:example.com OK
    SPF-PermError:foo@bad.example.com OK
    SPF-PermError: REJECT
    SMTP-Auth:bad@localhost.localdomain REJECT

    """

  /// The configuration, with the access map at that path.
  package static func configuration(accessFile: String) -> String {
    """
    [helo]
    mode = enforce
    [sender]
    mode = enforce
    [spf]
    mode = enforce
    access_file = \(accessFile)
    """
  }

  /// One message.
  package struct Row: CustomStringConvertible, Sendable {
    package let client: String
    package var helo: MailText = "mail.random.com"
    package let sender: MailText
    package var user: MailText?
    /// How the reply begins; nil to continue.
    package let reply: String?
    package var description: String { "\(client) \(helo) \(sender) \(user ?? "")" }

    /// The message with its client.
    package var conversation: Conversation {
      var conversation = Conversation().client(client, "client.random.com").hello(helo)
      if let user { conversation = conversation.auth(user) }
      return conversation.from(sender).to()
    }
  }

  package static let rows = [
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
}
