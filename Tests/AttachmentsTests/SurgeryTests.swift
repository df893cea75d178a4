// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Mail
import Testing

/// A message, and the message without what is dangerous in it.
struct SurgeryCase: Sendable, CustomTestStringConvertible {
  var name: String
  var message: String
  /// The whole message afterwards; `§` stands for the fields of the notice and the notice.
  var result: String?

  init(_ name: String, _ message: String, _ result: String?) {
    self.name = name
    self.message = message
    self.result = result
  }

  var testDescription: String { name }

  static let notice = """
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: quoted-printable
    Content-Disposition: inline

    REMOVED
    """
}

@Suite struct SurgeryTests {
  @Test(arguments: parts + broken + bodies + encoded + harmless, ["\r\n", "\n"])
  func cuts(_ row: SurgeryCase, _ lineEnd: String) throws {
    let message = Array(row.message.replacing("\n", with: lineEnd).utf8)
    let result = try defanged(message)
    let expected = row.result?.replacing("§", with: SurgeryCase.notice)
      .replacing("\n", with: lineEnd)
    #expect(result.map { String(decoding: $0.message, as: UTF8.self) } == expected)
    if let result { expectSound(result, from: message) }
  }

  static let parts: [SurgeryCase] = [
    .init(
      "one of three",
      """
      Subject: x
      Content-Type: multipart/mixed; boundary=b

      preamble
      --b

      one
      --b
      Content-Type: application/x; name=a.exe
      Content-Transfer-Encoding: base64

      aGVsbG8=

      --b \t
      Content-Type: text/html

      three

      --b--
      epilogue
      """,
      """
      Subject: x
      Content-Type: multipart/mixed; boundary=b

      preamble
      --b

      one
      --b
      §
      --b \t
      Content-Type: text/html

      three

      --b--
      epilogue
      """),
    .init(
      "in a nested multipart",
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      Content-Type: multipart/related; boundary=c

      --c
      Content-ID: <1@example.com>

      one
      --c
      Content-Location: x/y.hta

      two
      --c--
      --b--
      """,
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      Content-Type: multipart/related; boundary=c

      --c
      Content-ID: <1@example.com>

      one
      --c
      §
      --c--
      --b--
      """),
    .init(
      "a container by its own name",
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      Content-Type: multipart/mixed; boundary=c; name=x.exe

      --c

      one
      --c--
      --b--
      """,
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      §
      --b--
      """),
    .init(
      "in an attached message",
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      Content-Type: message/rfc822

      Subject: inner
      Content-Type: application/x; name=x.exe
      X-Other: stays

      data
      --b--
      """,
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      Content-Type: message/rfc822

      Subject: inner
      X-Other: stays
      §
      --b--
      """),
    .init(
      "uuencoded in text",
      """
      Subject: x

      see
      begin 644 a.exe
      %:&5L;&\\
      `
      end
      bye
      """,
      """
      Subject: x

      see
      [ REMOVED ]
      bye
      """),
  ]

  static let broken: [SurgeryCase] = [
    .init(
      "missing end",
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b\nContent-Type: a/b; name=x.exe\n\n2\n",
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b\n§"),
    .init(
      "boundary quoted twice",
      "Content-Type: multipart/mixed; boundary=\"\\\"b\\\"\"\n\n--b\nContent-Type: a/b; name=x.exe\n\n2\n--b--\n",
      "Content-Type: multipart/mixed; boundary=\"\\\"b\\\"\"\n\n--b\n§\n--b--\n"),
    .init(
      "two boundaries that cross",
      """
      Content-Type: multipart/mixed; boundary=a; boundary=b

      --a

      1
      --b
      Content-Type: x/y; name=x.exe

      2
      --a

      3
      --b--
      """,
      """
      Content-Type: multipart/mixed; boundary=a; boundary=b

      --a

      1
      --b
      §
      --b--
      """),
    .init(
      "parts behind the end",
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b--\n--b\nContent-Type: a/b; name=x.exe\n\n2\n--b--",
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b--\n--b\n§\n--b--"),
    .init(
      "header without empty line",
      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: a/b; name=x.exe\n--b--",
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n§\n--b--"),
  ]

  static let bodies: [SurgeryCase] = [
    .init(
      "the body is the attachment",
      """
      Subject: x
      Content-Type: application/x; name=x.exe
      Content-Transfer-Encoding: base64
      To: y

      aGVsbG8=

      """, "Subject: x\nTo: y\n§\n"),
    .init("no body", "Content-Disposition: attachment; filename=x.exe\n", "§"),
  ]

  static let harmless: [SurgeryCase] = [
    .init("text", "Subject: a.exe\n\nbegin the a.exe\n", nil),
    .init(
      "related images",
      "Content-Type: multipart/related; boundary=www.example.com; start=\"<a@example.com>\"\n\n"
        + "--www.example.com\nContent-ID: <part1@example.com>\nContent-Location: www.example.com\n"
        + "\n1\n--www.example.com--\n", nil),
    .init(
      "long name in pieces",
      "Content-Type: a/b; name*0=\"\(long)\"; name*1=\"\(long).pdf\"\n\n1", nil),
  ]

  static let long = String(repeating: "0123456789", count: 7)
}
