// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MIME
import Testing

/// A message and what is to be seen in it by some mail program.
struct ReadingCase: Sendable, CustomTestStringConvertible {
  var name: String
  var message: String
  var outline: [String]
  var ambiguities: [Ambiguity] = []

  init(
    _ name: String, _ message: String, _ outline: [String], _ ambiguities: [Ambiguity] = []
  ) {
    self.name = name
    self.message = message
    self.outline = outline
    self.ambiguities = ambiguities
  }

  var testDescription: String { name }
}

/// What mail programs read, and not only what the RFC allows.
@Suite struct ReadingTests {
  @Test(
    "fault 25: what programs read",
    arguments: wellFormed + boundaries + clientBoundaries + headers + encodings + otherTypes)
  func reads(_ row: ReadingCase) {
    let tree = MIMETree(lines: row.message)
    #expect(tree.outline == row.outline)
    #expect(tree.ambiguities == row.ambiguities)
    #expect(tree.limitsMet.isEmpty)
  }

  static let wellFormed: [ReadingCase] = [
    .init("empty", "", ["0 text/plain \"\""]),
    .init("no header", "\nhello\n", ["0 text/plain \"hello\r\n\""]),
    .init("no body", "Subject: x\n", ["0 text/plain \"\""]),
    .init("text", "Subject: x\n\nhello", ["0 text/plain \"hello\""]),
    .init(
      "multipart with preamble and epilogue",
      """
      Content-Type: multipart/mixed; boundary="b 1"

      preamble
      --b 1

      one
      --b 1
      Content-Type: text/html

      two

      --b 1--
      epilogue
      """, ["0 multipart", "1 text/plain \"one\"", "2 text/html \"two\r\n\""]),
    .init(
      "nested multiparts",
      """
      Content-Type: multipart/mixed; boundary=a

      --a
      Content-Type: multipart/alternative; boundary=b

      --b

      1
      --b

      2
      --b--
      --a

      3
      --a--
      """,
      [
        "0 multipart", "1 multipart", "1.1 text/plain \"1\"", "1.2 text/plain \"2\"",
        "2 text/plain \"3\"",
      ]),
    .init(
      "digest",
      """
      Content-Type: multipart/digest; boundary=a

      --a

      Subject: x
      Content-Type: text/html

      1
      --a--
      """, ["0 multipart", "1 message", "1.0 text/html \"1\""]),
    .init(
      "message in a message",
      """
      Content-Type: message/rfc822

      Content-Type: multipart/mixed; boundary=a

      --a

      1
      --a--
      """, ["0 message", "0.0 multipart", "0.1 text/plain \"1\""]),
    .init(
      "message in a message in a message",
      """
      Content-Type: message/rfc822

      Content-Type: message/rfc822

      Content-Type: multipart/mixed; boundary=a

      --a

      1
      --a--
      """, ["0 message", "0.0 message", "0.0.0 multipart", "0.0.1 text/plain \"1\""]),
    .init(
      "folded type with comments",
      """
      content-type : (a (nested) comment) Multipart / Mixed (b);
      \tBoundary = (c) "a" (d)

      --a

      1
      --a--
      """, ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "boundary in pieces (RFC 2231)",
      """
      Content-Type: multipart/mixed; boundary*0=a; boundary*1*=%62

      --ab

      1
      --ab--
      """, ["0 multipart", "1 text/plain \"1\""]),
  ]

  static let boundaries: [ReadingCase] = [
    .init(
      "missing end",
      "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a\n\n2\n",
      ["0 multipart", "1 text/plain \"1\"", "2 text/plain \"2\r\n\""]),
    .init(
      "inner end missing",
      """
      Content-Type: multipart/mixed; boundary=a

      --a
      Content-Type: multipart/mixed; boundary=b

      --b

      1
      --a

      2
      --a--
      """,
      ["0 multipart", "1 multipart", "1.1 text/plain \"1\"", "2 text/plain \"2\""]),
    .init(
      "boundary missing",
      "Content-Type: multipart/mixed\n\n--a\nContent-Type: text/html\n\n1\n--a--\n",
      ["0 multipart", "1 text/html \"1\""], [.guessedBoundary]),
    .init(
      "boundary empty",
      "Content-Type: multipart/mixed; boundary=\"\"\n\n--a\nContent-Type: text/html\n\n1\n--a--\n",
      ["0 multipart", "1 text/html \"1\""], [.guessedBoundary]),
    .init(
      "boundary wrong",
      "Content-Type: multipart/mixed; boundary=x\n\n--a\nContent-ID: 1\n\n1\n--a--\n",
      ["0 multipart", "1 text/plain \"1\""], [.guessedBoundary]),
    .init(
      "boundary that does not occur", "Content-Type: multipart/mixed; boundary=x\n\nhello\n",
      ["0 multipart/mixed \"hello\r\n\""]),
    .init(
      "two boundaries, both occur",
      "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\n1\n--b\n\n2\n--b--\n--a--\n",
      [
        "0 multipart", "1 text/plain \"1\r\n--b\r\n\r\n2\r\n--b--\"", "0b multipart",
        "0b.1 text/plain \"2\"",
      ], [.boundaries]),
    .init(
      "two boundaries, one occurs",
      "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--b\n\n2\n--b--\n",
      ["0 multipart", "1 text/plain \"2\""]),
    .init(
      "quoted twice", "Content-Type: multipart/mixed; boundary=\"\\\"a\\\"\"\n\n--a\n\n1\n--a--\n",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "quoted twice without backslashes",
      "Content-Type: multipart/mixed; boundary=\"\"a\"\"\n\n--a\n\n1\n--a--\n",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "quote not closed", "Content-Type: multipart/mixed; boundary=\"a\n\n--a\n\n1\n--a--\n",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "trailing space in parameter and line",
      "Content-Type: multipart/mixed; boundary=\"a \"\n\n--a\t\n\n1\n--a-- \n",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "characters that need quotes",
      "Content-Type: multipart/mixed; boundary==_a(b)=?;\n\n--=_a(b)=?\n\n1\n--=_a(b)=?--\n",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "no semicolon", "Content-Type: multipart/mixed boundary=a\n\n--a\n\n1\n--a--\n",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "longer than 70 characters",
      "Content-Type: multipart/mixed; boundary=\(long)x\n\n--\(long)x\n\n1\n--\(long)x--\n",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "longer than 70 characters, cut in the body",
      "Content-Type: multipart/mixed; boundary=\(long)x\n\n--\(long)\n\n1\n--\(long)--\n",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "delimiter with more behind it",
      "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--abc\nContent-ID: 2\n\n2\n--a--\n",
      [
        "0 multipart", "1 text/plain \"1\r\n--abc\r\nContent-ID: 2\r\n\r\n2\"", "0b multipart",
        "0b.1 text/plain \"1\"", "0b.2 text/plain \"2\"",
      ], [.longerDelimiter]),
    .init(
      "inner boundary begins with the outer",
      """
      Content-Type: multipart/mixed; boundary=a

      --a
      Content-Type: multipart/mixed; boundary=ab

      --ab

      1
      --ab--
      --a--
      """, ["0 multipart", "1 multipart", "1.1 text/plain \"1\""]),
    .init(
      "boundary of the parent",
      """
      Content-Type: multipart/mixed; boundary=a

      --a
      Content-Type: multipart/mixed; boundary=a

      --a

      1
      --a--
      """, ["0 multipart", "1 multipart/mixed \"\"", "2 text/plain \"1\""], [.boundaryOfParent]),
    .init(
      "parts behind the end",
      "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a--\n--a\n\n2\n--a--\n",
      ["0 multipart", "1 text/plain \"1\"", "2 text/plain \"2\""], [.partsBehindEnd]),
    .init(
      "parts in other type",
      "Content-Type: text/plain; boundary=a\n\n--a\nContent-ID: 1\n\n1\n--a--\n",
      [
        "0 multipart", "1 text/plain \"1\"",
        "0b text/plain \"--a\r\nContent-ID: 1\r\n\r\n1\r\n--a--\r\n\"",
      ],
      [.partsInOtherType]),
  ]

  static let long = String(repeating: "0123456789", count: 7)

  static let headers: [ReadingCase] = [
    .init(
      "two types",
      "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a--\n",
      ["0 text/plain \"--a\r\n\r\n1\r\n--a--\r\n\"", "0b multipart", "0b.1 text/plain \"1\""],
      [.contentTypes]),
    .init(
      "junk before the type",
      "Subject: x\njunk\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a--\n",
      [
        "0 multipart", "1 text/plain \"1\"",
        "0b text/plain \"junk\r\nContent-Type: multipart/mixed; bou\"",
      ], [.junkInHeader]),
    .init(
      "junk in the header of a text", "Subject: x\njunk\nTo: y\n\ntext", ["0 text/plain \"text\""]),
    .init(
      "header ends without empty line",
      "Content-Type: multipart/mixed; boundary=a\n--a\nContent-Type: text/html\n\n1\n--a--\n",
      [
        "0 multipart/mixed \"1\r\n--a--\r\n\"", "0b multipart", "0b.1 text/html \"1\"",
      ], [.contentTypes, .junkInHeader]),
    .init(
      "line of spaces in the header",
      "Subject: x\n \nContent-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a--\n",
      [
        "0 multipart", "1 text/plain \"1\"",
        "0b text/plain \"Content-Type: multipart/mixed; boundary=\"",
      ], [.blankLineInHeader]),
    .init(
      "empty line before the header",
      """
      Content-Type: multipart/mixed; boundary=a

      --a


      Content-Type: application/x; name=x
      Content-Transfer-Encoding: base64

      aGVsbG8=
      --a--
      """,
      [
        "0 multipart", "1 text/plain \"\r\nContent-Type: application/x; name=x\r\nC\"",
        "1b application/x \"hello\"",
      ], [.headerBehindEmptyLines]),
    .init(
      "mbox line", "From a@example.com Fri Sep 10 11:48:25 2004\nContent-Type: text/html\n\n1",
      ["0 text/html \"1\""]),
    .init(
      "type in an encoded word",
      "Content-Type: =?us-ascii?Q?multipart/mixed;_boundary=3Da?=\n\n--a\n\n1\n--a--\n",
      ["0  \"--a\r\n\r\n1\r\n--a--\r\n\"", "0b multipart", "0b.1 text/plain \"1\""],
      [.contentTypes]),
  ]
}
