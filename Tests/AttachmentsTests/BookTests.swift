// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// An archive that says that it is a book, and whether the scripts in it count.
struct BookCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var fields = "Content-Type: application/epub+zip; name=book.epub\n"
  var members = BookTests.book
  var counts: Bool
}

/// Books have scripts, which the programs that show them keep apart from everything else. A file is a
/// book if all that could open it takes it for one.
@Suite struct BookTests {
  @Test(arguments: rows) func excusesScripts(_ row: BookCase) {
    let content = ContentEncoder.encode(Self.zip(row.members), .base64, lineEnd: [0x0D, 0x0A])
    let fields = row.fields.replacing("\n", with: "\r\n")
    let message =
      Array("\(fields)Content-Transfer-Encoding: base64\r\n\r\n".utf8) + content
    #expect(Inspection(MIMETree(message), .usual).isClean == !row.counts)
  }

  static let mark = ("mimetype", "application/epub+zip")
  static let book = [mark, ("META-INF/container.xml", "<x/>"), ("OEBPS/js/quiz.js", "x")]

  static let rows: [BookCase] = [
    .init(testDescription: "book", counts: false),
    .init(
      testDescription: "book of no declared type",
      fields: """
        Content-Type: application/octet-stream; name=Book.EPUB
        Content-Disposition: attachment; filename=Book.EPUB; size=1000

        """.replacing("\n\n", with: "\n"), counts: false),
    .init(
      testDescription: "called a zip",
      fields: "Content-Type: application/epub+zip; name=book.zip\n", counts: true),
    .init(
      testDescription: "declared a zip",
      fields: "Content-Type: application/zip; name=book.epub\n", counts: true),
    .init(
      testDescription: "two names",
      fields: "Content-Type: application/epub+zip; name=book.epub\n"
        + "Content-Disposition: attachment; filename=book.zip\n", counts: true),
    .init(
      testDescription: "two types",
      fields: "Content-Type: application/epub+zip; name=book.epub\nContent-Type: application/zip\n",
      counts: true),
    .init(
      testDescription: "no name", fields: "Content-Type: application/epub+zip\n", counts: true),
    .init(
      testDescription: "zip that is called a book", members: Array(book.dropFirst()), counts: true),
    .init(
      testDescription: "mark that is not the first",
      members: book.dropFirst() + [mark], counts: true),
    .init(
      testDescription: "other mark",
      members: [("mimetype", "application/zip")] + book.dropFirst(), counts: true),
    .init(
      testDescription: "program in a book", members: book + [("a.exe", "x")], counts: true),
    .init(
      testDescription: "script in the stream of a program", members: book + [("a.exe:b.js", "x")],
      counts: true),
    .init(
      testDescription: "archive in a book",
      members: book + [("a.zip", String(decoding: zip([("b.js", "x")]), as: UTF8.self))],
      counts: true),
    .init(
      testDescription: "other script in a book", members: book + [("a.vbs", "x")], counts: true),
  ]

  /// A stored archive; all lengths below 128, so that it is text.
  private static func zip(_ members: [(String, String)]) -> [UInt8] {
    var local: [UInt8] = []
    var directory: [UInt8] = []
    for (name, content) in members {
      let sizes = number(content.utf8.count, 4) + number(content.utf8.count, 4)
      let common: [UInt8] = [20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + sizes
      let start = local.count
      local += [0x50, 0x4B, 3, 4] + common + number(name.utf8.count, 2) + [0, 0]
      local += Array(name.utf8) + Array(content.utf8)
      directory += [0x50, 0x4B, 1, 2, 20, 0] + common + number(name.utf8.count, 2)
      directory += [UInt8](repeating: 0, count: 12) + number(start, 4) + Array(name.utf8)
    }
    return local + directory + [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + number(members.count, 2)
      + number(members.count, 2) + number(directory.count, 4) + number(local.count, 4) + [0, 0]
  }

  private static func number(_ value: Int, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}
