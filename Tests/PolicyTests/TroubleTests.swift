// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import Logging
import Mail
import Milter
import Policy
import TestSupport
import Testing

/// Modules that throw, modules that are slow, and MTAs that come out of step.
@Suite struct TroubleTests {
  private static let two: [any PolicyModule.Type] = [One.self, Two.self]
  private static let stages = [
    "connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "eom",
  ]

  private var whole: Conversation {
    Conversation().from().to().header("Subject", "x").body("text\r\n")
  }

  // MARK: errors

  @Test("our own trouble defers", arguments: Self.stages)
  func errorDefers(_ stage: String) throws {
    let result = try whole.run(
      "[one]\nmode = enforce\non_error = tempfail\n\(stage) = throw", modules: [OneWithData.self])
    #expect(result.replies.count == 1)
    let reply = try #require(result.reply)
    #expect(reply.hasPrefix("451 4.3.0 Temporary trouble on our side"))
    #expect(!reply.contains("scripted"), "the peer learns nothing of our trouble")
    #expect(reply.contains("(ref "))
    #expect(result.record?.ending.word == "tempfail")
    #expect(result.reasons == ["one error enforced"])
    let error = try #require(result.log.first { $0.level == .error })
    #expect(error[.module] == "one")
    #expect(error[.stage] == stage)
    #expect(error[.verdict] == "tempfail")
    #expect(error[.detail] == "scripted trouble")
  }

  @Test("our own trouble is skipped", arguments: Self.stages)
  func errorIsSkipped(_ stage: String) throws {
    let result = try whole.run(
      "[one]\nmode = enforce\non_error = skip\n\(stage) = throw", modules: [OneWithData.self])
    #expect(result.replies == [])
    #expect(result.record?.ending == .accepted)
    let error = try #require(result.log.first { $0.level == .error })
    #expect(error[.verdict] == "skip")
    #expect(error[.stage] == stage)
  }

  @Test func laterModulesGoOnAfterAnError() throws {
    let result = try whole.run(
      "[one]\nmode = enforce\nrcpt = throw\n[two]\nmode = enforce\nrcpt = refuse",
      modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1"])
  }

  // MARK: time

  @Test func stepsWithoutAnAnswerCountTogether() throws {
    let config = "[one]\nconnect = wait 8\nhelo = wait 8\nmail = wait 8"
    let result = try Conversation().from().to("<a@x.org>", "<b@x.org>")
      .run(config, modules: Self.two)
    let late = result.log.filter { $0[.reason] == "deadline-overrun" }
    #expect(late.map { $0[.stage] } == ["mail"])
    #expect(late.map { $0[.module] } == ["one"])
    #expect(late.map { $0[.verdict] } == ["late"])
    #expect(late.map { $0[.ms] } == ["8000"])
    #expect(late.map(\.level) == [.warning])
    #expect(result.record?.ending == .accepted)
  }

  @Test func anAnswerBeginsAnew() throws {
    let result = try Conversation().from().to("<a@x.org>", "<b@x.org>", "<c@x.org>")
      .run("[one]\nmail = wait 8\nrcpt = wait 11", modules: Self.two)
    #expect(result.log.count { $0[.reason] == "deadline-overrun" } == 0)
  }

  @Test func waitingForTheClientIsNotCounted() throws {
    let result = try Conversation().pause(.seconds(100)).from().pause(.seconds(100)).to()
      .run("[one]\nmail = wait 8", modules: Self.two)
    #expect(result.log.count { $0[.reason] == "deadline-overrun" } == 0)
  }

  @Test func contentHasItsOwnBudget() throws {
    let mail = Conversation().from().to().header("A", "1").header("B", "1")
    let inTime = try mail.run("[one]\nheader = wait 100", modules: Self.two)
    #expect(inTime.log.count { $0[.reason] == "deadline-overrun" } == 0)
    let late = try mail.run("[one]\nheader = wait 100\neom = wait 50", modules: Self.two)
    #expect(
      late.log.filter { $0[.reason] == "deadline-overrun" }.map { $0[.stage] } == ["eom"])
  }

  @Test func deadlineShrinks() throws {
    let site = try Site()
    let deadline = Deadline(.seconds(20), site.time)
    #expect(deadline.remaining == .seconds(20))
    site.time.advance(by: .seconds(19))
    #expect(deadline.remaining == .seconds(1))
    #expect(!deadline.isOver)
    site.time.advance(by: .seconds(2))
    #expect(deadline.remaining == .zero)
    #expect(deadline.isOver)
  }

  // MARK: out of step

  private static let header = HeaderField(name: "Subject", rawValue: " x")

  @Test(
    "steps out of order are survived",
    arguments: [
      Conversation.raw(.close), .raw(.abort), .raw(.abort, .close), .raw(.close, .close),
      .raw(.hello("x")), .raw(.data), .raw(.header(Self.header)), .raw(.endOfHeaders),
      .raw(.body([0x78])), .raw(.endOfMessage), .raw(.endOfMessage, .endOfMessage, .close),
      .raw(.recipient(["<a@x.org>"]), .endOfMessage), .raw(.recipient([])), .raw(.sender([])),
      .raw(.sender([]), .recipient([]), .endOfMessage, .close, .close),
      .raw(.sender(["<a@x.org>"]), .endOfMessage, .data, .endOfHeaders),
      .raw(.body([]), .header(Self.header), .sender([""]), .recipient([""]), .data, .close),
      .raw(.connect(Conversation.stranger), .connect(Conversation.stranger), .close),
      .raw(.close, .sender(["<>"]), .recipient(["<a@x.org>"]), .endOfMessage),
      .raw(.sender(["<a@x.org>"]), .hello("again"), .recipient(["<b@x.org>"]), .endOfMessage),
    ])
  func outOfOrder(_ conversation: Conversation) throws {
    let answers = try conversation.run("[helo]\nmode = observe").exchanges.map(\.answer)
    #expect(answers.allSatisfy { $0 == .proceed || $0 == .notSent })
    for module in ["[one]\nmode = enforce\nrcpt = note x", "[one]\nmode = enforce\nmail = note x"] {
      let answers = try conversation.run(module, modules: [OneWithData.self]).exchanges
      #expect(answers.allSatisfy { $0.answer == .proceed })
    }
  }

  @Test func recipientWithoutMailIsJudgedAllTheSame() throws {
    let result = try Conversation.raw(.recipient(["<a@x.org>"]))
      .run("[one]\nmode = enforce\nrcpt = refuse", modules: Self.two)
    #expect(result.reply?.hasPrefix("550 5.7.1") == true)
  }

  // MARK: bounds

  @Test func recordIsBounded() throws {
    let recipients = (0..<10_000).map { MailText("<user\($0)@x.org>") }
    let result = try Conversation().from().to(recipients).run(
      """
      [one]
      mode = enforce
      rcpt = if user1 refuse | note seen
      eom = discard
      """, modules: Self.two)
    let record = try #require(result.record)
    #expect(record.decisions.count <= TransactionRecord.maximumDecisions)
    #expect(record.droppedDecisions + record.decisions.count == 10_000 + 5)
    #expect(record.refusedRecipients == 1111)
    #expect(record.recipients.count == 8889)
    // What decided the message is there, whatever came before.
    #expect(record.decisions.last?.stage == .message)
    #expect(record.ending == .discarded)
    let summary = try #require(result.summaries.first)
    #expect(summary.text.utf8.count < 1000)
    #expect(summary[.to]?.split(separator: ",").count == 5)
  }

  @Test func manyFieldsDoNotCrowdOutTheVerdict() throws {
    let fields = (0..<3000).map { HeaderField(name: MailText("X-\($0)"), rawValue: " y") }
    let result = try Conversation().from().to().headers(fields).run(
      "[one]\nmode = enforce\neom = refuse", modules: Self.two)
    let record = try #require(result.record)
    #expect(record.decisions.count <= TransactionRecord.maximumDecisions)
    #expect(record.decisions.last?.verdict.word == "reject")
    // A module that has nothing to say of a field is not recorded for each.
    #expect(!record.decisions.contains { $0.stage == .header })
  }

  @Test func memoryTrailKeepsTheLast() throws {
    let site = try Site("[one]", modules: Self.two)
    _ = try Conversation().from("<a@x.org>").to().from("<b@x.org>").to().run(on: site)
    let trail = MemoryTrail(capacity: 1)
    for record in site.trail.records { trail.record(record) }
    #expect(trail.records.map(\.sender) == ["<b@x.org>"])
    let none = MemoryTrail(capacity: -1)
    for record in site.trail.records { none.record(record) }
    #expect(none.records.isEmpty)
  }
}
