// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Mail
import Testing

extension SurgeryTests {
  private static func base64(_ text: String, _ width: Int = 76) -> String {
    let bytes = Array(text.replacing("\n", with: "\r\n").utf8)
    return String(
      decoding: ContentEncoder.encode(bytes, .base64, lineEnd: [0x0A]), as: UTF8.self)
  }

  private static let inner = """
    Subject: inner
    Content-Type: multipart/mixed; boundary=c

    --c
    Content-Type: text/html

    \(String(repeating: "text ", count: 30))
    --c
    Content-Type: a/b; name=application.pif

    2
    --c--
    """

  static let encoded: [SurgeryCase] = [
    .init(
      "uuencoded in quoted-printable",
      """
      Content-Transfer-Encoding: quoted-printable

      caf=C3=A9
      =62egin 644 a.exe
      %:&5L;&\\
      end
      b=79e
      """,
      """
      Content-Transfer-Encoding: quoted-printable

      caf=C3=A9
      [ REMOVED ]
      =62ye
      """),
    .init(
      "uuencoded in quoted-printable, before and behind other parts that go",
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      Content-Type: a/b; name=1.exe

      1
      --b
      Content-Transfer-Encoding: quoted-printable

      caf=C3=A9
      begin 644 a.exe
      %:&5L;&\\
      end
      bye
      --b
      Content-Type: a/b; name=3.exe

      3
      --b--
      """,
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      §
      --b
      Content-Transfer-Encoding: quoted-printable

      caf=C3=A9
      [ REMOVED ]
      =62ye
      --b
      §
      --b--
      """),
  ]

  @Test func cutsInsideAnEncodedMessage() throws {
    let outer =
      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n"
      + "Content-Transfer-Encoding: base64\n\n\(Self.base64(Self.inner))\n\n--b--\n"
    let message = Array(outer.replacing("\n", with: "\r\n").utf8)
    let result = try #require(try defanged(message))
    expectSound(result, from: message)
    let notice = SurgeryCase.notice
    let expected = Self.inner.replacing(
      "Content-Type: a/b; name=application.pif\n\n2", with: notice)
    let text = try #require(
      MIMETree(result.message).buffers.dropFirst().first.map {
        String(decoding: $0.bytes, as: UTF8.self)
      })
    #expect(text == expected.replacing("\n", with: "\r\n"))
    let lines = String(decoding: result.message, as: UTF8.self).split(separator: "\r\n")
    #expect(lines.allSatisfy { $0.utf8.count <= 76 })

    var blind = AttachmentRules.usual
    blind.scansMessages = false
    #expect(try defanged(message, blind) == nil)
  }

  /// An MTA ends the header at the junk, so there is nothing to compare the edits with.
  @Test func cutsABodyBehindJunkInTheHeader() throws {
    let result = try #require(
      try defanged(lines: "Subject: x\njunk\nContent-Type: a/b; name=x.exe\n\nhello"))
    #expect(
      String(decoding: result.message, as: UTF8.self)
        == "Subject: x\njunk\n\(SurgeryCase.notice)".replacing("\n", with: "\r\n"))
  }

  /// A bare CR within a field of the header makes lines of it for some programs only.
  @Test(
    arguments: [
      "Content-Type: a/b; name=x.exe\rrest\r\n", "Subject: x\rContent-Type: a/b; name=x.exe\r\n",
      "Content-Type: a/b; name=x.exe\r\r\n", "X: y\rContent-ID: x.exe\rz\r\n",
    ])
  func cutsBehindABareReturnInTheHeader(_ field: String) throws {
    let message = Array("Subject: y\r\n\(field)\r\nhello".utf8)
    let result = try #require(try defanged(message))
    expectSound(result, from: message)
    #expect(MIMETree.split(result.message).header.upperBound < result.message.count)
  }

  /// For programs that want whole line ends the header goes on where it has ended for an MTA.
  @Test func cutsAHeaderThatEndsLaterForOthers() throws {
    let message = Array(
      ("Subject: x\r\nContent-Type: a/b\n\r\none\r\nContent-ID: x.exe\r\n\r\ntwo\r\n").utf8)
    let result = try #require(try defanged(message))
    expectSound(result, from: message)
    #expect(
      String(decoding: result.message, as: UTF8.self)
        == "Subject: x\n\(SurgeryCase.notice)\n".replacing("\n", with: "\r\n"))
  }

  /// An MTA changes a field where it stands, and the result has the fields of the notice behind all
  /// others: what is dangerous in one order only must not pass.
  @Test(arguments: ["Subject: x", "X\u{7F}y: x"])
  func judgesWhatTheMTAMakesOfTheEdits(_ last: String) throws {
    let message = Array("Content-Type: a/b; name=x.exe\r\n\(last)\r\n\r\nhello\r\n".utf8)
    var judged: [String] = []
    let surgery = Surgery(
      .usual,
      judge: { tree, _ in
        let first = tree.buffers.first.map { String(decoding: $0.bytes, as: UTF8.self) } ?? ""
        judged.append(first.prefix { $0 != ":" }.description)
        return judged.count == 2 ? [] : [0]
      }
    ) { _, _ in .replace(Notice("REMOVED")) }
    #expect(throws: SurgeryFailure.stillDangerous(nil)) { try surgery.operate(on: message) }
    #expect(judged == ["Content-Type", last.prefix { $0 != ":" }.description, "Content-Type"])
  }

  @Test func removesAPartWithItsDelimiter() throws {
    let message = Array(
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b\nContent-ID: x.exe\n\n2\n--b--\n"
        .utf8)
    let result = try #require(try defanged(message, removing: true))
    #expect(
      String(decoding: result.message, as: UTF8.self)
        == "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b--\n")
    expectSound(result, from: message)
  }

  @Test func leavesAnEmptyTextWhereAllIsRemoved() throws {
    let part = "--b\nContent-ID: x.exe\n\n2\n"
    let message = Array("Content-Type: multipart/mixed; boundary=b\n\n\(part)\(part)--b--\n".utf8)
    let result = try #require(try defanged(message, removing: true))
    expectSound(result, from: message)
    #expect(MIMETree(result.message).parts.map(\.kind) == [.multipart, .leaf])
  }

  @Test func takesAnHTMLNotice() throws {
    let message = Array("Content-Type: a/b; name=x.exe\n\n1".utf8)
    let result = try #require(
      try Surgery(.usual) { _, _ in .replace(Notice("<p>--é\r\n-- .</p>", isHTML: true)) }
        .operate(on: message))
    let tree = MIMETree(result.message)
    #expect(tree.parts.first?.type.name == "text/html")
    var decoder = try #require(tree.parts.first.map(tree.decoder(of:)))
    #expect(decoder.content(limit: 100) == Array("<p>--é\n-- .</p>".utf8))
    #expect(!String(decoding: result.message, as: UTF8.self).contains("\n-"))
  }

  @Test func tellsHeaderEdits() throws {
    let message = Array(
      """
      content-type: a/b; name=x.exe
      Subject: x
      Content-Type: c/d
      Content-ID: 1

      1
      """.utf8)
    let result = try #require(try defanged(message))
    #expect(
      result.headerEdits == [
        .changeHeader(
          name: "content-type", occurrence: 1, value: "text/plain; charset=utf-8"),
        .changeHeader(name: "content-type", occurrence: 2, value: nil),
        .changeHeader(name: "Content-ID", occurrence: 1, value: nil),
        .addHeader(name: "Content-Transfer-Encoding", value: "quoted-printable"),
        .addHeader(name: "Content-Disposition", value: "inline"),
      ])
    #expect(result.body == Array("REMOVED".utf8))
  }

  @Test func givesUpRatherThanPassWhatStays() {
    let message = Array("Subject: x\n\nhello".utf8)
    #expect(throws: SurgeryFailure.stillDangerous(nil)) {
      try Surgery(.usual, judge: { _, _ in [0] }, treat: { _, _ in .replace(Notice("x")) })
        .operate(on: message)
    }
  }

  @Test func cutsFurtherOutWhatComesBack() throws {
    // A judge that takes every base64 part for dangerous meets the encoded message again and again.
    let message = Array(
      ("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
        + "Content-Transfer-Encoding: base64\n\nMTIz\n--b--\n").utf8)
    let surgery = Surgery(
      .usual, judge: { tree, _ in tree.parts.filter { $0.kind == .message }.flatMap(\.children) },
      treat: { _, _ in .replace(Notice("x")) })
    let result = try #require(try surgery.operate(on: message))
    #expect(MIMETree(result.message).parts.map(\.kind) == [.multipart, .leaf])
  }
}
