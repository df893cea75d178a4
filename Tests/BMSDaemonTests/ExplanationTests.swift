// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Configuration
import FoundationEssentials
import Mail
import Policy
import Store
import TestSupport
import Testing

/// What `bmsd explain` says, word for word.
struct ExplanationTests {
  static let book = ReasonBook(BMSDaemon.pipeline)

  func explain(
    _ conversation: Conversation, _ text: String,
    modules: [any PolicyModule.Type] = BMSDaemon.pipeline
  ) throws -> String {
    let result = try conversation.run(text, modules: modules)
    var entry = TrailEntry(try #require(result.records.last))
    entry.reference = "K7Q2M9XA4T"
    entry.reply = entry.reply?.replacing(
      try #require(result.records.last).reference.description, with: "K7Q2M9XA4T")
    return Explanation(entry, ReasonBook(modules), .utc).lines.joined(separator: "\n")
  }

  /// The paragraphs of one module and what helps.
  func about(_ module: String, _ text: String) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard
      let start = lines.firstIndex(where: { $0.hasPrefix("\(module) at") && $0.hasSuffix("it.") })
    else { return text }
    return lines[start...].joined(separator: "\n")
  }

  @Test func aReleaseNamesWhoAndWhy() {
    var entry = TrailEntry()
    entry.ending = "accept"
    entry.decisions = [
      TrailDecision(
        stage: "eom", module: "quarantine", mode: "enforce", verdict: "accept",
        effect: "enforced", code: "released",
        detail: "K7Q2M9XA4T as original by root (uid 0): asked\nfor", duration: 0)
    ]
    let told = #"K7Q2M9XA4T as original by root (uid 0): asked\x0Afor"#
    #expect(entry.release == told)
    let lines = Explanation(entry, Self.book, .utc).lines
    #expect(lines.contains("It was accepted as a release from the quarantine: \(told)."))
    entry.decisions = []
    #expect(entry.release == nil)
  }

  @Test func aRefusalInFull() throws {
    let text = try explain(
      Conversation().hello("192.0.2.9").from().to().queueID("4ZBC"), "[helo]\nmode = enforce")
    #expect(
      text == """
        reference   K7Q2M9XA4T
        time        2026-11-21 00:00:00 Z
        client      192.0.2.1 (client.example.com)
        helo        192.0.2.9
        from        <sender@example.com>

        It was refused.
        The client was told: 550 5.7.1 HELO name must not be a bare IP address (ref K7Q2M9XA4T, \
        contact postmaster@mx.example.org)

        network at CONNECT: nothing against it (external ptr=present).
        allow at CONNECT: nothing against it.
        helo at CONNECT: nothing against it.
        helo at HELO for <recipient@example.org>: refused it.
            The client introduced itself with a bare IP address, 192.0.2.9, instead of a name.
            Decided by helo.reject_numeric, which had its default value.
        network at MAIL: nothing against it.
        allow at MAIL: nothing against it.
        helo at MAIL: nothing against it.

        To let such mail through:
            bmsd allow add 192.0.2.1 --skip helo
        or change helo.reject_numeric, or set [helo] mode = observe
        """)
  }

  @Test func whatObserveWouldHaveDone() throws {
    let text = try explain(
      Conversation().hello("mx.example.org").from().to().header("Message-ID", "<1@example.com>")
        .header("Subject", "Hello\u{1B}[31m"), "[trail]\n[helo]\nhello_blacklist = mx.example.org")
    #expect(text.contains("It was accepted."))
    #expect(text.contains("message-id  <1@example.com>"))
    #expect(text.contains("subject     Hello\\x1B[31m"))
    #expect(
      text.contains(
        """
        helo at HELO for <recipient@example.org>: would have refused it, but [helo] mode is observe.
            The client introduced itself as mx.example.org, which is a name of ours.
            The client would have been told: 550 5.7.1 Your name is not mx.example.org
            Decided by helo.hello_blacklist (bms.conf:3).
        """))
    #expect(
      text.hasSuffix(
        """
        To let such mail through when it is enforced:
            bmsd allow add 192.0.2.1 --skip helo
        or change helo.hello_blacklist (bms.conf:3), or set [helo] mode = observe
        """))
  }

  /// A held refusal is recorded when it is told, long after what was said before and after it.
  @Test func modulesStandInTheirOrder() throws {
    var entry = TrailEntry()
    for (module, stage) in [
      ("helo", "connect"), ("network", "connect"), ("later", "connect"), ("helo", "mail"),
      ("banned_ips", "connect"), ("helo", "helo"),
    ] {
      var decision = TrailDecision()
      decision.module = module
      decision.stage = stage
      decision.verdict = "proceed"
      entry.decisions.append(decision)
    }
    let said = Explanation(entry, Self.book, .utc).lines.filter { $0.contains(" at ") }
    #expect(
      said == [
        "network at CONNECT: nothing against it.", "banned_ips at CONNECT: nothing against it.",
        "helo at CONNECT: nothing against it.", "later at CONNECT: nothing against it.",
        "helo at HELO: nothing against it.", "helo at MAIL: nothing against it.",
      ])
  }

  @Test func allowedMailIsSaidToBe() {
    var entry = TrailEntry()
    entry.ending = "accept"
    var decision = TrailDecision()
    decision.module = "allow"
    decision.stage = "connect"
    decision.verdict = "accept"
    decision.effect = "enforced"
    decision.code = "listed-client"
    decision.detail = "192.0.2.0/24"
    entry.decisions = [decision]
    #expect(
      Explanation(entry, Self.book, .utc).lines.last
        == "The allow-list let it in; bmsd allow list shows the entry, bmsd allow remove ends it.")
  }

  @Test func tenThousandRecipientsAreStillRead() {
    var entry = TrailEntry()
    entry.ending = "tempfail"
    entry.refusedRecipients = 10_000
    entry.sender = "<a@example.com>"
    for number in 0..<TransactionRecord.maximumDecisions {
      var decision = TrailDecision()
      decision.module = "greylist"
      decision.stage = "rcpt"
      decision.verdict = "tempfail"
      decision.effect = "enforced"
      decision.code = "new-triplet"
      decision.detail = "192.0.2.0/24 a@example.com r\(number)@example.org"
      decision.recipient = MailText("<r\(number)@example.org>")
      entry.decisions.append(decision)
    }
    let lines = Explanation(entry, Self.book, .utc).lines
    #expect(lines.joined(separator: "\n").utf8.count < 20_000)
    #expect(lines.contains("    bmsd greylist pass a@example.com r0@example.org"))
    #expect(lines.contains("    and 995 more like these"))
  }

  @Test(
    arguments: [
      (
        Conversation().withoutHello().from().to(),
        "The client began a message without introducing itself by HELO or EHLO."
      ),
      (
        Conversation().client("192.0.2.7", "localhost").from().to(),
        "The reverse name of the client's address is localhost, which no stranger has."
      ),
      (
        Conversation().hello("mx.example.org").from().to(),
        "The client introduced itself as mx.example.org, which is a name of ours."
      ),
    ])
  func reasonsOfHelo(_ conversation: Conversation, _ sentence: String) throws {
    #expect(try explain(conversation, "[helo]\nmode = enforce").contains("    \(sentence)\n"))
  }

  @Test func aFailureOfOurs() throws {
    let text = try explain(
      Conversation().from().to(), "[one]\nmode = enforce\non_error = tempfail\nrcpt = throw",
      modules: [One.self])
    #expect(text.contains("It was deferred: the sender may try again."))
    #expect(text.contains("The module failed: "))
    #expect(text.hasSuffix("when it is mended, the sender's next attempt passes."))
  }

  /// A module whose refusals the greylist's command ends.
  private func advice(_ module: String, client: MailText, sender: MailText) -> [String] {
    var entry = TrailEntry()
    entry.client = client
    entry.sender = sender
    entry.ending = "tempfail"
    var decision = TrailDecision()
    decision.module = module
    decision.stage = "rcpt"
    decision.verdict = "tempfail"
    decision.effect = "enforced"
    decision.code = "new-triplet"
    decision.recipient = "<o'neil@example.org>"
    entry.decisions = [decision]
    return Explanation(entry, ReasonBook([Greyish.self, Bannish.self]), .utc).lines
  }

  struct Greyish: PolicyModule {
    struct Options: PolicySection {
      static let name = "greylist"
      static let summary = "x"
    }
    static let remedy = Remedy.greylistPass
    static let reasons = ["new-triplet": "Nobody knows it yet."]
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
    func makeSession() -> Session { Session() }
    final class Session: PolicySession {}
  }
  struct Bannish: PolicyModule {
    struct Options: PolicySection {
      static let name = "banned_ips"
      static let summary = "x"
    }
    static let remedy = Remedy.unban
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
    func makeSession() -> Session { Session() }
    final class Session: PolicySession {}
  }

  @Test func theCommandsOfOtherModules() {
    let pass = advice("greylist", client: "192.0.2.1", sender: "<>")
    #expect(pass.contains("    bmsd greylist pass '<>' 'o'\\''neil@example.org'"))
    #expect(pass.contains("    Nobody knows it yet."))
    let ban = advice("banned_ips", client: "2001:db8::1", sender: "<a@b.example>")
    #expect(ban.contains("    bmsd ban remove 2001:db8::1"))
    #expect(ban.contains("    new-triplet."))
    let unknown = advice("later", client: "unknown", sender: "<a@b.example>")
    #expect(unknown.contains("    set [later] mode = observe"))
  }

  /// One decision of a message from 192.0.2.1.
  private func about(_ module: String, _ code: String, _ effect: String) -> [String] {
    var entry = TrailEntry()
    entry.client = "192.0.2.1"
    entry.sender = "<a@b.example>"
    entry.ending = effect == "enforced" ? "reject" : "accept"
    var decision = TrailDecision()
    (decision.module, decision.stage, decision.verdict) = (module, "rcpt", "reject")
    (decision.code, decision.effect) = (code, effect)
    decision.detail = "192.0.2.0/24 (/etc/mail/bans:3)"
    decision.recipient = "<b@example.org>"
    entry.decisions = [decision]
    return Explanation(entry, Self.book, .utc).lines
  }

  @Test func aBanOfAFileIsPassedBy() {
    let lines = about("banned_ips", "banned-by-file", "enforced")
    #expect(lines.contains("    bmsd allow add 192.0.2.1 --skip banned_ips"))
    #expect(lines.contains { $0.contains("192.0.2.0/24 (/etc/mail/bans:3)") })
  }

  @Test func alwaysAcceptNeedsNoAdvice() {
    let lines = about("helo", "numeric", "always-accept")
    #expect(!lines.contains { $0.contains("bmsd allow add") || $0.contains("when it is enforced") })
    #expect(lines.last == "[network] always_accept let it in, and will: there is nothing to do.")
  }

  @Test func noCommandWithAnAddressThatWasCut() {
    let long = MailText("<\(String(repeating: "x", count: 600))@b.example>")
    let lines = advice("greylist", client: "192.0.2.1", sender: long)
    #expect(!lines.contains { $0.contains("greylist pass") })
  }

  @Test func everyCodeHasASentence() throws {
    // What a module calls Code must be a ReasonCode, so that its sentences cannot be forgotten.
    let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources/Policies").path
    var codes = 0
    for name in try FileManager.default.subpathsOfDirectory(atPath: sources)
    where name.hasSuffix(".swift") {
      let bytes = try #require(FileManager.default.contents(atPath: "\(sources)/\(name)"))
      let text = String(decoding: bytes, as: UTF8.self)
      for line in text.split(separator: "\n") where line.contains("enum Code") {
        codes += 1
        #expect(line.contains("ReasonCode"), "\(name): \(line)")
        #expect(text.contains("reasons: [String: String]"), "\(name) does not publish its reasons")
      }
    }
    #expect(codes > 0)
    for type in BMSDaemon.pipeline {
      for (code, sentence) in reasons(of: type) {
        #expect(sentence.hasSuffix("."), "\(code)")
        #expect(!Self.book.sentence(module: "\(type)", code: code, detail: "x").isEmpty)
      }
    }
  }

  private func reasons<M: PolicyModule>(of type: M.Type) -> [String: String] { type.reasons }
}
