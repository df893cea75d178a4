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
