// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// Parts that are each within their limits, and too much together.
@Suite struct MessageLimitTests {
  /// A way to give parts many names.
  struct Shape: Sendable, CustomTestStringConvertible {
    var name: String
    /// The header of a part, or what begins data in text.
    var part: @Sendable (Int) -> String
    /// The same with a dangerous name.
    var last = "--b\nContent-Disposition: attachment; filename=setup.exe\n\nx\n"
    var head = "Content-Type: multipart/mixed; boundary=b\n\n"
    var end = "--b--\n"

    var testDescription: String { name }

    func message(_ parts: Int) -> [UInt8] {
      Array((head + (0..<parts).map(part).joined() + last + end).utf8)
    }
  }

  /// A part whose header has so many fields of a kind.
  private static func part(_ count: Int, _ field: (Int) -> String) -> String {
    "--b\n" + (0..<count).map { field($0) + "\n" }.joined() + "\nx\n"
  }

  static let shapes: [Shape] = [
    Shape(name: "parameters") { _ in
      part(1) { _ in "Content-Disposition: a" + (0..<40).map { ";f\($0)=\($0)" }.joined() }
    },
    Shape(name: "text behind quotes") { _ in
      part(20) { "Content-Disposition: a; f\($0)=\"ж\\ж;ж.txt\"z=" }
    },
    Shape(name: "fields without a name") { _ in part(40) { _ in "Content-ID: <a@b.c>" } },
    Shape(name: "pieces") { _ in
      part(1) { _ in
        "Content-Type: a/b" + (0..<20).map { ";n\($0)*0*=utf-7'';n\($0)*2=.x;n\($0)*01=y" }.joined()
      }
    },
    Shape(name: "encoded words in a charset that nobody knows") { _ in
      part(10) { "Content-Disposition: a; f\($0)==?zz?q?a\($0)?= =?zz?q?b?=" }
    },
    Shape(name: "comments") { _ in
      part(1) { _ in
        "Content-Disposition: a" + (0..<20).map { ";((\"f\($0)=\"(\\\"a).x\"(b)z" }.joined()
      }
    },
    Shape(name: "locations") { _ in
      part(20) { "Content-Location: http://a.b/\($0).x?=?zz?q?%41?=" }
    },
    Shape(name: "types") { _ in
      part(7) { "Content-Type: t/\($0); x=\"\($0).x\"; y=\"\($0)\\\".x\"" }
    },
    Shape(name: "long names") { _ in
      part(2) { "Content-Disposition: a; f\($0)=\(String(repeating: "x", count: 2000))" }
    },
    Shape(name: "long names of parameters") { _ in
      part(2) { "Content-Disposition: a; \(String(repeating: "x", count: 2000))\($0)=1" }
    },
    Shape(
      name: "data in text", part: { "begin 644 \($0).txt\n#86%A\n`\nend\n" },
      last: "begin 644 setup.exe\n#86%A\n`\nend\n", head: "Content-Type: text/plain; a=b; c=d\n\n",
      end: ""),
  ]

  /// What a message needs of `MIMELimits.names`.
  private static func need(_ tree: MIMETree) -> Int {
    tree.parts.reduce(0) { sum, part in
      part.names.reduce(sum + part.fields.count) { sum, name in
        guard case .parameter(_, let parameter) = name.origin else {
          return sum + 1 + name.text.utf8.count / 64
        }
        return sum + 1 + (name.text.utf8.count + parameter.utf8.count) / 64
      }
    }
  }

  @Test("fault 24: names of all parts together", arguments: shapes)
  func boundsTheNamesOfAMessage(_ shape: Shape) throws {
    let message = shape.message(5)
    var rules = AttachmentRules.usual
    let whole = MIMETree(message, limits: rules.limits)
    let last = try #require(whole.parts.last)
    // Nothing but the message's limit is met.
    let need = Self.need(whole)
    rules.limits.parts = whole.parts.count
    rules.limits.namesForEachPart = 1
    rules.limits.namesPerPart = need
    #expect(rules.limits.names == need)
    let tree = MIMETree(message, limits: rules.limits)
    #expect(Self.notInspected(tree).isEmpty)
    #expect(tree.parts.map(\.names) == whole.parts.map(\.names))
    #expect(Inspection(tree, rules).offences.map(\.part) == [last.id])

    rules.limits.namesPerPart = need - 1
    let cut = MIMETree(message, limits: rules.limits)
    #expect(Self.notInspected(cut) == [.names])
    #expect(Self.need(cut) <= rules.limits.names)
    let offences = Inspection(cut, rules).offences
    #expect(offences.map(\.part) == [last.id])
    #expect(offences.map(\.danger) == [.notInspected(.names)])
  }

  @Test("fault 24: reading fields costs more than looking at them", arguments: shapes)
  func boundsTheWorkOfFields(_ shape: Shape) {
    let message = shape.message(30)
    var rules = AttachmentRules.usual
    rules.limits.leastWork = 0
    for work in [4, 16] {
      rules.limits.work = work
      let tree = MIMETree(message, limits: rules.limits)
      let longest = tree.parts.dropFirst().map(\.header.count).max() ?? 0
      // The last part may be read to its end, in readings that few programs have.
      #expect(tree.bytesRead <= (work + 2) * message.count + 200 * longest)
      if tree.bytesRead > work * message.count { #expect(!Inspection(tree, rules).isClean) }
    }
  }

  @Test("beyond what may be kept or read, nothing dangerous passes", arguments: shapes)
  func passesNothingUnseen(_ shape: Shape) {
    let message = shape.message(12)
    var rules = AttachmentRules.usual
    rules.limits.leastWork = 0
    rules.limits.parts = 14
    rules.limits.namesPerPart = 100
    for (each, work) in [(1, 64), (8, 64), (16, 64), (30, 1), (30, 2), (30, 8), (30, 32)] {
      rules.limits.namesForEachPart = each
      rules.limits.work = work
      #expect(!Inspection(MIMETree(message, limits: rules.limits), rules).isClean)
    }
  }

  /// A header behind an empty line, which some programs read, may be the same as none only because
  /// nothing of it could be kept.
  @Test(
    "nothing of a reading that few programs have",
    arguments: ["", "x=\(String(repeating: "x", count: 2_000)); "])
  func seesThatAReadingIsCut(_ long: String) {
    let filler = Self.part(9) { _ in "Content-ID: <a@b.c>" }
    var rules = AttachmentRules.usual
    rules.limits.headerBytes = 1_000
    rules.limits.namesForEachPart = 1
    for room in [10, 11] {
      rules.limits.parts = room
      rules.limits.namesPerPart = room
      let message =
        "Content-Type: multipart/mixed; boundary=b\n\n\(filler)--b\n\n"
        + "Content-Disposition: attachment; \(long)filename=setup.exe\n\nx\n--b--\n"
      let tree = MIMETree(Array(message.utf8), limits: rules.limits)
      #expect(!Inspection(tree, rules).isClean, "room for \(room)")
    }
  }

  /// Headers as mail programs write them, the dearest of them.
  private static let ordinary = [
    """
    Content-Type: application/pdf;
    \tname="=?utf-8?B?0J7RgtGH0LXRgiDQt9CwINC90L7Rj9Cx0YDRjCAyMDI0INCz0L7QtNCw?=
     =?utf-8?B?LCDRhNC40L3QsNC70YzQvdGL0Lkg0LLQsNGA0LjQsNC90YIucGRm?="
    Content-Description: =?utf-8?B?0J7RgtGH0LXRgiDQt9CwINC90L7Rj9Cx0YDRjCAyMDI0INCz0L7QtNCw?=
     =?utf-8?B?LCDRhNC40L3QsNC70YzQvdGL0Lkg0LLQsNGA0LjQsNC90YIucGRm?=
    Content-Disposition: attachment;
    \tfilename="=?utf-8?B?0J7RgtGH0LXRgiDQt9CwINC90L7Rj9Cx0YDRjCAyMDI0INCz0L7QtNCw?=
     =?utf-8?B?LCDRhNC40L3QsNC70YzQvdGL0Lkg0LLQsNGA0LjQsNC90YIucGRm?="; size=1234;
    \tcreation-date="Mon, 04 Nov 2024 10:11:12 GMT";
    \tmodification-date="Mon, 04 Nov 2024 10:11:12 GMT"
    Content-ID: <5D6A7B8C9D0E1F2A@eurprd01.prod.example.com>
    Content-Transfer-Encoding: base64
    """,
    """
    Content-Type: application/vnd.openxmlformats-officedocument.wordprocessingml.document;
     name*0*=utf-8''%D0%9E%D1%82%D1%87%D0%B5%D1%82%20%D0%B7%D0%B0%20%D0%BD%D0%BE;
     name*1*=%D1%8F%D0%B1%D1%80%D1%8C%202024.docx
    Content-Disposition: attachment;
     filename*0*=utf-8''%D0%9E%D1%82%D1%87%D0%B5%D1%82%20%D0%B7%D0%B0%20%D0%BD%D0%BE;
     filename*1*=%D1%8F%D0%B1%D1%80%D1%8C%202024.docx
    Content-Transfer-Encoding: base64
    """,
    "Content-Type: image/png; name=\"a.png\"\nContent-Disposition: inline; filename=\"a.png\"",
    "Content-Type: message/rfc822\n\nSubject: 1\nContent-Type: text/plain; charset=utf-8",
  ]

  @Test("as many ordinary parts as there may be", arguments: ordinary)
  func leavesOrdinaryMail(_ header: String) {
    let parts = 300
    let body = String(repeating: "QUJD", count: 16) + "\n"
    let message =
      "Content-Type: multipart/mixed; boundary=b\n\n"
      + (0..<parts).map { _ in "--b\n\(header)\n\n\(body)" }.joined() + "--b--\n"
    var rules = AttachmentRules.usual
    rules.limits.leastWork = 0
    let isDigest = header.hasPrefix("Content-Type: message")
    rules.limits.parts = isDigest ? 2 * parts + 1 : parts + 1
    let tree = MIMETree(Array(message.utf8), limits: rules.limits)
    #expect(tree.parts.count == rules.limits.parts)
    #expect(Self.notInspected(tree).isEmpty)
    #expect(Inspection(tree, rules).isClean)
  }

  @Test("multiparts in one another that share a boundary")
  func keepsFewPartsWaiting() {
    let message =
      (0..<40).map {
        "Content-Type: multipart/mixed; boundary=a\($0); boundary=b\n\n--a\($0)\n"
      }.joined() + String(repeating: "--b\n\nx\n", count: 200)
      + "--b\nContent-Type: a/b; name=setup.exe\n\nx\n"
    var rules = AttachmentRules.usual
    rules.limits.parts = 100
    let tree = MIMETree(Array(message.utf8), limits: rules.limits)
    #expect(tree.parts.count == 100)
    #expect(tree.mostWaiting <= 4 * 100)
    #expect(Self.notInspected(tree).contains(.parts))
    #expect(!Inspection(tree, rules).isClean)
  }

  /// Some programs label 8-bit names so; each family of charsets is tried for them.
  @Test func readsAttachmentsInUnknownCharsets() {
    let word = "=?unknown-8bit?B?z/Do4uXyLCDq4Org5Oju8OAg7vLv8ODi8uzg?="
    let name = "\"\(word)\n =?unknown-8bit?B?8vwg5ODy8y5wZGY=?=\""
    let part =
      "--b\nContent-Type: application/pdf; name=\(name)\n"
      + "Content-Disposition: attachment; filename=\(name)\n\nQUJD\n"
    let head = "Content-Type: multipart/mixed; boundary=b\n\n"
    let message = Array((head + String(repeating: part, count: 50) + "--b--\n").utf8)
    let tree = MIMETree(message)
    #expect(tree.parts.count == 51 && Self.notInspected(tree).isEmpty)
    #expect(Inspection(tree, .usual).isClean)
  }

  private static func notInspected(_ tree: MIMETree) -> [MIMELimit] {
    tree.findings.compactMap {
      guard case .notInspected(let limit) = $0 else { return nil }
      return limit
    }
  }
}
