// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// Dangerous parts behind odd boundaries, and harmless ones that look like archives.
@Suite struct HiddenPartTests {
  @Test(
    "fault 25: odd boundaries",
    arguments: [
      ("boundary=\"\"", ""), ("boundary=\" \"", ""),
      ((0..<150).map { "p\($0)=\($0); " }.joined() + "boundary=b", "b"),
      ((0..<9).map { "boundary=d\($0); " }.joined() + "boundary=b", "b"),
    ])
  func cuts(_ parameters: String, _ boundary: String) throws {
    let message = Array(
      """
      Content-Type: multipart/mixed; \(parameters)

      --\(boundary)
      Content-Type: a/b; name=setup.exe

      x
      --\(boundary)

      text
      --\(boundary)--

      """.utf8)
    let result = try #require(try defanged(message))
    #expect(result.removed.count == 1)
    expectSound(result, from: message)
  }

  /// Some programs pass over empty lines before a header, whatever field it begins with.
  @Test(
    "a header behind an empty line",
    arguments: [
      "\nContent-Type: a/b; name=setup.exe\n\nx\n",
      "\n\nX: y\nContent-Type: a/b; name=setup.exe\n\nx\n",
      "Content-Type: message/rfc822\n\n\nReceived: x\n y\nContent-Type: a/b; name=setup.exe\n\nx\n",
      "Content-Type: message/rfc822\n\n\nSubject: x\nContent-Type: multipart/mixed; boundary=c\n\n"
        + "--c\nContent-Type: a/b; name=setup.exe\n\nx\n--c--\n",
    ])
  func cutsBehindAnEmptyLine(_ part: String) throws {
    let message = Array(
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\(part)--b\n\ntext\n--b--\n"
        .replacing("\n", with: "\r\n").utf8)
    let result = try #require(try defanged(message))
    expectSound(result, from: message)
    #expect(!String(decoding: result.message, as: UTF8.self).contains("setup.exe"))
    #expect(String(decoding: result.message, as: UTF8.self).contains("\r\ntext\r\n"))
  }

  @Test(arguments: ["Note: see below", "From: a@b.example\nSubject: x\nDate: today"])
  func leavesTextsThatBeginAsHeadersDo(_ text: String) {
    let message = Array(
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\(text)\n\n--b--\n".utf8)
    let tree = MIMETree(message)
    #expect(!tree.isAmbiguous && tree.parts.count == 2)
  }

  @Test("marks of a zip in a picture")
  func leavesPictures() {
    for version in [20, 255] as [UInt8] {
      // Flags of an encrypted and masked header, a method that there is not.
      let picture: [UInt8] =
        [0x50, 0x4B, 3, 4, version, 0, 1, 0x20, 0x33, 0x44] + [UInt8](repeating: 0x91, count: 400)
      let message =
        Array("Content-Type: image/jpeg\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".utf8) + picture
      let inspection = Inspection(MIMETree(message), .usual)
      #expect(inspection.isClean)
      #expect(inspection.facts.isEmpty)
    }
  }
}
