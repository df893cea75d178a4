// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Testing

@Suite struct DomainNameTests {
  @Test(
    arguments: [
      ("example.org", "example.org", 2), ("example.org.", "example.org", 2), ("a", "a", 1),
      ("EXAMPLE.Org", "EXAMPLE.Org", 2), ("xn--bcher-kva.example", "xn--bcher-kva.example", 2),
      ("_spf.a-b.example", "_spf.a-b.example", 3), ("a b.example", #"a\032b.example"#, 2),
      (#"a\b.example"#, #"a\\b.example"#, 2), ("\u{7}.example", #"\007.example"#, 2),
      ("bücher.example", #"b\195\188cher.example"#, 2),
    ])
  func readsText(_ text: String, _ shown: String, _ labels: Int) throws {
    let name = try #require(DomainName(text))
    #expect(name.description == shown)
    #expect(name.labels.count == labels)
    let isFinal = text.hasSuffix(".")
    #expect(name.text == Array(text.utf8.prefix(text.utf8.count - (isFinal ? 1 : 0))))
  }

  static let longLabel = String(repeating: "x", count: 63)
  static let longest =
    Array(repeating: longLabel, count: 3).joined(separator: ".") + "."
    + String(repeating: "y", count: 61)

  @Test(
    "refuses what is no name",
    arguments: [
      "", ".", "..", ".a", "a..b", "a..", longLabel + "x.org", longest + "y", longest + ".z",
      String(repeating: "a.", count: 40_000), String(repeating: ".", count: 254),
    ])
  func refuses(_ text: String) { #expect(DomainName(text) == nil) }

  @Test(
    "a name of 253 bytes and labels of 63 are the longest", arguments: [longest, longest + "."])
  func longestName(_ text: String) throws {
    #expect(try #require(DomainName(text)).text.count == DomainName.longestText)
  }

  @Test(
    "a text spells the name that is made of it, and no other",
    arguments: [
      "example.org", "example.org.", "Example.ORG", "example.org..", ".example.org", "example..org",
      "example", "example.", "example.or", "example.orgx", "mail.example.org", "a.b", "a.b.", "a",
      "b", "", ".", "..", longest, longest + ".", longest + "y", "\u{E4}.example", "\u{C4}.example",
    ])
  func isSpelledByText(_ text: String) throws {
    let dotted = try #require(DomainName(labels: [Array("a.b".utf8)]))
    let names = [
      "example.org", "MAIL.example.org", "example", "a.b", "a", Self.longest, "ä.example",
    ]
    for name in names.compactMap({ DomainName($0) }) + [.root, dotted] {
      let isSame = DomainName(text) == name
      #expect(name.isSpelled(by: Array(text.utf8)) == isSame, "\(name)")
    }
  }

  @Test func comparesWithoutCaseOfASCII() throws {
    let name = try #require(DomainName("Mail.Example.ORG"))
    #expect(name == DomainName("mail.example.org"))
    #expect(name.hashValue == DomainName("mail.example.org")?.hashValue)
    #expect(name != DomainName("mail.example.net"))
    #expect(DomainName("ä.example") != DomainName("Ä.example"))
    #expect("\(name)" == "Mail.Example.ORG")
    #expect("\(name.lowercased)" == "mail.example.org")
  }

  @Test(
    arguments: [
      ("example.org", "example.org", true), ("a.b.example.org", "EXAMPLE.org", true),
      ("example.org", "a.example.org", false), ("notexample.org", "example.org", false),
      ("example.org", "org", true), ("example.net", "org", false),
      ("a.example.org", "b.org", false),
    ])
  func knowsWhatIsBelow(_ name: String, _ ancestor: String, _ expected: Bool) throws {
    let ancestor = try #require(DomainName(ancestor))
    #expect(try #require(DomainName(name)).isWithin(ancestor) == expected)
    #expect(try #require(DomainName(name)).isWithin(.root))
  }

  @Test func climbsToTheRoot() throws {
    var names: [String] = []
    var name = DomainName("a.b.example")
    while let current = name {
      names.append("\(current)")
      name = current.parent
    }
    #expect(names == ["a.b.example", "b.example", "example", "."])
    #expect(DomainName.root.isRoot)
  }

  @Test(
    arguments: [
      ("192.0.2.40", "40.2.0.192.in-addr.arpa"), ("::ffff:192.0.2.40", "40.2.0.192.in-addr.arpa"),
      (
        "2001:db8::cafe",
        "e.f.a.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
      ),
    ])
  func reversesAddresses(_ address: String, _ name: String) throws {
    #expect("\(DomainName(reverse: try #require(IPAddress(address))))" == name)
  }

  @Test func standsBelowAnother() throws {
    let name = try #require(DomainName("a.example"))
    #expect(
      name.below(try #require(DomainName("_spf.example.org")))
        == DomainName("a.example._spf.example.org"))
    #expect(name.below(try #require(DomainName(Self.longest))) == nil)
  }
}
