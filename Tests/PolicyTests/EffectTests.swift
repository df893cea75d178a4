// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Milter
import Policy
import TestSupport
import Testing

/// What a verdict does: mode, `only_to`, `always_accept`, submission and mail without SMTP.
@Suite struct EffectTests {
  private static let two: [any PolicyModule.Type] = [One.self, Two.self]
  private static let stages = ["connect", "helo", "mail", "rcpt", "header", "eoh", "body", "eom"]

  private var whole: Conversation {
    Conversation().from().to().header("Subject", "x").body("text\r\n")
  }

  // MARK: observe

  @Test("observe never bites", arguments: Self.stages)
  func observe(_ stage: String) throws {
    for (word, verdict) in [
      ("refuse", "reject"), ("defer", "tempfail"), ("hold", "hold"), ("discard", "discard"),
      ("quarantine", "quarantine"), ("accept", "accept"), ("throw", "tempfail"),
    ] {
      let result = try whole.run(
        """
        [one]
        on_error = tempfail
        \(stage) = \(word)
        [two]
        """, modules: Self.two)
      #expect(result.message.codes == ["ok"])
      #expect(result.message.end == .proceed)
      #expect(result.message.edits == [])
      #expect(result.record?.ending == .accepted)
      let code = word == "throw" ? "error" : "\(word)-scripted"
      #expect(result.reasons == ["one \(code) observed"])
      let verdicts = result.verdictEntries.filter { $0[.effect] != nil }
      #expect(verdicts.map { $0[.verdict] } == ["would-\(verdict)"], "\(stage) \(word)")
      #expect(verdicts.map { $0[.effect] } == ["observed"])
      // The other module was asked all the same.
      #expect(result.decisions.contains { $0.module == "two" && $0.stage == .recipient })
    }
  }

  @Test func observeIsSaidOncePerMessage() throws {
    let result = try Conversation().from().to("<a@example.org>", "<b@example.org>").from().to()
      .run("[one]\nconnect = refuse\nmail = defer", modules: Self.two)
    let words = result.verdictEntries.map { $0[.verdict] }
    #expect(words == ["would-reject", "would-tempfail", "would-reject", "would-tempfail"])
    #expect(result.records.map { $0.decisions.count { $0.verdict != .proceed } } == [2, 2])
  }

  @Test func observedEditsAndDemeritsDoNothing() throws {
    let result = try whole.run("[one]\nconnect = demerits 3\neom = add X-One: y", modules: Self.two)
    #expect(result.message.edits == [])
    #expect(result.record?.edits == [])
    #expect(
      result.record?.observedEdits == [.addHeader(name: "X-One", value: "y")])
    #expect(result.summaries.map { $0[.wouldEdit] } == ["add header X-One"])
    #expect(result.summaries.map { $0[.edits] } == [nil])
  }

  @Test func offModuleIsNotAsked() throws {
    let result = try whole.run("[one]\nmode = off\nconnect = refuse", modules: Self.two)
    #expect(result.decisions == [])
  }

  // MARK: only_to

  @Test func onlyToConcernsItsRecipients() throws {
    for stage in ["connect", "helo", "mail", "rcpt"] {
      let result = try Conversation().from().to("<a@example.org>", "<B@Example.ORG>", "<c@x.org>")
        .run(
          "[one]\nmode = enforce\nonly_to = b@example.org\n\(stage) = refuse", modules: Self.two)
      #expect(result.message.codes == ["ok", "550 5.7.1", "ok"], "\(stage)")
      #expect(result.message.end == .proceed)
    }
  }

  @Test(
    "only_to counts for a message when all recipients are named",
    arguments: [
      (["<a@x.org>"], false), (["<b@x.org>"], true), (["<a@x.org>", "<b@x.org>"], false),
      (["<b@x.org>", "<c@x.org>"], true),
    ])
  func onlyToForMessages(_ recipients: [MailText], _ bites: Bool) throws {
    let mail = recipients.reduce(Conversation().from()) { $0.to($1) }.body("x")
    for stage in ["data", "header", "eoh", "body", "eom"] {
      let result = try mail.header("X", "y").run(
        "[one]\nmode = enforce\nonly_to = b@x.org, c@x.org\n\(stage) = refuse",
        modules: [OneWithData.self])
      let reply = stage == "data" ? result.message.data : result.message.end
      #expect((reply.code == "550 5.7.1") == bites, "\(stage)")
      #expect(result.reasons == ["one refuse-scripted \(bites ? "enforced" : "only-to")"])
    }
  }

  @Test func onlyToConcernsEdits() throws {
    let config = "[one]\nmode = enforce\nonly_to = b@x.org\neom = add X-One: y"
    let others = try Conversation().from().to("<a@x.org>", "<b@x.org>")
      .run(config, modules: Self.two)
    #expect(others.message.edits == [])
    let theirs = try Conversation().from().to("<b@x.org>").run(config, modules: Self.two)
    #expect(theirs.message.edits == [.addHeader(name: "X-One", value: "y")])
  }

  @Test func acceptOfOnlyToLeavesOthersToLaterModules() throws {
    for stage in ["connect", "mail", "rcpt"] {
      let result = try Conversation().from().to("<a@x.org>", "<b@x.org>").run(
        """
        [one]
        mode = enforce
        only_to = b@x.org
        \(stage) = accept
        [two]
        mode = enforce
        rcpt = refuse
        """, modules: Self.two)
      #expect(result.message.codes == ["550 5.7.1", "ok"], "\(stage)")
    }
  }

  // MARK: always_accept

  @Test("always_accept recipients are reached", arguments: ["connect", "helo", "mail", "rcpt"])
  func alwaysAccept(_ stage: String) throws {
    let mail = Conversation().from().to("<a@x.org>", "<Postmaster@x.org>", "<abuse@x.org>")
    let result = try mail.run("[one]\nmode = enforce\n\(stage) = refuse", modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1", "ok", "ok"])
    #expect(result.message.end == .proceed)
    let shield = try mail.run("[shield]\nmode = enforce\n\(stage) = refuse", modules: [Shield.self])
    #expect(shield.message.codes == ["550 5.7.1", "550 5.7.1", "550 5.7.1"])
  }

  @Test(
    "a message to always_accept only is not refused", arguments: ["header", "eoh", "body", "eom"])
  func alwaysAcceptForMessages(_ stage: String) throws {
    for (words, isRefused) in [("refuse", true), ("discard", true), ("hold", true)] {
      let config = "mode = enforce\n\(stage) = \(words)"
      let only = Conversation().from().to("<postmaster@x.org>").header("X", "y").body("x")
      let mixed = Conversation().from().to("<postmaster@x.org>", "<a@x.org>").header("X", "y")
        .body("x")
      #expect(try only.run("[one]\n\(config)", modules: Self.two).record?.ending == .accepted)
      let other = try mixed.run("[one]\n\(config)", modules: Self.two)
      #expect((other.record?.ending != .accepted) == isRefused)
      let shield = try only.run("[shield]\n\(config)", modules: [Shield.self])
      #expect((shield.record?.ending != .accepted) == isRefused)
    }
  }

  @Test func alwaysAcceptIsNoReasonAgainstEdits() throws {
    let result = try Conversation().from().to("<postmaster@x.org>")
      .run("[one]\nmode = enforce\neom = add X-One: y", modules: Self.two)
    #expect(result.message.edits == [.addHeader(name: "X-One", value: "y")])
  }

  // MARK: strangers, mail without SMTP, recipients of the MTA's own refusal

  @Test(
    "strangers only",
    arguments: [
      (Conversation(), true), (Conversation().port(465), false), (Conversation().port(587), false),
      (Conversation().macro("{daemon_name}", "originating", at: .connect), false),
      (Conversation().macro("{daemon_name}", "smtpd", at: .connect), true),
      (Conversation().auth("alice"), false), (Conversation().port(2525), true),
    ])
  func strangersOnly(_ conversation: Conversation, _ isStranger: Bool) throws {
    for stage in ["connect", "helo", "mail", "rcpt", "header", "eom"] {
      let config = "mode = enforce\n\(stage) = refuse"
      let mail = conversation.from().to().header("X", "y")
      let result = try mail.run("[strangers]\n\(config)", modules: [Strangers.self])
      #expect((result.record?.ending != .accepted) == isStranger, "\(stage)")
      // AUTH cancels what is held for others too; from MAIL on the rule is for strangers only.
      guard stage != "connect", stage != "helo" else { continue }
      #expect(try mail.run("[one]\n\(config)", modules: Self.two).record?.ending != .accepted)
    }
  }

  @Test(
    "mail without SMTP is never refused a recipient",
    arguments: [
      "connect", "helo", "mail", "rcpt",
    ])
  func notSMTP(_ stage: String) throws {
    let result = try Conversation().port(0).from("root").to("admin")
      .run("[one]\nmode = enforce\n\(stage) = refuse", modules: Self.two)
    #expect(result.message.codes == ["ok"])
    #expect(result.record?.ending == .accepted)
    #expect(result.reasons == ["one refuse-scripted not-smtp"])
  }

  @Test func notSMTPMayBeRefusedAsAWhole() throws {
    let result = try Conversation().port(0).from("root").to("admin")
      .run("[one]\nmode = enforce\neom = refuse", modules: Self.two)
    #expect(result.message.end.code == "550 5.7.1")
  }

  @Test func recipientsRefusedByTheMTAAreOnlyCounted() throws {
    let result = try Conversation().from().toRejected("<no@x.org>").to("<a@x.org>")
      .toRejected("<none@x.org>")
      .run("[one]\nmode = enforce\nrcpt = if no refuse", modules: Self.two)
    #expect(result.message.codes == ["ok", "ok", "ok"])
    #expect(result.record?.unknownRecipients == 2)
    #expect(result.record?.recipients == ["<a@x.org>"])
    #expect(result.decisions.count { $0.stage == .recipient && $0.module == "one" } == 1)
    #expect(result.summaries.map { $0[.unknown] } == ["2"])
  }

  @Test func heldRefusalIsNotSpentOnThem() throws {
    let result = try Conversation().from().toRejected("<no@x.org>").to("<a@x.org>")
      .run("[one]\nmode = enforce\nconnect = refuse", modules: Self.two)
    #expect(result.message.codes == ["ok", "550 5.7.1"])
  }
}
