// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Milter
import Policy
import TestSupport
import Testing

/// What CONNECT, HELO and MAIL decide waits for the recipients, and nothing washes it away.
@Suite struct HeldRefusalTests {
  private static let two: [any PolicyModule.Type] = [One.self, Two.self]

  @Test("is answered at every RCPT", arguments: ["connect", "helo", "mail"])
  func everyRecipient(_ stage: String) throws {
    let result = try Conversation().from().to("<a@example.org>", "<b@example.org>")
      .run("[one]\nmode = enforce\n\(stage) = refuse", modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1", "550 5.7.1"])
    #expect(result.message.end == .notSent)
    #expect(result.record?.refusedRecipients == 2)
    #expect(result.record?.ending.word == "reject")
    #expect(
      result.reasons == ["one refuse-scripted enforced", "one refuse-scripted enforced"])
  }

  @Test(
    "survives what a client does to begin anew",
    arguments: [
      ("connect", Conversation().from().to().secondMail().to()),
      ("connect", Conversation().from().to().abort().from().to()),
      ("connect", Conversation().from().abort().from().to().from().to()),
      ("connect", Conversation().hello("a").hello("b").from().to().hello("c").from().to()),
      ("helo", Conversation().from().to().secondMail().to()),
      ("helo", Conversation().from().to().abort().from().to()),
      ("mail", Conversation().from().to().secondMail().to()),
    ])
  func isNotWashedAway(_ stage: String, _ conversation: Conversation) throws {
    let result = try conversation.run(
      "[one]\nmode = enforce\n\(stage) = refuse", modules: Self.two)
    let answers = result.messages.flatMap(\.codes)
    #expect(answers.count >= 2)
    #expect(answers.allSatisfy { $0 == "550 5.7.1" })
  }

  @Test func helloIsForgottenWithTheNextHello() throws {
    let result = try Conversation().hello("liar").hello("honest").from().to()
      .run("[one]\nmode = enforce\nhelo = if liar refuse", modules: Self.two)
    #expect(result.message.codes == ["ok"])
    #expect(result.record?.decisions.contains { $0.verdict != .proceed } == false)
    // Said once, though nobody was refused.
    #expect(result.verdictEntries.map { $0[.verdict] } == ["would-reject"])
    #expect(result.verdictEntries.map { $0[.effect] } == ["unanswered"])
  }

  @Test func laterHelloKeepsWhatConnectHeld() throws {
    let result = try Conversation().hello("liar").hello("honest").from().to()
      .run(
        "[one]\nmode = enforce\nconnect = refuse\n[two]\nmode = enforce\nhelo = if liar defer",
        modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1"])
  }

  @Test func helloRefusesAfterAGoodOne() throws {
    let result = try Conversation().hello("honest").from().to().end().hello("liar").from().to()
      .run("[one]\nmode = enforce\nhelo = if liar refuse", modules: Self.two)
    #expect(result.messages.map(\.codes) == [["ok"], ["550 5.7.1"]])
  }

  @Test func mailsRefusalDiesWithTheMessage() throws {
    let result = try Conversation().from("<bad@example.com>").to().from("<good@example.com>").to()
      .run("[one]\nmode = enforce\nmail = if bad@ refuse", modules: Self.two)
    #expect(result.messages.map(\.codes) == [["550 5.7.1"], ["ok"]])
  }

  @Test func firstInTheOrderAnswers() throws {
    let result = try Conversation().from().to()
      .run(
        "[one]\nmode = enforce\nconnect = defer\n[two]\nmode = enforce\nconnect = refuse",
        modules: Self.two)
    #expect(result.message.codes == ["451 4.7.1"])
  }

  @Test("is cancelled by AUTH", arguments: ["connect", "helo"])
  func authenticationCancels(_ stage: String) throws {
    let result = try Conversation().auth("alice").queueID("4ZBC").from().to()
      .run("[one]\nmode = enforce\n\(stage) = refuse", modules: Self.two)
    #expect(result.message.codes == ["ok"])
    #expect(result.message.end == .proceed)
    #expect(result.reasons == ["one refuse-scripted cancelled-by-auth"])
    #expect(result.verdictEntries.map { $0[.effect] } == ["cancelled-by-auth"])
    #expect(result.verdictEntries.map { $0[.auth] } == ["alice"])
    #expect(result.record?.authenticated == "alice")
  }

  @Test func authenticationHoldsForLaterMessages() throws {
    let result = try Conversation().auth("alice").from().to().end()
      .macro("{auth_authen}", nil, at: .sender).macro("{auth_type}", nil, at: .sender)
      .from().to()
      .run(
        "[strangers]\nmode = enforce\nconnect = refuse\nrcpt = refuse", modules: [Strangers.self])
    #expect(result.messages.map(\.codes) == [["ok"], ["ok"]])
  }

  @Test func authenticationByMechanismOnly() throws {
    let result = try Conversation().macro("{auth_type}", "EXTERNAL", at: .sender).from().to()
      .run("[one]\nmode = enforce\nconnect = refuse", modules: Self.two)
    #expect(result.message.codes == ["ok"])
  }

  @Test func authenticationLeavesAnAccept() throws {
    let result = try Conversation().auth("alice").from().to()
      .run(
        "[one]\nmode = enforce\nconnect = accept\n[two]\nmode = enforce\nrcpt = refuse",
        modules: Self.two)
    #expect(result.message.codes == ["ok"])
  }

  @Test func authenticationDoesNotCancelWhatMailDecides() throws {
    let result = try Conversation().auth("alice").from().to()
      .run("[one]\nmode = enforce\nmail = refuse", modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1"])
  }

  @Test(
    "is told to nobody when the client leaves first",
    arguments: [
      ("connect", Conversation().close(), 1), ("helo", Conversation().hello("x").close(), 1),
      ("mail", Conversation().from().abort().close(), 1),
      ("mail", Conversation().from().close(), 1),
    ])
  func unanswered(_ stage: String, _ conversation: Conversation, _ records: Int) throws {
    let result = try conversation.run(
      "[one]\nmode = enforce\n\(stage) = refuse", modules: Self.two)
    #expect(result.replies == [])
    #expect(result.records.count == records)
    #expect(result.record?.ending == .abandoned)
    #expect(result.reasons == ["one refuse-scripted unanswered"])
    #expect(result.verdictEntries.map { $0[.effect] } == ["unanswered"])
    #expect(result.verdictEntries.map { $0[.verdict] } == ["would-reject"])
  }

  @Test func carriesReferenceAndContact() throws {
    let result = try Conversation().from().to()
      .run("[one]\nmode = enforce\nconnect = refuse Go away\n", modules: Self.two)
    let record = try #require(result.record)
    let reference = record.reference.description
    #expect(
      result.reply
        == "550 5.7.1 Go away (ref \(reference), contact postmaster@mx.example.org)")
    #expect(record.finalReply == result.reply)
    #expect(result.verdictEntries.map { $0[.ref] } == [reference])
    #expect(result.verdictEntries.map { $0[.reply] } == [result.reply])
    #expect(result.summaries.map { $0[.ref] } == [reference])
  }

  @Test(
    arguments: [
      ("contact = help@example.net", "help@example.net"),
      ("hostname = mail.example.net", "postmaster@mail.example.net"),
      ("contact = hostmaster\nhostname = example.net", "hostmaster@example.net"),
    ])
  func contactIsConfigured(_ option: String, _ contact: String) throws {
    let result = try Conversation().from().to()
      .run("[network]\n\(option)\n[one]\nmode = enforce\nconnect = refuse", modules: Self.two)
    #expect(result.reply?.hasSuffix(", contact \(contact))") == true)
  }
}
