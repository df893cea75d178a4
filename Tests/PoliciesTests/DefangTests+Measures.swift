// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import FoundationEssentials
import Mail
import Milter
import Policies
import Policy
import TestSupport
import Testing

extension DefangTests {
  // MARK: what cannot be known

  /// A zip archive with one member, `a.txt`, whose flag says that it is encrypted.
  static let encryptedArchive = """
    UEsDBBQAAQAAAAAAIQAAAAAADAAAAAAAAAAFAAAAYS50eHQAAAAAAAAAAAAAAABQSwECFAAUAAEAAAAAACEAAAAAAAwA
    AAAAAAAABQAAAAAAAAAAAAAApIEAAAAAYS50eHRQSwUGAAAAAAEAAQAzAAAALwAAAAAA
    """

  @Test(arguments: [("tag", "ok"), ("reject", "550 5.7.1"), ("defang", "ok")])
  func meetsEncrypted(_ measure: String, _ code: String) throws {
    let text = String(decoding: Self.message("a.zip", type: "application/zip"), as: UTF8.self)
      .replacing("TVqQAAMAAAAE", with: Self.encryptedArchive.replacing("\n", with: "\r\n"))
    let (result, after, site) = try Self.run(Array(text.utf8), "encrypted = \(measure)")
    #expect(result.message.end.code == code)
    let tag = after.headers.first { $0.isNamed("X-BMS-Attachment") }?.value
    #expect(tag == (measure == "tag" ? "encrypted; part 2 (a.zip)" : nil))
    #expect(site.originals.kept.count == (measure == "defang" ? 1 : 0))
    if measure == "defang" {
      #expect(
        String(decoding: after.bytes, as: UTF8.self)
          .contains("it is encrypted and cannot be inspected"))
      #expect(site.originals.kept.first?.original.reason.detail.contains("a.zip") == true)
    }
  }

  @Test(arguments: [("tag", "ok"), ("defang", "ok"), ("reject", "554 5.6.0")])
  func meetsUninspected(_ measure: String, _ code: String) throws {
    let message = Array(
      """
      Content-Type: message/partial; id="a@b"; number=1; total=2

      Subject: first half

      """.replacing("\n", with: "\r\n").utf8)
    let (result, after, _) = try Self.run(message, "uninspected = \(measure)")
    #expect(result.message.end.code == code)
    let isTagged = after.headers.contains { $0.isNamed("X-BMS-Attachment") }
    #expect(isTagged == (measure == "tag"))
    if measure == "defang" {
      #expect(after.headers.first { $0.isNamed("Content-Type") }?.value != "message/partial")
    }
  }

  @Test(
    "what lies beyond a limit is dangerous",
    arguments: [("tag", "ok"), ("defang", "ok"), ("reject", "554 5.6.0")])
  func meetsLimits(_ measure: String, _ code: String) throws {
    let padding = (0..<1001).map { "p\($0)=\($0)" }.joined(separator: ";\r\n ")
    let text = String(decoding: Self.message("a.txt"), as: UTF8.self)
      .replacing("octet-stream; name", with: "octet-stream;\r\n \(padding);\r\n x")
    let (result, after, site) = try Self.run(Array(text.utf8), "uninspected = \(measure)")
    #expect(result.message.end.code == code)
    let isCut = measure != "reject"
    #expect(site.originals.kept.map { $0.original.removed.map(\.number) } == (isCut ? [["2"]] : []))
    let sentence = "has more than can be inspected (names)"
    let written = String(decoding: after.bytes, as: UTF8.self).replacing("=\r\n", with: "")
    #expect(written.contains(sentence) == isCut)
    #expect(!after.headers.contains { $0.isNamed("X-BMS-Attachment") })
  }

  @Test(
    "a header of the message itself beyond the limit cannot be cut",
    arguments: [("tag", "ok"), ("defang", "554 5.6.0"), ("reject", "554 5.6.0")])
  func meetsALongHeader(_ measure: String, _ code: String) throws {
    let padding = (0..<100).map { "X-Field-\($0): \(String(repeating: "x", count: 60))\r\n" }
    let message = Array((padding.joined() + "Subject: x\r\n\r\nx\r\n").utf8)
    let (result, after, _) = try Self.run(message, "max_header = 4k\nuninspected = \(measure)")
    #expect(result.message.end.code == code)
    let tag = after.headers.first { $0.isNamed("X-BMS-Attachment") }?.value
    #expect(tag == (measure == "tag" ? "uninspected; part 0, limit: header" : nil))
  }

  @Test("a message that was not collected is not passed", arguments: ["tempfail", "skip"])
  func defersWhatWasNotCollected(_ onError: String) throws {
    let site = try Site(
      "[defang]\nmode = enforce\nskip_to = lab@example.org\non_error = \(onError)")
    // Nobody wants the content for the first recipient; then comes another.
    let result = try Conversation.raw(
      .connect(Conversation.stranger),
      .hello("client.example.com"), .sender(["<ann@example.com>"]),
      .recipient(["<lab@example.org>"]), .data,
      .header(HeaderField(name: "Subject", rawValue: "x")),
      .recipient(["<bob@example.org>"]), .endOfHeaders, .body(Self.bare), .endOfMessage
    ).run(on: site)
    #expect(result.message.end.code == (onError == "skip" ? "ok" : "451 4.3.0"))
    let reasons = onError == "skip" ? [] : ["defang error enforced"]
    #expect(result.reasons == reasons)
  }

  @Test(arguments: [("tag", "ok"), ("defang", "552 5.3.4"), ("reject", "552 5.3.4")])
  func meetsTooLarge(_ measure: String, _ code: String) throws {
    let large = Self.message() + [UInt8](repeating: 0x41, count: 70_000)
    let (result, after, _) = try Self.run(
      large, "uninspected = \(measure)\n[milter]\nmax_message = 64k")
    #expect(result.message.end.code == code)
    #expect(after.headers.contains { $0.isNamed("X-BMS-Attachment") } == (measure == "tag"))
  }

  @Test("room for all messages together") func meetsNoRoom() throws {
    let large = Self.message() + [UInt8](repeating: 0x41, count: 17 << 20)
    let (result, _, site) = try Self.run(large, "[milter]\nmax_memory = 16M")
    #expect(result.message.end.code == "452 4.3.2")
    // The room is there again for the next one.
    let small = EditedMessage(parsing: Self.message())
    let next = try Conversation().from().to("<bob@example.org>").headers(small.headers)
      .body(small.body).run(on: site)
    #expect(next.message.edits.map(\.kind) == ["replace body"])
  }

  @Test("what cannot be looked into is tagged where nothing is cut", arguments: ["tag", "defang"])
  func tagsWhatStays(_ measure: String) throws {
    let message = Array(
      "Content-Type: message/partial; id=\"a@b\"; number=1; total=2\r\n\r\nSubject: half\r\n".utf8)
    let (result, after, _) = try Self.run(message, "action = tag\nuninspected = \(measure)")
    #expect(result.message.end == .proceed)
    #expect(after.headers.contains { $0.isNamed("X-BMS-Attachment") })
    #expect(result.reasons == ["defang uninspected enforced"])
  }

  @Test("a bounce of Postfix, whose boundary ends as a file does") func leavesBoundaries() throws {
    let text = String(decoding: Self.message("report.pdf"), as: UTF8.self)
      .replacing(
        "boundary=\"b\"", with: "boundary=\"B5A6F1.1234567890/mail.foo.ws\"; type=\"a/b.exe\""
      )
      .replacing("--b", with: "--B5A6F1.1234567890/mail.foo.ws")
    #expect(try Self.run(Array(text.utf8)).result.message.edits.isEmpty)
  }

  @Test(
    "a message named by its subject",
    arguments: [
      ("Welcome to Booking.com", "Subject: x\r\n\r\n", false), ("a.exe", "Subject: x\r\n", true),
      ("Welcome to Booking.com", "MZ", true),
    ])
  func leavesForwardedMail(_ name: String, _ content: String, isCut: Bool) throws {
    let text = String(decoding: Self.message(name, type: "message/rfc822"), as: UTF8.self)
    let encoded = Data(content.utf8).base64EncodedString()
    let message = Array(text.replacing("TVqQAAMAAAAE", with: encoded).utf8)
    #expect(try Self.run(message).result.message.edits.isEmpty == !isCut)
  }

  @Test("thousands of files: the first ones are explained") func countsNotices() throws {
    var text = "From: a@example.com\r\n\r\n"
    for _ in 0..<2000 { text += "begin 644 a.exe\r\n#0V%T\r\nend\r\n" }
    let (result, after, site) = try Self.run(Array(text.utf8))
    #expect(result.message.end == .proceed)
    let lines = String(decoding: after.body, as: UTF8.self).components(separatedBy: "\r\n")
    #expect(lines.count { $0.contains("was taken out before delivery") } == 50)
    #expect(lines.count { $0.contains("a.exe: taken out, reference") } == 1950)
    #expect(site.originals.kept.first?.original.removed.count == 2000)
  }

  @Test("no half of a cut passes, whatever on_error says") func defersHalfACut() throws {
    let (result, _, _) = try Self.run(
      Self.bare, "on_error = skip", on: Conversation().refusingEdits("replace body"))
    #expect(result.message.end.code == "451 4.3.0")
  }

  @Test("a name of marks without end does not make an endless field") func bounds() throws {
    let name = "a" + String(repeating: "\u{301}", count: 900) + ".exe"
    let (_, after, _) = try Self.run(Self.message(name), "action = tag")
    let tag = try #require(after.headers.first { $0.isNamed("X-BMS-Attachment") })
    #expect(tag.value.bytes.count < 500)
  }

  @Test(arguments: [("ignore", "ok"), ("tag", "ok"), ("reject", "554 5.6.0")])
  func meetsAmbiguous(_ tolerance: String, _ code: String) throws {
    let message = Array(
      """
      Content-Type: text/plain
      Content-Type: text/html

      Hello

      """.replacing("\n", with: "\r\n").utf8)
    let (result, after, _) = try Self.run(message, "ambiguous = \(tolerance)")
    #expect(result.message.end.code == code)
    let tag = after.headers.first { $0.isNamed("X-BMS-Attachment") }?.value
    #expect(tag == (tolerance == "tag" ? "ambiguous; content-types" : nil))
  }

  @Test(arguments: [("keep", false), ("defang", true)])
  func meetsSigned(_ option: String, isCut: Bool) throws {
    let text = String(decoding: Self.message(), as: UTF8.self)
      .replacing("multipart/mixed;", with: "multipart/signed; protocol=\"application/pgp\";")
    let (result, after, _) = try Self.run(Array(text.utf8), "signed = \(option)")
    #expect(result.message.end == .proceed)
    #expect(result.message.edits.contains { $0.kind == "replace body" } == isCut)
    let tag = after.headers.first { $0.isNamed("X-BMS-Attachment") }?.value
    #expect(tag == (isCut ? nil : "dangerous but signed; setup.exe: .exe"))
  }

  /// A name is the attacker's: it must not become a header field of its own.
  @Test func keepsNamesOutOfTheHeader() throws {
    let message = Self.message("x\u{202E}=?utf-8?Q?=0D=0AX-Evil:=20yes=0D=0A?=.exe")
    let (result, after, _) = try Self.run(message, "action = tag")
    #expect(result.message.end == .proceed)
    #expect(!after.headers.contains { $0.isNamed("X-Evil") })
    let tag = try #require(after.headers.first { $0.isNamed("X-BMS-Attachment") })
    #expect(tag.value.bytes.allSatisfy { (0x20...0x7E).contains($0) })
  }
}
