// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Environment
import GRDB
import Mail
import Policies
import Policy
import Quarantine
import Store
import TestSupport
import Testing
import Foundation

/// A fact that a module after the release saw.
struct Witness: PolicyModule {
  struct Options: Section {
    static let name = "witness"
    static let summary = "For tests"
    init() {}
  }
  static var reads: [any Fact.Type] { [ReleasedFact.self] }
  static var yieldsToAccept: Bool { false }
  init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
  func makeSession() -> Session { Session() }
  final class Session: MessageStage {
    func message(_ t: Transaction) -> Verdict {
      let released = t[ReleasedFact.self].map { "\($0.direction) \($0.reference)" } ?? "no"
      t.note("\(released), \(t[ClientClassFact.self]?.words ?? "")")
      return .proceed
    }
  }
}

struct ReleasePolicyTests {
  static let reference = "K7Q2M9XA4T"
  static let fields = [
    HeaderField(name: "Received", rawValue: " from x by y"),
    HeaderField(name: "Authentication-Results", rawValue: " mx.example.org; spf=pass"),
    HeaderField(name: "X-BMS-Release", rawValue: " v=1; forged long ago"),
    HeaderField(name: "MIME-Version", rawValue: " 1.0"),
    HeaderField(name: "Content-Type", rawValue: " application/x-dosexec; name=\"a.exe\""),
  ]
  static let body = "MZ\r\n\r\n"

  let home: TemporaryFolder
  let site: Site
  let quarantine: FileQuarantine

  init() throws {
    let home = try TemporaryFolder()
    var made: FileQuarantine?
    site = try Site(
      "[store]\n[quarantine]\n[defang]\nmode = enforce\ndirection = any\n[auth_results]\n",
      modules: Site.realPipeline + [Witness.self]
    ) { services in
      let store = try StateStore(path: home.path("bms.db"), time: services.time)
      let quarantine = FileQuarantine(
        folder: SystemFolder(home.path), store: store, random: services.random)
      services.quarantine = QuarantineKeeper(quarantine)
      services.releases = quarantine
      made = quarantine
    }
    self.home = home
    quarantine = try #require(made)
    let mail = KeptMail(
      reference: Self.reference, time: 0, sender: "<a@example.com>",
      recipients: ["<b@example.org>"],
      clientClass: "external trusted ptr=dynamic",
      direction: "incoming", module: "defang", reason: "why", size: 0, digest: "")
    try quarantine.keep([[1]], as: mail, by: Deadline(.seconds(9), site.time))
  }

  func token() throws -> MailText {
    let message = EditedMessage(headers: Self.fields, body: Array(Self.body.utf8))
    return try quarantine.authorise(
      .init(
        reference: Self.reference, form: "original", caller: "root (uid 0)", reason: "asked for"),
      message, to: ["b@example.org"], within: .seconds(1)
    ).token.value
  }

  func conversation(
    _ token: MailText, fields: [HeaderField] = fields, body: String = body,
    to recipients: [MailText] = ["<b@example.org>"]
  ) -> Conversation {
    Conversation().localClient().from("<a@example.com>").to(recipients)
      .header("x-bms-release", MailText(token.bytes.filter { $0 != 0x0D }))
      .headers(fields).header("Message-Id", "<added@by.the.mta>")
      .body(MailText(body))
  }

  static let removals: [Edit] = [
    .changeHeader(name: "X-BMS-Release", occurrence: 2, value: nil),
    .changeHeader(name: "X-BMS-Release", occurrence: 1, value: nil),
  ]

  func note(of module: String) -> String? {
    site.trail.records.last?.decisions.last { $0.module == module && $0.stage == .message }?.note
  }

  func expectJudged(_ result: ConversationResult, _ fault: String) {
    let edits = result.message.edits
    #expect(edits.filter { Self.removals.contains($0) } == Self.removals)
    #expect(edits.count > Self.removals.count, "not defanged")
    #expect(note(of: "quarantine") == "X-BMS-Release removed: the token is \(fault)")
    #expect(note(of: "witness")?.hasPrefix("no, internal loopback") == true)
  }

  @Test func passesOnceAsWhatItWas() throws {
    let token = try token()
    let result = try conversation(token).run(on: site)
    #expect(result.message.edits == Self.removals)
    #expect(
      note(of: "witness") == "incoming K7Q2M9XA4T, external trusted ptr=dynamic")
    let decision = try #require(
      result.decisions.first { $0.module == "quarantine" && $0.verdict != .proceed })
    #expect(decision.verdict.reason?.code == "released")
    #expect(
      decision.verdict.reason?.detail
        == "K7Q2M9XA4T as original by root (uid 0): asked for")
    expectJudged(try conversation(token).run(on: site), "used")
  }

  @Test func isWorthNothingLater() throws {
    let token = try token()
    site.time.advance(by: .seconds(3601))
    expectJudged(try conversation(token).run(on: site), "expired")
  }

  @Test func isWorthNothingForAnythingElse() throws {
    let token = try token()
    expectJudged(try conversation(token, body: "MZ\r\nx\r\n").run(on: site), "other-message")
    expectJudged(
      try conversation(token, to: ["<b@example.org>", "<c@example.org>"]).run(on: site),
      "other-recipients")
    expectJudged(
      try conversation(token, fields: Self.fields.reversed()).run(on: site), "other-message")
    #expect(try conversation(token).run(on: site).message.edits == Self.removals)
  }

  @Test func cannotBeForged() throws {
    let good = try token().description.replacing("\\x0D\\x0A", with: "")
    let zeros = String(repeating: "0", count: 64)
    let known = try #require(good.range(of: "mac="))
    expectJudged(
      try conversation(MailText(good[..<known.upperBound] + zeros)).run(on: site), "forged")
    let id = try #require(good.range(of: "id="))
    let unknown = good[..<id.upperBound] + zeros.prefix(32) + good[id.upperBound...].dropFirst(32)
    expectJudged(try conversation(MailText(String(unknown))).run(on: site), "unknown")
    expectJudged(try conversation("let me in").run(on: site), "unreadable")
    #expect(
      try conversation(MailText(good)).run(on: site).message.edits == Self.removals)
  }

  /// Without the index nobody knows; whoever sent it tries again.
  @Test func isDeferredWhileTheIndexIsLocked() throws {
    let token = try token()
    let other = try DatabaseQueue(path: home.path("bms.db"))
    try other.writeWithoutTransaction { db in
      try db.execute(sql: "BEGIN IMMEDIATE")
      let result = try conversation(token).run(on: site)
      #expect(result.message.end.reply?.hasPrefix("451 4.3.0") == true)
      try db.execute(sql: "ROLLBACK")
    }
    site.time.advance(by: .seconds(2))
    #expect(try conversation(token).run(on: site).message.edits == Self.removals)
  }

  @Test func leavesOtherMailAlone() throws {
    let result = try Conversation().localClient().from().to().header("Subject", "x").body("y\r\n")
      .run(on: site)
    #expect(result.message.edits == [])
    #expect(note(of: "quarantine") == nil)
  }

  /// What the filter itself keeps can be released: class, direction and parts are remembered.
  @Test func keepsWhatDefangTakesOut() throws {
    let result = try Conversation().from("<a@example.com>").to("<b@example.org>")
      .header("Subject", "kept").headers(Array(Self.fields.dropFirst(3))).body(MailText(Self.body))
      .run(on: site)
    #expect(!result.message.edits.isEmpty)
    let mail = try #require(
      try quarantine.store.kept(limit: 10).first { $0.reference != Self.reference })
    #expect(mail.subject == "kept" && mail.direction == "incoming" && mail.module == "defang")
    #expect(mail.sender == "<a@example.com>" && mail.recipients == ["<b@example.org>"])
    #expect(mail.clientClass == "external ptr=present")
    #expect(mail.parts.map(\.name) == ["a.exe"])
    #expect(mail.parts.first?.digest.count == 64)
    let original = String(decoding: try quarantine.content(of: mail), as: UTF8.self)
    #expect(original.hasPrefix("Subject: kept\r\n") && original.hasSuffix("\r\n\r\n" + Self.body))
  }

  /// What an index entry can be is limited, whatever a message is made of: it has to fit into a line
  /// of the control socket, 1 MiB.
  @Test(arguments: [("many", 600, 3, 500), ("long names", 600, 600, 243), ("few", 20, 600, 20)])
  func limitsWhatIsIndexed(
    _ what: String, _ count: Int, _ length: Int, _ expected: Int
  ) throws {
    let name = String(repeating: "n", count: length - 2)
    var body = ""
    for number in 0..<count {
      body += "--b\r\nContent-Type: a/octet-stream; name=\"\(name)\(number).exe\"\r\n\r\nMZ\r\n"
    }
    _ = try Conversation().from("<a@example.com>").to("<b@example.org>")
      .header("MIME-Version", "1.0").header("Content-Type", "multipart/mixed; boundary=b")
      .body(MailText(body + "--b--\r\n")).run(on: site)
    let mail = try #require(
      try quarantine.store.kept(limit: 10).first { $0.reference != Self.reference })
    #expect(mail.parts.count == expected)
    #expect(mail.parts.allSatisfy { $0.name.bytes.count <= 255 && $0.type.bytes.count <= 255 })
    #expect(mail.reason.bytes.count <= 2000)
    let rest = expected < count ? " and \(count - expected) more parts" : ""
    #expect(mail.reason.description.hasSuffix(rest))
    #expect(try JSONEncoder().encode(mail).count < 1 << 19)
  }
}
