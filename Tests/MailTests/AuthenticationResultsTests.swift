// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Testing

struct AuthenticationResultsTests {
  typealias Entry = AuthenticationResults.Entry
  typealias Property = AuthenticationResults.Property

  @Test func writesOneFieldFolded() {
    let results = AuthenticationResults(
      server: "mx.example.org",
      entries: [
        Entry(
          "spf", "pass", comment: "192.0.2.1 is authorised",
          [
            Property("smtp", "mailfrom", "ann@example.com"),
            Property("smtp", "helo", "mail.example.com"),
          ]),
        Entry("iprev", "pass", [Property("policy", "iprev", "2001:db8::1")]),
        Entry("auth", "pass", reason: "it knew", [Property("smtp", "auth", "a b")]),
      ])
    #expect(
      results.value.description
        == """
        mx.example.org;
        \tspf=pass (192.0.2.1 is authorised) smtp.mailfrom=ann@example.com
        \tsmtp.helo=mail.example.com;
        \tiprev=pass policy.iprev="2001:db8::1";
        \tauth=pass reason="it knew" smtp.auth="a b"
        """.replacing("\n", with: "\\x0A").replacing("\t", with: "\\x09"))
  }

  @Test func nothingWasChecked() {
    let results = AuthenticationResults(server: "mx.example.org", entries: [])
    #expect(results.value == "mx.example.org; none")
    #expect(AuthenticationResults(parsing: results.value) == results)
  }

  static let hostile: [(name: String, value: MailText)] = [
    ("empty", ""), ("space", "a b"), ("quote", #"a"b"#), ("backslash", #"a\"#),
    ("semicolon", "x; dkim=pass header.d=bank.example"), ("comment", "(a) b"),
    ("open comment", "(((("), ("equals", "a=b"), ("quoted local", #""a b"@example.org"#),
    ("UTF-8", "grün@exämple.com"), ("long", MailText(String(repeating: "x", count: 512))),
  ]

  @Test("whatever stands in a value reads back", arguments: hostile)
  func readsBack(_ name: String, _ value: MailText) throws {
    let results = AuthenticationResults(
      server: "mx.example.org",
      entries: [
        Entry("spf", "fail", reason: value, comment: value, [Property("smtp", "mailfrom", value)]),
        Entry("auth", "none"),
      ])
    #expect(AuthenticationResults(parsing: results.value) == results, "\(results.value)")
  }

  @Test(
    "what may not stand in a field is replaced",
    arguments: [
      ("a\r\nX-Evil: 1", "a??X-Evil: 1"), ("a\u{0}b", "a?b"), ("a\u{202E}b", "a?b"),
      ("\u{1B}[31m", "?[31m"),
    ])
  func replaces(_ value: String, _ kept: String) throws {
    let results = AuthenticationResults(
      server: "mx", entries: [Entry("spf", "fail", comment: MailText(value))])
    let read = try #require(AuthenticationResults(parsing: results.value))
    #expect(read.entries.first?.comment == MailText(kept))
    #expect(!results.value.bytes.contains(0x0D))
  }

  @Test func noLineIsTooLong() {
    let long = MailText(Array(repeating: UInt8(ascii: "\""), count: 5000))
    let results = AuthenticationResults(
      server: "mx",
      entries: [
        Entry(
          "spf", "fail", reason: long, comment: long,
          Array(repeating: Property("smtp", "mailfrom", long), count: 20))
      ])
    let lines = results.value.bytes.split(separator: 0x0A)
    #expect(lines.count > 20)
    // RFC 5322 §2.1.1: 998 without line end; a value of quotes alone doubles.
    #expect(lines.allSatisfy { $0.count <= 2 * AuthenticationResults.maximumValue + 40 })
  }

  /// RFC 8601 Appendix B, and what is seen in the wild.
  static let foreign: [(text: MailText, server: MailText, entries: [Entry])] = [
    ("example.org 1; none", "example.org", []),
    (
      "example.com;\r\n          spf=pass smtp.mailfrom=example.net", "example.com",
      [Entry("spf", "pass", [Property("smtp", "mailfrom", "example.net")])]
    ),
    (
      """
      example.com;
        auth=pass (cram-md5) smtp.auth=sender@example.net;
        spf=pass smtp.mailfrom=example.net
      """, "example.com",
      [
        Entry(
          "auth", "pass", comment: "cram-md5", [Property("smtp", "auth", "sender@example.net")]),
        Entry("spf", "pass", [Property("smtp", "mailfrom", "example.net")]),
      ]
    ),
    (
      #"""
      foo.example.net (foobar) 1 (baz);
          dkim (Because I like it) / 1 (One yay) = (wait for it) fail
            policy (A dot can go here) . (like that) expired
            (this surprised me) = (as I wasn't expecting it) 1362471462
      """#, "foo.example.net",
      [
        Entry(
          "dkim", "fail", comment: "this surprised me",
          [Property("policy", "expired", "1362471462")])
      ]
    ),
    (
      #"mx.google.com; dkim=pass header.i=@example.com header.s=s1 header.b="ab/c=="; "#,
      "mx.google.com",
      [
        Entry(
          "dkim", "pass",
          [
            Property("header", "i", "@example.com"), Property("header", "s", "s1"),
            Property("header", "b", "ab/c=="),
          ])
      ]
    ),
    (
      #"mx; auth=pass smtp.auth="a b"@example.org; iprev=fail reason="no PTR""#, "mx",
      [
        Entry("auth", "pass", [Property("smtp", "auth", "a b@example.org")]),
        Entry("iprev", "fail", reason: "no PTR"),
      ]
    ),
  ]

  @Test("fields of others", arguments: foreign)
  func readsFields(_ text: MailText, _ server: MailText, _ entries: [Entry]) throws {
    let read = try #require(AuthenticationResults(parsing: text))
    #expect(read.server == server)
    #expect(read.entries.map(\.method) == entries.map(\.method))
    #expect(read.entries.map(\.result) == entries.map(\.result))
    #expect(read.entries.map(\.reason) == entries.map(\.reason))
    #expect(read.entries.map(\.properties) == entries.map(\.properties))
  }

  @Test(
    "nonsense is no result",
    arguments: [
      "", ";", "mx; spf", "mx; spf=", "mx; spf=pass smtp.mailfrom", "mx; spf=pass x=y",
      "mx; spf=pass (open", #"mx; spf=pass reason="open"#, "(open mx; spf=pass", "mx;=pass",
      "mx; spf=pass smtp.=x", "mx; /1=pass",
    ] as [MailText])
  func refusesNonsense(_ text: MailText) {
    #expect(AuthenticationResults(parsing: text) == nil)
  }

  @Test(
    "who is named as who checked",
    arguments: [
      ("mx.example.org; spf=pass", true), ("MX.Example.ORG ; none", true),
      (" (c) mx.example.org 1; none", true), (#""mx.example.org"; none"#, true),
      ("mx.example.org", true), ("mx.example.org.; none", true), ("\n\tmx.example.org; none", true),
      ("mx.example.org(c); none", true), ("other; spf=pass smtp.helo=mx.example.org", false),
      ("xmx.example.org; none", false), ("mx.example.org.evil; none", false),
      ("other (mx.example.org); none", false),
      ("mx.example.org/1; spf=pass", true), ("mx.example.org=; spf=pass", true),
      ("mx.example.org@x; spf=pass", true), ("mx.example.org./; spf=pass", true),
      ("mx.example.org-2; spf=pass", false), ("mx.example.org.example; spf=pass", false),
      // Not readable, so that somebody may read it so.
      ("(open mx.example.org; spf=pass", true), ("other mx.example.org; spf=pass", true),
      (#""mx.example.org; spf=pass"#, true), ("(open other; mx.example.org", false),
      ("(;)mx.example.org(;)@; spf=pass", true), ("(;)mx.example.org(;)x; spf=pass", true),
    ] as [(MailText, Bool)])
  func claims(_ text: MailText, _ isOurs: Bool) {
    #expect(AuthenticationResults.claims(["mx.example.org"], in: text) == isOurs)
  }

  /// Bytes of every kind in any order: nothing traps, and what is read can be written and read.
  @Test func anythingIsSurvived() {
    let alphabet = Array("a.=;/\"\\() \t\r\n1@".utf8) + [0x00, 0xFF]
    var state: UInt64 = 1
    for _ in 0..<20_000 {
      var bytes: [UInt8] = Array("mx; spf=pass ".utf8)
      for _ in 0..<Int(state % 40) {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes.append(alphabet[Int(state >> 33) % alphabet.count])
      }
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      guard let read = AuthenticationResults(parsing: MailText(bytes)) else { continue }
      #expect(AuthenticationResults(parsing: read.value)?.entries.count == read.entries.count)
    }
  }
}
