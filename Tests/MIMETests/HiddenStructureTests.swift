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

  @Test(
    "fault 25: boundaries behind many parameters",
    arguments: [
      (0..<150).map { "p\($0)=\($0); " }.joined() + "boundary=b",
      (0..<150).map { "p\($0)=\($0); " }.joined() + "boundary*0=b",
      (0..<9).map { "boundary=d\($0); " }.joined() + "boundary=b",
      (0..<500).map { "boundary=d\($0); " }.joined() + "boundary=b",
      "boundary=b; " + (0..<500).map { "boundary=d\($0); " }.joined(),
    ])
  func findsBoundaries(_ parameters: String) {
    let tree = MIMETree(
      lines: "Content-Type: multipart/mixed; \(parameters)\n\n\(decoy)--b\n\(bad)--b--\n")
    #expect(tree.nameTexts.contains("x.exe"))
  }

  @Test func saysThatBoundariesAreLeftOut() {
    let decoys = (0..<20).map { "boundary=d\($0); " }.joined()
    let tree = MIMETree(
      lines: "Content-Type: multipart/mixed; \(decoys)\n\n\(decoy)--d12\n\(bad)--d12--\n")
    #expect(tree.limitsMet == [.names])
  }

  @Test(
    "fault 25: a boundary that is empty",
    arguments: ["boundary=\"\"", "boundary=\" \"", "boundary=", "boundary; boundary=\"\t\""])
  func findsPartsBetweenHyphens(_ parameter: String) {
    let tree = MIMETree(
      lines: "Content-Type: multipart/mixed; \(parameter)\n\n--\n\(bad)-- \n\n2\n----\nend\n")
    #expect(tree.nameTexts.contains("x.exe"))
    #expect(tree.outline == ["0 multipart", "1 a/b \"1\"", "2 text/plain \"2\""])
  }

  @Test func anEmptyBoundaryHidesNoOther() {
    let tree = MIMETree(
      lines:
        "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\n--b\n\(bad)--b--\n")
    #expect(tree.nameTexts.contains("x.exe"))
  }

  /// What a program that guesses takes for the boundary.
  private var decoy: String { "--x\nContent-Type: text/plain\n\n" }

  private var bad: String { "Content-Type: a/b; name=x.exe\n\n1\n" }
}
