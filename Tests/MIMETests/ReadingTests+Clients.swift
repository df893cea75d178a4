// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MIME
import Testing

extension ReadingTests {
  /// A body of two multiparts in one another, both of which some program sees.
  private static func both(_ name: String, _ type: String, _ good: String, _ evil: String)
    -> ReadingCase
  {
    .init(
      name, "Content-Type: \(type)\n\n--\(good)\n\n1\n--\(evil)\n\n2\n--\(evil)--\n--\(good)--\n",
      [
        "0 multipart", "1 text/plain \"1\r\n--\(evil)\r\n\r\n2\r\n--\(evil)--\"", "0b multipart",
        "0b.1 text/plain \"2\"",
      ], [.boundaries])
  }

  static let clientBoundaries: [ReadingCase] = [
    both(
      "boundary in a comment (mutt, Thunderbird)",
      "multipart/mixed (; boundary=\"evil\"; ) ; boundary=\"good\"", "good", "evil"),
    both(
      "boundary behind an escaped quote",
      "multipart/mixed; x=\"a\\\"; boundary=evil; y=\"; boundary=good", "good", "evil"),
    .init(
      "delimiters of Mailtool (Thunderbird)",
      """
      Content-Type: X-sun-attachment

      ----------
      X-Sun-Data-Type: text

      1
      ----------
      X-Sun-Data-Name: a.exe

      2

      """, ["0 multipart", "1 text/plain \"1\"", "2 text/plain \"2\r\n\""]),
  ]

  @Test(
    "a part that one program sees",
    arguments: [
      ("good", "goox", "multipart/mixed; boundary*0=goo; boundary*1=d; boundary*1=x"),
      ("good\0evil", "good", "multipart/mixed; boundary=\"good\0evil\""),
      (
        "good", "evil",
        (1...8).map { "text/x\($0); boundary=good\nContent-Type: " }.joined()
          + "multipart/mixed; boundary=evil"
      ),
    ])
  func findsPart(_ good: String, _ evil: String, _ type: String) {
    let tree = MIMETree(
      lines: "Content-Type: \(type)\n\n--\(good)\n\n1\n--\(evil)\n\n2\n--\(evil)--\n--\(good)--\n")
    #expect(tree.outline.contains { $0.hasSuffix(" text/plain \"2\"") })
  }
}
