// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Testing

struct ReceivedFieldTests {
  /// Enough for a test: digits, dots and colons.
  static func isAddress(_ text: MailText) -> Bool {
    !text.isEmpty && text.bytes.contains { $0 == 0x2E || $0 == 0x3A }
      && text.bytes.allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x66).contains($0) || $0 == 0x2E || $0 == 0x3A
      }
  }

  static let rows: [(value: MailText, hello: MailText?, name: MailText?, address: MailText)] = [
    // Postfix
    (
      "from mail.example.com (mx.example.com [192.0.2.1])\r\n\tby relay (Postfix) with ESMTP id 1",
      "mail.example.com", "mx.example.com", "192.0.2.1"
    ),
    (
      "from x (unknown [IPv6:2001:db8::1]) by relay with ESMTP id 1", "x", nil, "2001:db8::1"
    ),
    // Sendmail
    (
      "from x.example.com (mx.example.com [192.0.2.1] (may be forged)) by relay", "x.example.com",
      "mx.example.com", "192.0.2.1"
    ),
    ("from x ([192.0.2.1]) by relay", "x", nil, "192.0.2.1"),
    (
      "from x (IDENT:evil[198.51.100.9]@mx.example.com [192.0.2.1]) by relay", "x",
      "mx.example.com",
      "192.0.2.1"
    ),
    (
      "from [198.51.100.9] (mx.example.com [192.0.2.1]) by relay", "[198.51.100.9]",
      "mx.example.com", "192.0.2.1"
    ),
    // Exim
    (
      "from mx.example.com ([192.0.2.1] helo=mail.example.com) by relay", "mail.example.com",
      "mx.example.com", "192.0.2.1"
    ),
    ("from [192.0.2.1] (helo=mail.example.com) by relay", "mail.example.com", nil, "192.0.2.1"),
    (
      "from mx.example.com ([192.0.2.1] helo=[198.51.100.9]) by relay", "[198.51.100.9]",
      "mx.example.com", "192.0.2.1"
    ),
    // Exchange, qmail
    (
      "from x.example.com (192.0.2.1) by relay (10.0.0.1) with Microsoft SMTP", "x.example.com",
      nil, "192.0.2.1"
    ),
    ("from unknown (HELO x) (192.0.2.1) by relay with SMTP", "unknown", nil, "192.0.2.1"),
  ]

  @Test("forms of MTAs", arguments: rows)
  func reads(_ row: (value: MailText, hello: MailText?, name: MailText?, address: MailText)) throws
  {
    let field = try #require(ReceivedField(parsing: row.value, isAddress: Self.isAddress))
    #expect(field.hello == row.hello)
    #expect(field.name == row.name)
    #expect(field.address == row.address)
  }

  @Test(
    "fields that name no client",
    arguments: [
      "", "by relay (Postfix, from userid 0) id 1; date", "(qmail 1 invoked by uid 0); date",
      "from", "from x", "from x by relay", "from localhost (localhost) by relay",
      "from x (mx.example.com [unknown]) by relay", "from x (mx [192.0.2.1] by relay",
      "from [192.0.2.1] by relay", "from x (192.0.2.1 by relay", "from x ([]) by relay",
    ] as [MailText])
  func refuses(_ value: MailText) {
    #expect(ReceivedField(parsing: value, isAddress: Self.isAddress) == nil)
  }

  @Test func anythingIsSurvived() {
    let alphabet = Array("a.=[](:) helo=\\\"@".utf8) + [0x00, 0xFF]
    var state: UInt64 = 7
    for _ in 0..<20_000 {
      var bytes = Array("from x (".utf8)
      for _ in 0..<Int(state >> 40 & 31) {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes.append(alphabet[Int(state >> 33) % alphabet.count])
      }
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let field = ReceivedField(parsing: MailText(bytes)) { $0.bytes.contains(0x2E) }
      #expect(field?.address.isEmpty != true)
    }
  }

  @Test(
    "mail that our users submit",
    arguments: [
      ("from x (mx.example.com [192.0.2.1]) by relay (Postfix) with ESMTPSA id 1", true),
      ("from x (mx.example.com [192.0.2.1]) (using TLSv1.3) by relay with esmtpa id 1", true),
      (
        "from x (mx.example.com [192.0.2.1])\r\n\t(authenticated bits=0)\r\n\tby relay (8.17) with UTF8SMTPSA id 1",
        true
      ),
      ("from [192.0.2.1] (helo=x) by relay via TCP with UTF8SMTPA (Exim) id 1", true),
      ("from x (mx.example.com [192.0.2.1]) by relay with ESMTPS id 1", false),
      ("from x (mx.example.com [192.0.2.1]) by relay id 1; with ESMTPA", false),
      ("from x (mx.example.com [192.0.2.1]) with ESMTPA by relay with ESMTP id 1", false),
      ("from x (mx.example.com [192.0.2.1] with ESMTPA) by relay with ESMTP id 1", false),
      ("from x (mx.example.com [192.0.2.1])", false),
    ] as [(MailText, Bool)])
  func submissions(_ value: MailText, _ isSubmission: Bool) throws {
    let field = try #require(ReceivedField(parsing: value, isAddress: Self.isAddress))
    #expect(field.isSubmission == isSubmission)
  }

  @Test(
    "hops within one host",
    arguments: [
      ("by relay (Postfix, from userid 1000) id 1; date", true),
      ("(qmail 4242 invoked by uid 1000); 21 Nov 2026", true),
      ("(qmail 4242 invoked from network); 21 Nov 2026", true),
      ("from x (x [192.0.2.1]) by relay", false), ("(qmail 1 invoked by x) from y", false),
      ("(a remark); date", false), ("", false), ("bystander", false),
    ] as [(MailText, Bool)])
  func withinHost(_ value: MailText, _ isWithin: Bool) {
    #expect(ReceivedField.isWithinHost(value) == isWithin)
  }
}
