// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Testing

@Suite struct MailboxTests {
  @Test(
    arguments: [
      ("<user@example.com>", "user", "example.com"), ("user@example.com", "user", "example.com"),
      ("\"user@example.com\"", "user@example.com", nil),
      ("\"user@bar\"@example.com", "user@bar", "example.com"), ("foo", "foo", nil),
      ("@mx.example.com:user@example.com", "user", "example.com"),
      ("@user@example.com", "@user", "example.com"),
      ("<@a.example,@b.example:user@c.example>", "user", "c.example"),
      ("<@[IPv6:2001:db8::1],@b:user@c>", "user", "c"), ("<@a:\"x:y\"@c>", "x:y", "c"),
      ("<user@[192.0.2.1]>", "user", "[192.0.2.1]"),
      ("<user@[IPv6:2001:db8::1]>", "user", "[IPv6:2001:db8::1]"),
      ("<a@b@c>", "a@b", "c"), ("<\"a b\"@c>", "a b", "c"), ("<\"a\\\"b\\\\\"@c>", "a\"b\\", "c"),
      ("<postmaster>", "postmaster", nil), ("<Über@exämple.org>", "Über", "exämple.org"),
      ("<\"\"@c>", "", "c"), ("<@c>", "", "c"),
      // Beyond the grammar: opaque, or split at the last "@".
      ("<user@>", "user@", nil), ("<@>", "@", nil), ("@", "@", nil), ("<", "<", nil),
      (">", ">", nil), ("<\">", "\"", nil), ("<\"abc@dom>", "\"abc", "dom"),
      ("<\"a\"b@c>", "\"a\"b", "c"), ("<\"a\"@b@c>", "\"a\"@b", "c"), ("\"\\", "\"\\", nil),
      ("<@a,b:c@d>", "@a,b:c", "d"), ("<@a,:c@d>", "@a,:c", "d"), ("<@[a:b@c>", "@[a:b", "c"),
      ("<<a@b>>", "<a", "b>"), ("<a@b", "<a", "b"), (" <a@b>", " <a", "b>"),
      ("\"a\"@", "\"a\"@", nil), ("<@:a@b>", "@:a", "b"),
    ] as [(String, String, String?)])
  func parses(_ text: String, _ localPart: String, _ domain: String?) {
    let mailbox = Mailbox(envelope: MailText(text))
    #expect(mailbox.localPart == MailText(localPart))
    #expect(mailbox.domain == domain.map { MailText($0) })
    #expect(!mailbox.isNull)
  }

  @Test(arguments: ["<>", "", "\"\""])
  func knowsTheNullPath(_ text: String) {
    let mailbox = Mailbox(envelope: MailText(text))
    #expect(mailbox.isNull)
    #expect(mailbox.description == "<>")
  }

  @Test func comparesDomainsWithoutCase() {
    let one = Mailbox(envelope: "<User@Example.ORG>")
    #expect(one == Mailbox(envelope: "User@example.org"))
    #expect(one.hashValue == Mailbox(envelope: "User@example.org").hashValue)
    #expect(one != Mailbox(envelope: "user@example.org"))
    #expect(Mailbox(envelope: "<a@É>") != Mailbox(envelope: "<a@é>"))
    #expect(Mailbox(envelope: "a") != Mailbox(localPart: "a", domain: ""))
  }

  @Test(
    arguments: [
      ("<user@example.com>", "user@example.com"), ("<\"a b\"@c>", "\"a b\"@c"),
      ("<\"ab\"@c>", "ab@c"), ("<\"a\\\"b\"@c>", "\"a\\\"b\"@c"), ("<a@b@c>", "\"a@b\"@c"),
      ("<.a@c>", "\".a\"@c"), ("<a..b@c>", "\"a..b\"@c"), ("<postmaster>", "postmaster"),
      ("<@c>", "\"\"@c"), ("<user@>", "\"user@\""), ("<\"\"@c:d>", "\"\"@c:d"),
    ])
  func printsAndReadsBack(_ text: String, _ expected: String) {
    let mailbox = Mailbox(envelope: MailText(text))
    #expect(mailbox.address == MailText(expected))
    #expect(Mailbox(envelope: mailbox.address) == mailbox)
  }

  @Test func keepsBytes() {
    let mailbox = Mailbox(envelope: MailText([0x3C, 0xE9, 0x00, 0x40, 0xFF, 0x3E]))
    #expect(mailbox.localPart.bytes == [0xE9, 0x00])
    #expect(mailbox.domain?.bytes == [0xFF])
  }

  @Test(
    "fault 36: huge addresses",
    arguments: ["a", "@", "@a,", "\"", "\\", "\"\\", "<", "[", ":", "@["])
  func survivesHugeInput(_ piece: String) {
    let text = String(repeating: piece, count: 10_240 / piece.utf8.count)
    for shape in [text, "<\(text)>", "<\"\(text)@x>", "<@\(text):a@b>", "<a@\(text)>"] {
      let mailbox = Mailbox(envelope: MailText(shape))
      #expect(!mailbox.isNull)
      _ = mailbox.description
    }
  }

  @Test(
    "a final dot of the domain is none of its name",
    arguments: [
      ("<ann@example.org.>", "ann@example.org"), ("<ann@example.org..>", "ann@example.org"),
      ("<\"a b\"@example.org.>", "\"a b\"@example.org"), ("<ann@.>", "ann@."),
      ("<ann.@example.org>", "\"ann.\"@example.org"),
    ] as [(MailText, MailText)])
  func finalDots(_ path: MailText, _ address: MailText) {
    let mailbox = Mailbox(envelope: path)
    #expect(mailbox.address == address)
    #expect(Mailbox(envelope: mailbox.address) == mailbox)
  }
}
