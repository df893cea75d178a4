// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Archives
import Attachments
import MIME
import Testing

/// What a message costs is counted and bounded, whatever its readings come to.
@Suite struct WorkTests {
  /// Members' headers of a zip, one behind the other: dear to list.
  private static let members =
    "PK\u{3}\u{4}" + String(repeating: "\0", count: 22) + "\u{8}\0\0\0abcd.txt\n"

  /// A message whose parts lie in one another and hold the same bytes each.
  private static func nested(_ levels: Int, _ fields: (Int) -> String, _ size: Int) -> [UInt8] {
    let head = (0..<levels).map { "\(fields($0))\n\n--a\($0)\n--b\($0)\n" }.joined()
    let tail = String(repeating: members, count: size / members.utf8.count)
    return Array((head + "\n" + tail).utf8)
  }

  @Test("fault 24: parts in one another that are archives too", arguments: [20_000, 80_000])
  func boundsTheWorkOfReadings(_ size: Int) {
    let message = Self.nested(
      12, { "Content-Type: application/zip; boundary=a\($0); boundary=b\($0); name=a.zip" }, size)
    var rules = AttachmentRules.usual
    rules.limits.work = 4
    rules.limits.leastWork = 0
    let tree = MIMETree(message, limits: rules.limits)
    let inspection = Inspection(tree, rules)
    #expect(tree.parts.count > 30)
    #expect(inspection.bytesRead <= 5 * message.count)
    #expect(inspection.facts.contains { $0.fact == .finding(.notInspected(.work)) })
  }

  @Test("the same content in several readings is looked at once")
  func readsSharedContentOnce() {
    let message = Array(
      "Content-Type: image/png\nContent-Type: application/pdf\nContent-Type: a/b\n\n\(Self.members)"
        .utf8)
    let inspection = Inspection(MIMETree(message), .usual)
    let body = Self.members.utf8.count
    #expect(inspection.bytesRead <= body &* (1 + Inspection.listingCost))
  }

  @Test("fault 26: all archives of a message share the limits")
  func sharesTheLimitsOfArchives() {
    var rules = AttachmentRules.usual
    rules.archiveLimits.entries = 3
    rules.archiveLimits.visits = 4
    let part = "--b\nContent-Type: application/zip; name=a.zip\n\n"
    let zips = ["a.txt", "b.txt", "c.txt", "d.txt", "e.exe"].map {
      "PK\u{3}\u{4}" + String(repeating: "\0", count: 22) + "\u{5}\0\0\0\($0)"
    }
    let message =
      "Content-Type: multipart/mixed; boundary=b\n\n" + zips.map { "\(part)\($0)\n" }.joined()
    let inspection = Inspection(MIMETree(Array(message.utf8)), rules)
    // What is beyond is compared, and kept if it is dangerous.
    #expect(
      inspection.archives.values.flatMap(\.members).map(\.text).sorted()
        == ["a.txt", "b.txt", "c.txt", "e.exe"])
    let limited = inspection.facts.filter { $0.fact == .archive(.tooManyEntries) }
    #expect(limited.map(\.part) == [5])
  }

  @Test("parts that overlap are cut and kept once")
  func keepsWhatIsCutOnce() throws {
    let message = Self.nested(
      4, { "Content-Type: a/b; boundary=a\($0); boundary=b\($0); name=a.exe" }, 2_000)
    let result = try #require(try defanged(message))
    let kept = result.removed.filter { $0.round == 0 }.map(\.content.count).reduce(0, +)
    #expect(kept <= message.count)
    expectSound(result, from: message)
  }

  @Test("parts that a later cut finds have their numbers in the original")
  func numbersLaterParts() throws {
    let message = Self.nested(
      4, { "Content-Type: a/b; boundary=a\($0); boundary=b\($0); name=a.exe" }, 2_000)
    let result = try #require(try defanged(message))
    try expectNumbers(result, of: message)
    // What only the first cut makes dangerous.
    let judged = Surgery(
      .usual,
      judge: { tree, _ in
        tree.inOrder.filter { part in
          let isCut = tree.inOrder.contains { $0.number == "1" && $0.type.name == "text/plain" }
          return part.number == (isCut ? "2" : "1") && part.type.name != "text/plain"
        }.map(\.id)
      }, treat: { _, _ in .replace(Notice("REMOVED")) })
    let mixed = Array(
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      Content-Type: a/b

      one
      --b
      Content-Type: c/d

      two
      --b--

      """.utf8)
    let later = try #require(try judged.operate(on: mixed))
    #expect(later.removed.map(\.round) == [0, 1])
    #expect(later.removed.map(\.number) == ["1", "2"])
    try expectNumbers(later, of: mixed)
  }

  @Test("a part that only a cut makes has no number of the original")
  func tellsPartsThatACutMade() throws {
    let message = Array("Content-Type: a/b\n\none\n".utf8)
    // The text that takes the place of the first is not to stay either, once.
    let surgery = Surgery(
      .usual,
      judge: { tree, _ in
        tree.parts.filter { part in
          var decoder = tree.decoder(of: part)
          return decoder.content(limit: 100)?.starts(with: "LAST".utf8) != true
        }.map(\.id)
      },
      treat: { tree, part in .replace(Notice(part.type.name == "a/b" ? "FIRST" : "LAST")) })
    let result = try #require(try surgery.operate(on: message))
    #expect(result.removed.map(\.number) == ["0", "0r1"])
  }

  /// Every number is that of a part of the same content, or of none, and occurs once.
  private func expectNumbers(_ result: Surgery.Result, of message: [UInt8]) throws {
    let tree = MIMETree(message)
    #expect(Set(result.removed.map(\.number)).count == result.removed.count)
    for removed in result.removed {
      guard let part = tree.inOrder.first(where: { $0.number == removed.number }) else {
        #expect(removed.number.hasSuffix("r\(removed.round)") && removed.round > 0)
        continue
      }
      var decoder = tree.decoder(of: part)
      #expect(decoder.content(limit: Int.max) == removed.content)
    }
  }
}
