// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// A message of a kind that the ancestor's tests pin, and what is replaced in it.
struct PinnedCase: Sendable, CustomTestStringConvertible {
  var name: String
  var message: String
  var removed: [String]
  var rules: AttachmentRules

  init(
    _ name: String, _ message: String, _ removed: [String],
    _ change: (inout AttachmentRules) -> Void = { _ in }
  ) {
    self.name = name
    self.message = message
    self.removed = removed
    rules = .usual
    change(&rules)
  }

  var testDescription: String { name }
}

/// What the ancestor replaced and what it left, kind by kind; its own messages are in
/// `AncestorMessageTests`.
@Suite struct PinnedTests {
  @Test(arguments: replaced + left, ["\n", "\r\n"])
  func replaces(_ row: PinnedCase, _ lineEnd: String) throws {
    let message = Array(row.message.replacing("\n", with: lineEnd).utf8)
    let result = try defanged(message, row.rules)
    #expect(result?.removed.map(\.part.number) ?? [] == row.removed)
    if let result { expectSound(result, from: message, row.rules) }
  }

  private static func mixed(_ parts: String..., boundary: String = "b", end: String = "--b--\n")
    -> String
  {
    "Content-Type: multipart/mixed; boundary=\"\(boundary)\"\n\n"
      + parts.map { "--b\n\($0)\n" }.joined() + end
  }

  private static func file(_ name: String, _ content: String = "x") -> String {
    "Content-Type: application/octet-stream; name=\"\(name)\"\n\n\(content)"
  }

  /// A header of a member and the end of a directory, which is all that a stored zip needs here.
  private static func zip(_ member: String, _ content: String = "") -> String {
    "PK\u{3}\u{4}" + String(repeating: "\0", count: 22)
      + String(Unicode.Scalar(UInt8(member.utf8.count))) + "\0\0\0" + member + content
      + "PK\u{5}\u{6}" + String(repeating: "\0", count: 18)
  }

  private static let text = "\nhello"

  static let replaced: [PinnedCase] = [
    .init("vbs in a multipart", mixed(text, file("LOVE-LETTER-FOR-YOU.TXT.vbs"), text), ["2"]),
    .init("pif is the first part", mixed(file("me_nude.avi.pif"), text), ["1"]),
    .init("exe, the end missing", mixed(text, file("a.exe"), end: ""), ["2"]),
    .init("exe, the end cut off", mixed(text, file("a.exe"), end: "--b"), ["2"]),
    .init(
      "exe under a boundary quoted twice",
      mixed(text, file("a.exe"), boundary: "\\\"b\\\"", end: ""), ["2"]),
    .init("exe as the only body", "Subject: x\n\(file("a.exe"))\n", ["0"]),
    .init(
      "scr, then a sneaky asp",
      mixed(
        text, file("story[1].scr"), text,
        "Content-Type: image/gif;\n name=story.gif;\n x=\"story[1].asp\"\n\nx"), ["2", "4"]),
    .init("zip with a banned member", mixed(text, file("a.zip", zip("a.exe"))), ["2"]),
    .init("corrupt zip", mixed(text, file("a.zip", "no zip at all")), ["2"]),
    .init(
      "zip in a zip", mixed(text, file("a.zip", zip("b.zip", zip("c.exe")))), ["2"]),
    .init("hidden in an encoded message", mixed(text, encodedMessage), ["2.2"]),
  ]

  static let left: [PinnedCase] = [
    .init("zip with a banned member, archives not scanned", mixed(file("a.zip", zip("a.exe"))), [])
    { $0.scansArchives = false },
    .init("empty zip", mixed(text, file("a.zip", "")), []),
    .init("zip of white space", mixed(text, file("a.zip", "\n \n")), []),
    .init(
      "name of 140 characters in pieces",
      mixed(
        "Content-Disposition: attachment;\n filename*0=\"\(long)\";\n filename*1=\"\(long).pdf\"\n\nx"
      ),
      []),
    .init("image with entities in its name", mixed(file("a&eacute;&#46;exe;.jpg")), []),
    .init(
      "bounce",
      """
      From: <>
      Content-Type: multipart/report; report-type=delivery-status; boundary=b

      --b

      It could not be delivered to bob@example.com.
      --b
      Content-Type: message/delivery-status

      Reporting-MTA: dns; mail.example.com

      Final-Recipient: rfc822; bob@example.com
      Action: failed
      --b
      Content-Type: text/rfc822-headers

      Subject: a.exe
      --b--
      """, []),
    .init("hidden in an encoded message, messages not scanned", mixed(text, encodedMessage), []) {
      $0.scansMessages = false
    },
    .init(
      "odd declarations in HTML",
      mixed("Content-Type: text/html\n\n<![if !IE]><! a.exe ><!DOCTYPE a.exe><![endif]>"), []),
  ]

  private static let long = String(repeating: "0123456789", count: 7)

  private static let encodedMessage: String = {
    let inner = mixed(text, file("application.pif"))
    let body = ContentEncoder.encode(Array(inner.utf8), .base64, lineEnd: [0x0A])
    return "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
      + String(decoding: body, as: UTF8.self)
  }()
}
