// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Control
import Environment
import Glibc
import Mail
import Quarantine
import Store
import TestSupport
import Testing

@testable import BMSDaemon

/// What people give to a release in words, and originals that read oddly.
extension QuarantineRequestTests {
  private static let words = Array(repeating: "because", count: 12).joined(separator: " ")
  private static let folded =
    "A: because because because because because because because because because\n"
    + "  because because because"
  private static let long = String(repeating: "a", count: 140)
  private static let cut =
    "A:\n  " + String(repeating: "a", count: 74) + "\n  " + String(repeating: "a", count: 66)

  @Test(arguments: [
    ("short", "short"), (" ", " "), ("", ""), ("A: " + words, folded), ("A: " + long, cut),
    (String(repeating: "a", count: 76), String(repeating: "a", count: 76)),
    (String(repeating: " ", count: 80), String(repeating: " ", count: 76) + "\n  "),
  ])
  func foldsLines(_ line: String, _ expected: String) {
    #expect(ReleaseLetter.folded(line) == expected)
  }

  @Test func foldsTheReason() throws {
    let reason = "asked\nfor " + Self.words
    let server = try ScriptedSMTPServer { _, _ in nil }
    let request = ReleaseRequest(
      reference: Self.reference, form: .attached, part: nil, recipient: nil, reason: reason)
    _ = perform(.release(request), port: server.port)
    #expect(try quarantine.store.releases(of: Self.reference).first?.reason == reason)
    let sent = content(server)
    #expect(sent.contains("\r\nReleased because: asked\\x0Afor because because because"))
    #expect(sent.contains("\r\n  because because because"))
  }

  @Test(arguments: [
    (String(repeating: "a", count: 1000), true), (String(repeating: "a", count: 1001), false),
    (String(repeating: "é", count: 501), false),
    // One character of many scalars.
    ("e" + String(repeating: "\u{301}", count: 5000), false),
  ])
  func takesReasonsOfALimitedLength(_ reason: String, isTaken: Bool) throws {
    let request = ReleaseRequest(
      reference: Self.reference, form: .attached, part: nil, recipient: nil, reason: reason)
    guard !isTaken else {
      let server = try ScriptedSMTPServer { _, _ in nil }
      _ = perform(.release(request), port: server.port)
      #expect(try quarantine.store.releases(of: Self.reference).first?.reason == reason)
      #expect(content(server).split(separator: "\r\n").allSatisfy { $0.utf8.count <= 998 })
      return
    }
    let end = perform(.release(request)).end
    #expect(end.status == EX_USAGE)
    #expect(end.messages.first?.contains("at most 1000 are kept") == true)
  }

  /// What is kept came through an MTA: however odd its first line is, it was a field.
  @Test(arguments: [
    "From : x\r\n", "From \t: x\r\n", "From : x\r\n folded\r\n", ">From : x\r\n",
    "X-\u{7F}: x\r\nSubject: y\r\n", "",
  ])
  func releasesOriginalsThatBeginOddly(_ head: String) throws {
    let reference = "K7Q2M9XA4Z"
    let text = "\(head)\r\n.hello\r\nFrom : x\r\n"
    let mail = KeptMail(
      reference: reference, time: 0, sender: "<ann@example.com>", recipients: ["<b@example.org>"],
      module: "defang", reason: "banned", size: 0, digest: "")
    try quarantine.keep([Array(text.utf8)[...]], as: mail, by: Deadline(.seconds(9), time))
    let server = try ScriptedSMTPServer { _, _ in nil }
    let request = ReleaseRequest(
      reference: reference, form: .original, part: nil, recipient: nil, reason: "")
    _ = perform(.release(request), port: server.port)
    let sent = content(server)
    #expect(sent.hasSuffix("\r\n" + text))
    // As an MTA reads it, which takes no second line for that of an mbox.
    #expect(try filter(sent, to: ["<b@example.org>"]).count == 1)
    #expect(try quarantine.store.releases(of: reference).first?.usedBy != nil)
  }
}
