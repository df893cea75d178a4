// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import BMSDaemon
import Mail
import Policy
import TestSupport
import Testing

/// `bmsd try`: a message through the real pipeline.
@Suite struct TrialTests {
  private static let message = EditedMessage(
    parsing: Array("Subject: Hello\r\nX-Long: a\r\n b\r\n\r\nline one\r\nline two\r\n".utf8))

  private static func envelope(
    client: IPAddress = IPAddress(v4: 0xC000_0207), hello: String? = "mail.example.com",
    user: String? = nil, recipients: [MailText] = ["<b@example.org>"]
  ) -> Trial.Envelope {
    Trial.Envelope(
      client: client, clientName: "mail.example.com", hello: hello.map { MailText($0) },
      user: user.map { MailText($0) },
      sender: "<a@example.com>", recipients: recipients)
  }

  private static func run(
    _ envelope: Trial.Envelope, _ site: Site, _ message: EditedMessage = message
  ) throws -> Trial.Outcome {
    try #require(
      Trial(site.pipeline, trail: site.trail, hostName: "mx.example.org").run(message, envelope))
  }

  @Test func letsThrough() throws {
    let outcome = try Self.run(Self.envelope(), Site("[helo]\nmode = enforce"))
    #expect(!outcome.isRefused)
    #expect(outcome.record.ending == .accepted)
    #expect(outcome.before == outcome.after)
    #expect(outcome.before.sender == "<a@example.com>")
    #expect(outcome.record.decisions.contains { $0.module == "helo" && $0.stage == .hello })
  }

  @Test(
    arguments: [
      (envelope(hello: "192.0.2.7"), "numeric"), (envelope(hello: nil), "missing"),
      (envelope(hello: "mx.example.org"), "own-name"),
    ])
  func refuses(_ envelope: Trial.Envelope, _ code: String) throws {
    let outcome = try Self.run(envelope, Site("[helo]\nmode = enforce"))
    #expect(outcome.isRefused)
    #expect(outcome.record.ending.word == "reject")
    #expect(outcome.record.decisions.contains { $0.verdict.reason?.code == code })
    #expect(outcome.after.recipients == [])
    #expect(outcome.record.finalReply?.contains("(ref \(outcome.record.reference)") == true)
  }

  @Test func authenticatedUser() throws {
    let outcome = try Self.run(
      Self.envelope(hello: "192.0.2.7", user: "alice"), Site("[helo]\nmode = enforce"))
    #expect(!outcome.isRefused)
  }

  @Test func oneRecipientOfTwo() throws {
    let outcome = try Self.run(
      Self.envelope(recipients: ["<a@x.org>", "<b@x.org>"]),
      Site("[one]\nmode = enforce\nrcpt = if a@ refuse", modules: [One.self]))
    #expect(outcome.isRefused)
    #expect(outcome.record.ending == .accepted)
    #expect(outcome.after.recipients.map(\.address) == ["<b@x.org>"])
  }

  @Test func edits() throws {
    let outcome = try Self.run(
      Self.envelope(), Site("[one]\nmode = enforce\neom = add X-One: 1", modules: [One.self]))
    #expect(outcome.before.headers.count == 2)
    #expect(outcome.after.headers.map(\.name) == ["Subject", "X-Long", "X-One"])
    #expect(outcome.after.body == Self.message.body)
  }

  @Test func refusedAtData() throws {
    let outcome = try Self.run(
      Self.envelope(),
      Site("[one]\nmode = enforce\ndata = refuse\neom = add X: y", modules: [OneWithData.self]))
    #expect(outcome.isRefused)
    #expect(outcome.record.ending.word == "reject")
    #expect(outcome.before.headers == outcome.after.headers)
  }

  @Test func largeBodyComesInChunks() throws {
    var message = Self.message
    message.body = Array(repeating: 0x78, count: 200_000)
    let outcome = try Self.run(
      Self.envelope(), Site("[one]\nmode = enforce\nbody = note x", modules: [One.self]), message)
    #expect(outcome.record.size > 200_000)
    #expect(outcome.after.body == message.body)
  }

  @Test func leavesNoTrace() throws {
    let site = try Site("[helo]\nmode = enforce")
    let message = Self.message
    let first = try Self.run(Self.envelope(hello: "192.0.2.7"), site, message)
    let second = try Self.run(Self.envelope(), site, message)
    // Nothing of the first trial is held against the second, and the message is as it was.
    #expect(first.isRefused)
    #expect(!second.isRefused)
    #expect(message == Self.message)
    #expect(site.trail.records.count == 2)
  }
}
