// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import Foundation
import Glibc
import Mail
import TestSupport
import Testing

@testable import Access

struct AccessMapTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  func map(_ text: String) throws -> AccessMap {
    try AccessMap(AccessLocation("/access"), FakeFiles(["/access": text]))
  }

  /// The vectors of the ancestor's policy reader (its section 4.8).
  @Test(
    "the ancestor's vectors",
    arguments: [
      ("SMTP-Auth", "good@example.com", "OK"), ("SMTP-Auth", "bad@example.com", "REJECT"),
      ("SMTP-Auth", "bad@bad.example.com", nil), ("SMTP-Test", "any@random.com", "REJECT"),
      ("SMTP-Test", "foo@bar.baz.com", "WILDCARD"), ("smtp-test", "foo@baz.com", "REJECT"),
      ("SPF-Neutral", "a@example.com", "REJECT"), ("SPF-Neutral", "a@sub.example.com", nil),
      ("SPF-Neutral", "example.com", "REJECT"), ("SPF-None", "a@example.com", nil),
    ] as [(String, MailText, String?)])
  func policies(_ tag: String, _ identity: MailText, _ word: String?) throws {
    let map = try map(
      """
      # from the ancestor
      SPF-Neutral:example.com     REJECT
      SMTP-Auth:good@example.com  OK
      SMTP-Auth:example.com       REJECT
      SMTP-Test:                  REJECT
      SMTP-Test:.baz.com          WILDCARD
      """)
    #expect(map.policy(tag, identity)?.value.word == word)
  }

  @Test func triesTheKeysInOrder() throws {
    var keys: [MailText] = []
    let map = try map("x y")
    #expect(map.policy("SPF-Fail", "Ann@A.B.Example.com") { keys.append($0) } == nil)
    #expect(
      keys == [
        "spf-fail:ann@a.b.example.com", "spf-fail:a.b.example.com", "spf-fail:.b.example.com",
        "spf-fail:.example.com", "spf-fail:.com", "spf-fail:", "spf-fail",
      ])
  }

  @Test(arguments: [("HELO-Fail:", "HELO-Fail"), ("HELO-Fail", "HELO-Fail")])
  func aBareTagIsTheDefault(_ key: String, _ tag: String) throws {
    #expect(try map("\(key) OK").policy(tag, "mx.example.com")?.value == .ok)
  }

  @Test func theAncestorsOtherSeparator() throws {
    #expect(try map("SPF-Fail!example.com BAN").policy("SPF-Fail", "a@example.com")?.value == .ban)
  }

  @Test(
    "clients, as Sendmail looks them up",
    arguments: [
      ("192.0.2.9", "mx.example.com", "192.0.2"), ("192.0.3.1", "mx.example.com", nil),
      ("198.51.100.1", nil, "198.51.100.1"), ("2001:db8:1::1", nil, "ipv6:2001:db8:1"),
      ("192.0.3.1", "a.b.spam.example", "spam.example"),
      ("192.0.3.1", "a.dotted.example", ".dotted.example"), ("192.0.3.1", "dotted.example", nil),
      ("::ffff:192.0.2.9", nil, "192.0.2"), ("2001:db8:2::1", nil, "ipv6:2001:db8:2::1"),
      ("2001:DB8:3::1", nil, "ipv6:2001:db8:3:0:0:0:0:1"),
      ("2001:db8:4::9", nil, "ipv6:2001:db8:4:0:0"),
      ("2001:db8:5:6::9", nil, nil), ("192.0.3.1", "A.spam.example.", "spam.example"),
    ] as [(String, MailText?, MailText?)])
  func clients(_ address: String, _ name: MailText?, _ key: MailText?) throws {
    let map = try map(
      """
      Connect:192.0.2 REJECT
      Connect:198.51.100.1 OK
      Connect:IPv6:2001:db8:1 REJECT
      Connect:spam.example REJECT
      Connect:.dotted.example REJECT
      Connect:IPv6:2001:db8:2::1 REJECT
      Connect:IPv6:2001:db8:3:0:0:0:0:1 REJECT
      Connect:IPv6:2001:db8:4:0:0 REJECT
      Connect:IPv6:2001:db8:5:0 REJECT
      """)
    let hit = map.client(address: address, name: name)
    #expect(hit?.key == key.map { MailText(Array("connect:".utf8) + $0.bytes) })
  }

  @Test(
    "mailboxes, as Sendmail looks them up",
    arguments: [
      ("<ann@example.com>", "from:ann@example.com"), ("<bob@example.com>", "from:example.com"),
      ("<bob@sub.example.com>", "from:example.com"), ("<root@other.example>", "from:root@"),
      ("<bob@other.example>", nil), ("<>", "from:<>"),
    ] as [(MailText, MailText?)])
  func mailboxes(_ path: MailText, _ key: MailText?) throws {
    let map = try map(
      "From:ann@example.com OK\nFrom:example.com REJECT\nFrom:root@ REJECT\nFrom:<> OK\n")
    #expect(map.mailbox("From", Mailbox(envelope: path))?.key == key)
  }

  @Test("entries without a tag are for clients and senders")
  func untagged() throws {
    let map = try map(
      "x.org REJECT\n203.0.113 REJECT\nIPv6:2001:db8 REJECT\nann@y.org REJECT\nFrom:x.org OK\n")
    #expect(map.client(address: "192.0.2.1", name: "mail.x.org")?.key == "x.org")
    #expect(map.client(address: "203.0.113.7", name: nil)?.key == "203.0.113")
    #expect(map.client(address: "2001:db8::1", name: nil)?.key == "ipv6:2001:db8")
    #expect(map.mailbox("From", Mailbox(envelope: "<ann@y.org>"))?.key == "ann@y.org")
    // With the tag comes first.
    #expect(map.mailbox("From", Mailbox(envelope: "<bob@x.org>"))?.key == "from:x.org")
    #expect(map.mailbox("To", Mailbox(envelope: "<ann@y.org>")) == nil)
  }

  @Test("words that are none are said with their line")
  func unknownWords() throws {
    let map = try map(
      """
      SPF-Fail:a.example ERROR:"999 bad"
      SPF-Fail:b.example ERROR:"550 4.7.1 x"
      HELO-None: PERHAPS
      From:c.example WHENEVER
      TLS_Srv:d.example VERIFY:112
      e.example FRIEND
      SPF-Pass:f.example BAN
      """)
    #expect(
      map.faults.map { $0.prefix(10) } == ["/access:1:", "/access:2:", "/access:3:", "/access:4:"])
    #expect(
      map.faults.first
        == #"/access:1: "ERROR:"999 bad"" is no word of the access map: it counts as REJECT"#)
    #expect(map.firstPlace(of: "BAN") == "/access:7")
    #expect(map.firstPlace(of: "CBV") == nil)
  }

  @Test(
    "what entries say",
    arguments: [
      ("OK", .ok), ("ok ", .ok), ("RELAY", .skip), ("DUNNO", .skip), ("reject", .reject),
      ("CBV", .cbv),
      ("WILDCARD", .unknown("WILDCARD")), ("", .unknown("")), ("OBSERVE", .observe),
      ("DISCARD", .discard), ("TEMPFAIL", .tempfail), ("BAN", .ban), ("600 no", .unknown("600 no")),
      ("ERROR:\"550 4.7.1 no\"", .unknown("ERROR:\"550 4.7.1 no\"")),
      ("ERROR:\"999 no\"", .unknown("ERROR:\"999 no\"")), ("ERROR:250 x", .unknown("ERROR:250 x")),
    ] as [(MailText, AccessValue)])
  func values(_ text: MailText, _ value: AccessValue) {
    #expect(AccessValue(text) == value)
  }

  @Test(
    "replies of the administrator",
    arguments: [
      ("ERROR:\"550 5.7.1 Go away\"", "550 5.7.1 Go away"), ("ERROR:Go away", "550 5.7.1 Go away"),
      ("ERROR:5.7.13:550 Go away", "550 5.7.13 Go away"), ("450 4.3.2 Later", "450 4.3.2 Later"),
      ("451 Later", "451 4.7.1 Later"), ("ERROR:\"4.2.0 Later\"", "451 4.2.0 Later"),
      ("ERROR:", "550 5.7.1 Refused by our policy"), ("554", "554 5.7.1 Refused by our policy"),
    ] as [(MailText, String)])
  func replies(_ text: MailText, _ reply: String) throws {
    guard case .error(let read) = AccessValue(text) else {
      Issue.record("\(text) is \(AccessValue(text))")
      return
    }
    #expect(read.description == reply)
  }

  // MARK: files

  @Test func aBadLineCostsThatLine() throws {
    let map = try map("SPF-Fail:a OK\nalone\n\u{7}x OK\n  # comment\n\nSPF-Fail:b OK\r\n")
    #expect(map.count == 2)
    #expect(map.faults.map { $0.prefix(10) } == ["/access:2:", "/access:3:"])
    #expect(map.policy("SPF-Fail", "b")?.value == .ok)
  }

  @Test func garbageIsToldInTenLines() throws {
    let map = try map(String(repeating: "garbage\n", count: 5000))
    #expect(map.count == 0 && map.faults.count == 11)
    #expect(map.faults.last == "/access: and 4990 more bad lines")
  }

  @Test("a file that cannot be read", arguments: ["text:/", "hash:/.db", "cdb:/.cdb"])
  func anUnreadableFileIsSaid(_ name: String) throws {
    let failure = #expect(throws: AccessTrouble.self) {
      try AccessMap(AccessLocation(name), SystemFiles())
    }
    #expect(failure?.description.hasPrefix(AccessLocation(name).path) == true)
  }

  @Test(arguments: ["/none", "hash:/none", "cdb:/none", "lmdb:/none"])
  func aMissingFileIsSaid(_ name: String) throws {
    let error = #expect(throws: AccessTrouble.self) {
      try AccessMap(AccessLocation(name), FakeFiles([:]))
    }
    #expect(error?.description.contains("/none") == true)
  }

  @Test(
    "where a map is",
    arguments: [
      ("/etc/mail/access", "text:/etc/mail/access"),
      ("/etc/mail/access.db", "hash:/etc/mail/access.db"),
      ("hash:/etc/postfix/access", "hash:/etc/postfix/access.db"), ("cdb:/a", "cdb:/a.cdb"),
      ("lmdb:/a.lmdb", "lmdb:/a.lmdb"), ("text:/a.db", "text:/a.db"),
    ])
  func locations(_ text: String, _ read: String) {
    #expect(AccessLocation(text).description == read)
  }

  /// Maps made by the libraries' own tools, with and without the NUL that Postfix puts behind.
  func make(_ kind: AccessLocation.Kind, _ entries: [(String, String)]) throws -> String {
    let path = folder.path("access.\(kind == .hash ? "db" : kind.rawValue)")
    var arguments: [String]
    var input: String
    switch kind {
    case .text: return path
    case .cdb:
      arguments = ["cdb", "-c", path]
      input = entries.map { "+\($0.utf8.count),\($1.utf8.count):\($0)->\($1)\n" }.joined() + "\n"
    case .hash, .lmdb:
      arguments = kind == .hash ? ["db_load", path] : ["mdb_load", "-n", path]
      let hex = { (text: String) in text.utf8.map { String(format: "%02x", $0) }.joined() }
      input = "VERSION=3\nformat=bytevalue\ntype=\(kind == .hash ? "hash" : "btree")\nHEADER=END\n"
      input += entries.map { " \(hex($0))\n \(hex($1))\n" }.joined() + "DATA=END\n"
    }
    let source = folder.path("input")
    try Data(input.utf8).write(to: URL(filePath: source))
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments
    process.standardInput = try FileHandle(forReadingFrom: URL(filePath: source))
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return "\(kind.rawValue):\(path)"
  }

  @Test("maps of the MTAs", arguments: [AccessLocation.Kind.hash, .cdb, .lmdb])
  func databases(_ kind: AccessLocation.Kind) throws {
    var entries = (0..<3000).map { ("spf-fail:d\($0).example", "OK") }
    entries += [
      ("helo-fail:a.example\u{0}", "REJECT\u{0}"), ("From:B.example", "ERROR:5.7.1:550 x"),
    ]
    let map = try AccessMap(AccessLocation(try make(kind, entries)), FakeFiles([:]))
    #expect(map.count == 3002)
    #expect(map.policy("SPF-Fail", "x@d2999.example")?.value == .ok)
    #expect(map.policy("HELO-Fail", "a.example")?.value == .reject)
    #expect(
      map.mailbox("From", Mailbox(envelope: "<x@b.example>"))?.value.word.contains("550") == true)
    #expect(!map.refresh())
  }

  @Test("files that are no map, or damaged", arguments: [AccessLocation.Kind.hash, .cdb, .lmdb])
  func damagedDatabases(_ kind: AccessLocation.Kind) throws {
    let location = AccessLocation(
      try make(kind, (0..<500).map { ("key\($0)", String(repeating: "v", count: 100)) }))
    let whole = try Data(contentsOf: URL(filePath: location.path))
    let rest = folder.path("damaged.\(kind.rawValue)")
    for length in [0, 1, 100, 2048, 4096, whole.count / 2] {
      try whole.prefix(length).write(to: URL(filePath: rest))
      _ = try? AccessMap(AccessLocation("\(kind.rawValue):\(rest)"), FakeFiles([:]))
    }
    try Data("spf-fail:example.com OK\n".utf8).write(to: URL(filePath: rest))
    #expect(throws: AccessTrouble.self) {
      try AccessMap(AccessLocation("\(kind.rawValue):\(rest)"), FakeFiles([:]))
    }
  }

  /// libdb turns in circles and liblmdb crashes on some of these: in a process of its own.
  @Test("bytes changed at random", arguments: [AccessLocation.Kind.hash, .cdb, .lmdb])
  func brokenDatabases(_ kind: AccessLocation.Kind) throws {
    let location = AccessLocation(
      try make(kind, (0..<500).map { ("key\($0)", String(repeating: "v", count: 60)) }))
    let whole = try Data(contentsOf: URL(filePath: location.path))
    let random = FakeRandom()
    var read = 0
    for _ in 0..<60 {
      var bytes = whole
      for _ in 0..<4 {
        // Where tables describe themselves, and anywhere.
        let limit = random.next() % 2 == 0 ? whole.count : 300
        bytes[Int(random.next() % UInt64(limit))] = UInt8(truncatingIfNeeded: random.next())
      }
      try bytes.write(to: URL(filePath: location.path))
      read += (try? AccessMap(location, FakeFiles([:]))) == nil ? 0 : 1
    }
    #expect(read < 60)
  }

  @Test func aChangedFileIsReadAgain() throws {
    let path = folder.path("access")
    try Data("SPF-Fail: OK\n".utf8).write(to: URL(filePath: path))
    let map = try AccessMap(AccessLocation(path), SystemFiles())
    #expect(!map.refresh())
    try Data("SPF-Fail: REJECT\n".utf8).write(to: URL(filePath: path))
    #expect(map.refresh())
    #expect(map.policy("SPF-Fail", "a")?.value == .reject)
    // Lost, it goes on as it was, and says so.
    try FileManager.default.removeItem(atPath: path)
    #expect(!map.refresh())
    #expect(map.policy("SPF-Fail", "a")?.value == .reject)
    #expect(map.trouble?.contains(path) == true)
    try Data("SPF-Fail: BAN\n".utf8).write(to: URL(filePath: path))
    #expect(map.refresh())
    #expect(map.trouble == nil)
    #expect(map.policy("SPF-Fail", "a")?.value == .ban)
  }

  @Test func aMapThatIsBeingRewrittenIsLeftAlone() throws {
    let location = AccessLocation(try make(.hash, [("spf-fail:", "OK")]))
    let map = try AccessMap(location, FakeFiles([:]))
    let writer = open(location.path, O_RDWR)
    defer { close(writer) }
    #expect(flock(writer, LOCK_EX) == 0)
    #expect(ftruncate(writer, 0) == 0)
    #expect(!map.refresh())
    #expect(map.trouble?.contains("being rewritten") == true)
    #expect(map.policy("SPF-Fail", "a")?.value == .ok)
  }

  @Test func longNamesCostLittle() throws {
    let map = try map("SPF-Fail: OK")
    var keys = 0
    let long = MailText(String(repeating: "a.", count: 50_000) + "example")
    #expect(map.policy("SPF-Fail", long) { _ in keys += 1 }?.value == .ok)
    #expect(keys < 200)
  }
}
