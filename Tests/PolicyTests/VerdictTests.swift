// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Milter
import Policy
import TestSupport
import Testing

/// Accept, discard and hold, refusals of the message, and edits.
@Suite struct VerdictTests {
  private static let two: [any PolicyModule.Type] = [One.self, Two.self]

  // MARK: accept

  @Test("accept of the connection", arguments: ["connect", "helo"])
  func acceptedConnection(_ stage: String) throws {
    for later in ["helo", "mail", "rcpt", "header", "eom"] where later != stage {
      let result = try Conversation().from().to().header("X", "y").from().to().header("X", "y")
        .run(
          "[one]\nmode = enforce\n\(stage) = accept\n[two]\nmode = enforce\n\(later) = refuse",
          modules: Self.two)
      #expect(result.records.map(\.ending) == [.accepted, .accepted], "\(later)")
    }
  }

  @Test func acceptOfHelloEndsWithTheNextHello() throws {
    let result = try Conversation().hello("friend").from().to().end().hello("other").from().to()
      .run(
        "[one]\nmode = enforce\nhelo = if friend accept\n[two]\nmode = enforce\nrcpt = refuse",
        modules: Self.two)
    #expect(result.messages.map(\.codes) == [["ok"], ["550 5.7.1"]])
  }

  @Test func acceptedMessage() throws {
    let result = try Conversation().from("<friend@x.org>").to().header("X", "y")
      .from("<other@x.org>").to()
      .run(
        "[one]\nmode = enforce\nmail = if friend accept\n[two]\nmode = enforce\neom = refuse",
        modules: Self.two)
    #expect(result.messages.map(\.end.code) == ["ok", "550 5.7.1"])
  }

  @Test func acceptedRecipient() throws {
    let result = try Conversation().from().to("<a@x.org>", "<b@x.org>", "<c@x.org>")
      .run(
        "[one]\nmode = enforce\nrcpt = if b@ accept\n[two]\nmode = enforce\nrcpt = refuse",
        modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1", "ok", "550 5.7.1"])
    #expect(result.message.end == .proceed)
  }

  @Test func acceptDoesNotEndModulesThatDoNotYield() throws {
    for stage in ["connect", "mail", "rcpt"] {
      let result = try Conversation().from().to().run(
        "[one]\nmode = enforce\n\(stage) = accept\n[steady]\nmode = enforce\nrcpt = note seen",
        modules: [One.self, Steady.self])
      #expect(result.decisions.contains { $0.note == "seen" }, "\(stage)")
    }
  }

  @Test func acceptDoesNotEndEarlierModules() throws {
    let result = try Conversation().from().to().run(
      "[one]\nmode = enforce\nrcpt = refuse\n[two]\nmode = enforce\nconnect = accept",
      modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1"])
  }

  // MARK: discard and hold

  @Test func discardedRecipientIsDeletedAtTheEnd() throws {
    let result = try Conversation().from().to("<a@x.org>", "<b@x.org>")
      .run("[one]\nmode = enforce\nrcpt = if b@ discard", modules: Self.two)
    #expect(result.message.codes == ["ok", "ok"])
    #expect(result.message.end == .proceed)
    #expect(result.message.edits == [.deleteRecipient("<b@x.org>")])
    #expect(result.record?.edits == [.deleteRecipient("<b@x.org>")])
    #expect(result.record?.ending == .accepted)
  }

  @Test func allDiscardedDiscardsTheMessage() throws {
    let result = try Conversation().from().to("<a@x.org>", "<b@x.org>")
      .run("[one]\nmode = enforce\nrcpt = discard", modules: Self.two)
    #expect(result.message.end == .discard)
    #expect(result.message.edits == [])
    #expect(result.record?.ending == .discarded)
  }

  @Test func discardedAndRefusedTogether() throws {
    let result = try Conversation().from().to("<a@x.org>", "<b@x.org>")
      .run("[one]\nmode = enforce\nrcpt = if b@ discard | refuse", modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1", "ok"])
    #expect(result.message.end == .discard)
  }

  @Test(
    "discard of the message",
    arguments: [
      "connect", "helo", "mail", "data", "header", "eoh", "body", "eom",
    ])
  func discardedMessage(_ stage: String) throws {
    let result = try Conversation().from().to().header("X", "y").body("x")
      .run("[one]\nmode = enforce\n\(stage) = discard", modules: [OneWithData.self])
    #expect(result.message.codes == ["ok"])
    #expect(result.message.end == .discard)
    #expect(result.reasons == ["one discard-scripted enforced"])
    #expect(result.verdictEntries.map { $0[.verdict] } == ["discard"])
  }

  @Test(
    "hold is the MTA's hold queue",
    arguments: [
      "connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "eom",
    ])
  func held(_ stage: String) throws {
    let result = try Conversation().from().to().header("X", "y").body("x")
      .run("[one]\nmode = enforce\n\(stage) = hold", modules: [OneWithData.self])
    let record = try #require(result.record)
    #expect(result.message.end == .proceed)
    #expect(
      result.message.edits
        == [.quarantine(reason: "one: hold-scripted (ref \(record.reference))")])
    #expect(record.ending == .held)
    #expect(result.reasons == ["one hold-scripted enforced"])
    #expect(result.summaries.map { $0[.verdict] } == ["hold"])
  }

  @Test func holdThatIsNotTakenIsDeferred() throws {
    let result = try Conversation().refusingEdits("hold").from().to()
      .run("[one]\nmode = enforce\neom = hold", modules: Self.two)
    #expect(result.message.end.code == "451 4.3.0")
  }

  // MARK: refusal of the message

  @Test("a refusal of the message", arguments: ["header", "eoh", "body", "eom"])
  func refusedMessage(_ stage: String) throws {
    let result = try Conversation().from().to().header("X", "y").body("x")
      .run(
        "[one]\nmode = enforce\n\(stage) = refuse\n[two]\nmode = enforce\neom = add X: y",
        modules: Self.two)
    #expect(result.message.codes == ["ok"])
    #expect(result.message.end.code == "550 5.7.1")
    #expect(result.message.edits == [])
    #expect(result.record?.ending.word == "reject")
    #expect(result.record?.finalReply == result.reply)
    // Nobody spends time on a message that is refused already.
    #expect(result.decisions.contains { $0.stage == .message } == (stage == "eom"))
  }

  @Test func refusedAtData() throws {
    let result = try Conversation().from().to().header("X", "y")
      .run("[one]\nmode = enforce\ndata = refuse", modules: [OneWithData.self])
    #expect(result.message.data.code == "550 5.7.1")
    #expect(result.message.end == .notSent)
    #expect(result.record?.ending.word == "reject")
    #expect(result.summaries.map { $0[.verdict] } == ["reject"])
  }

  @Test func firstRefusalIsTold() throws {
    let result = try Conversation().from().to().header("A", "y").header("B", "y")
      .run(
        "[one]\nmode = enforce\nheader = if B refuse\n[two]\nmode = enforce\nheader = if A defer",
        modules: Self.two)
    #expect(result.message.end.code == "451 4.7.1")
    #expect(
      result.reasons.sorted() == ["one refuse-scripted unanswered", "two defer-scripted enforced"])
  }

  // MARK: edits

  @Test func editsAreMadeInOrder() throws {
    let result = try Conversation().from().to().header("X", "y").run(
      """
      [one]
      mode = enforce
      header = add X-Early: 1
      eom = add X-One: 1
      [two]
      mode = enforce
      eom = add X-Two: 2
      """, modules: Self.two)
    let names = ["X-Early", "X-One", "X-Two"]
    #expect(result.record?.edits.map(\.kind) == names.map { "add header \($0)" })
    #expect(result.message.edits == result.record?.edits)
    #expect(
      result.summaries.map { $0[.edits] }
        == ["add header X-Early, add header X-One, add header X-Two"])
  }

  @Test("fault 53: an edit that is not taken defers") func editNotTakenDefers() throws {
    let result = try Conversation().refusingEdits("add header X-One").from().to()
      .run("[one]\nmode = enforce\non_error = tempfail\neom = add X-One: 1", modules: Self.two)
    #expect(result.message.end.code == "451 4.3.0")
    #expect(result.reply?.contains("(ref ") == true)
    #expect(result.record?.ending.word == "tempfail")
    #expect(result.record?.finalReply == result.reply)
    #expect(result.verdictEntries.map { $0[.reason] } == ["edit-not-taken"])
  }

  @Test("fault 53: an edit that is not taken is skipped where the module says so")
  func editNotTakenIsSkippedWhereTheModuleSaysSo() throws {
    let result = try Conversation().refusingEdits("add header X-One").from().to().run(
      """
      [one]
      mode = enforce
      on_error = skip
      eom = add X-One: 1 | add X-More: 1
      """, modules: Self.two)
    #expect(result.message.end == .proceed)
    #expect(result.record?.edits.map(\.kind) == ["add header X-More"])
    #expect(result.verdictEntries.map { $0[.verdict] } == ["skip"])
  }

  @Test func recipientNotDeletedDefers() throws {
    let result = try Conversation().refusingEdits("delete recipient").from()
      .to("<a@x.org>", "<b@x.org>")
      .run("[one]\nmode = enforce\non_error = skip\nrcpt = if b@ discard", modules: Self.two)
    #expect(result.message.end.code == "451 4.3.0")
  }
}
