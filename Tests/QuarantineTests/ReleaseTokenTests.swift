// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Digests
import Environment
import Mail
import Store
import TestSupport
import Testing

@testable import Quarantine

struct ReleaseTokenTests {
  static let message = EditedMessage(
    parsing: "Received: by x\r\nFrom: ann\r\nSubject: a  b\r\n\tc\r\n\r\nfirst\r\n\r\nlast\r\n".utf8
  )
  static let recipients: [MailText] = ["<b@example.org>", "<\"c d\"@Example.Org>"]

  let world: QuarantineWorld

  init() throws {
    world = try QuarantineWorld()
    try world.keep(String(decoding: Self.message.bytes, as: UTF8.self), QuarantineTests.reference)
  }

  func authorise() throws -> ReleaseToken {
    try world.quarantine.authorise(
      .init(
        reference: QuarantineTests.reference, form: "original", caller: "root (uid 0)",
        reason: "asked for"), Self.message, to: Self.recipients, within: .seconds(1)
    ).token
  }

  func redeem(
    _ token: ReleaseToken?, _ message: EditedMessage = message,
    to recipients: [MailText] = recipients
  ) throws -> Redemption {
    let token = try #require(token)
    return try world.quarantine.redeem(
      token, for: try FileQuarantine.digest(of: message), to: recipients, by: "0000000001",
      deadline: world.deadline)
  }

  /// The token with one of its parts replaced.
  func changed(_ token: ReleaseToken, _ old: String, _ new: String) -> ReleaseToken? {
    let text = token.value.description.replacing("\\x0D\\x0A", with: "")
    #expect(text.contains(old))
    return ReleaseToken(MailText(text.replacing(old, with: new)))
  }

  @Test func isGoodOnce() throws {
    let token = try authorise()
    let read = ReleaseToken(token.value)
    #expect(read == token)
    guard case .good(let release, let original) = try redeem(read) else {
      Issue.record("not good")
      return
    }
    #expect(release.caller == "root (uid 0)" && release.reason == "asked for")
    #expect(original?.reference == QuarantineTests.reference)
    #expect(try redeem(read) == .bad(.used))
    let known = try #require(try world.store.releases(of: "0000000001").first)
    #expect(known.usedBy == "0000000001" && known.used == world.time.milliseconds)
    #expect(try world.store.releases(of: QuarantineTests.reference) == [known])
  }

  @Test func holdsForAnHour() throws {
    let one = try authorise()
    world.time.advance(by: .seconds(3600))
    guard case .good = try redeem(one) else {
      Issue.record("not good")
      return
    }
    let other = try authorise()
    world.time.advance(by: .seconds(3601))
    #expect(try redeem(other) == .bad(.expired))
  }

  @Test func isNotGoodAgainWhenTheClockIsSetBack() throws {
    let token = try authorise()
    world.time.set(by: .seconds(-2 * 3600))
    #expect(try redeem(token) == .bad(.expired))
  }

  @Test func isNobodyElses() throws {
    let token = try authorise()
    let zeros = String(repeating: "0", count: 32)
    #expect(try redeem(changed(token, token.id, zeros)) == .bad(.unknown))
    let forgeries = [
      (token.reference, "K7Q2M9XA4V"), ("until=\(token.until)", "until=\(token.until + 9)"),
      ("fields=3", "fields=2"), (Hexadecimal.text(token.code), zeros + zeros),
    ]
    for (old, new) in forgeries {
      #expect(try redeem(changed(token, old, new)) == .bad(.forged), "\(old)")
    }
    // Of another installation.
    let other = try QuarantineWorld()
    try other.keep("x", QuarantineTests.reference)
    #expect(
      try other.quarantine.redeem(
        token, for: FileQuarantine.digest(of: Self.message), to: Self.recipients, by: "",
        deadline: other.deadline) == .bad(.unknown))
    guard case .good = try redeem(token) else {
      Issue.record("spoilt by failed attempts")
      return
    }
  }

  static let otherMessages: [(String, String)] = [
    ("body", "Received: by x\r\nFrom: ann\r\nSubject: a b c\r\n\r\nfirst\r\n\r\nLast\r\n"),
    ("empty line", "Received: by x\r\nFrom: ann\r\nSubject: a b c\r\n\r\nfirst\r\nlast\r\n"),
    ("subject", "Received: by x\r\nFrom: ann\r\nSubject: a bc\r\n\r\nfirst\r\n\r\nlast\r\n"),
    ("order", "From: ann\r\nReceived: by x\r\nSubject: a b c\r\n\r\nfirst\r\n\r\nlast\r\n"),
    ("fewer", "From: ann\r\nSubject: a b c\r\n\r\nfirst\r\n\r\nlast\r\n"),
    ("more", "Received: by x\r\nFrom: ann\r\nSubject: a b c\r\nX: y\r\n\r\nfirst\r\n\r\nlast\r\n"),
    ("none", "\r\n"),
  ]

  @Test(arguments: otherMessages)
  func isForOneMessage(_ what: String, _ text: String) throws {
    let token = try authorise()
    #expect(try redeem(token, EditedMessage(parsing: text.utf8)) == .bad(.otherMessage))
  }

  /// What our own MTA may do to it on its way.
  @Test(arguments: [
    "Received:   by x\r\nFrom: <ann@example.org>\r\nsubject: a b c\r\n\r\nfirst\r\n\r\nlast\r\n",
    "Received: by x\nFROM: a\nSubject:a b\n c \n\nfirst\n\nlast",
    "Received: by x\r\nFrom: ann\r\nSubject: a b c\r\n\r\nfirst\r\n\r\nlast\r\n\r\n\r\n",
  ])
  func survivesTheMTA(_ text: String) throws {
    let token = try authorise()
    guard case .good = try redeem(token, EditedMessage(parsing: text.utf8)) else {
      Issue.record("not good")
      return
    }
  }

  static let otherRecipients: [[MailText]] = [
    [], ["<b@example.org>"], ["<b@example.org>", "<\"c  d\"@example.org>"],
    ["<B@example.org>", "<\"c d\"@example.org>"],
    ["<b@example.org>", "<\"c d\"@example.org>", "<d@example.org>"],
  ]

  @Test(arguments: otherRecipients)
  func isForItsRecipients(_ recipients: [MailText]) throws {
    let token = try authorise()
    #expect(try redeem(token, to: recipients) == .bad(.otherRecipients))
    guard case .good = try redeem(token, to: ["<\"c d\"@EXAMPLE.org>", "b@Example.ORG"]) else {
      Issue.record("not good")
      return
    }
  }

  @Test(arguments: [
    "", "v=1", "v=2; ref=K7Q2M9XA4T", ";;;;;", "v=1;ref=;id=;until=;fields=;mac=",
    "v=1; ref=../../../x; id=00; until=1; fields=1; mac=00",
    "v=1; ref=K7Q2M9XA4T; id=00000000000000000000000000000000; until=99999999999999999999; "
      + "fields=1; mac=0000000000000000000000000000000000000000000000000000000000000000",
    "v=1; ref=K7Q2M9XA4T; id=00000000000000000000000000000000; until=1; fields=-1; "
      + "mac=0000000000000000000000000000000000000000000000000000000000000000",
    String(repeating: "v=1;", count: 100_000),
  ])
  func readsNothingElse(_ value: String) {
    #expect(ReleaseToken(MailText(value)) == nil)
  }

  /// Cut anywhere, a body has the same digest.
  @Test(arguments: [
    "a\r\nb\r\n", "a\rb\r\r\n\r\n", "\r\n\r\na", "\n\r\n\r", "a\r", "\r\r\r\n.\r\n",
  ])
  func doesNotDependOnPieces(_ text: String) throws {
    let body = Array(text.utf8)
    func digest(_ pieces: [ArraySlice<UInt8>]) throws -> SHA256Digest {
      let digest = MessageDigest()
      digest.endHeaders()
      for piece in pieces { piece.withUnsafeBytes { digest.take($0) } }
      return try digest.finish()
    }
    let whole = try digest([body[...]])
    for cut in body.indices {
      #expect(try digest([body[..<cut], body[cut...]]) == whole)
    }
    #expect(try digest(body.indices.map { body[$0...$0] }) == whole)
  }

  /// Test vectors of RFC 4231 §4.3 and FIPS 180-4's "abc".
  @Test func agreesWithTheStandards() throws {
    #expect(
      try SHA256.digest(of: Array("abc".utf8)).description
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      Hexadecimal.text(
        try HMAC.sha256(Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  }
}
