// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import MIME
import Testing

/// Parts that some mail program finds although the header hides how.
@Suite struct HiddenStructureTests {
  @Test(
    "fault 25: attached messages whose names hide what they are",
    arguments: [
      "a.eml", "a.eml ", "a.eml.", "'a.eml'", "a.em\u{200B}l", "a\u{FF0E}EML", "a.eml;1",
      "a.eml::$DATA", "a.eml\0.txt", "a.mht. . \u{AD}", "a.nws\u{2060}/",
    ])
  func looksIntoMessages(named name: String) {
    let inner = Data("Content-Type: a/b; name=x.exe\r\n\r\n1".utf8).base64EncodedString()
    let tree = MIMETree(
      lines: """
        Content-Type: application/octet-stream; name="\(name)"
        Content-Transfer-Encoding: base64

        \(inner)

        """)
    #expect(tree.nameTexts.contains("x.exe"))
  }

  @Test(arguments: ["a.email", "aeml", "eml", "a.eml.txt", "a.eml ü", "", "."])
  func leavesOthers(named name: String) {
    let inner = Data("Content-Type: a/b; name=x.exe\r\n\r\n1".utf8).base64EncodedString()
    let tree = MIMETree(
      lines: """
        Content-Type: application/octet-stream; name="\(name)"
        Content-Transfer-Encoding: base64

        \(inner)

        """)
    #expect(!tree.nameTexts.contains("x.exe"))
  }
}
