// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// A message that is too much in some way.
struct BadInputCase: Sendable, CustomTestStringConvertible {
  var name: String
  var message: @Sendable () -> String
  /// The limits that inspection reports.
  var met: Set<MIMELimit>
  /// How many parts go.
  var removed: Int

  init(
    _ name: String, _ met: Set<MIMELimit> = [], removed: Int,
    _ message: @escaping @Sendable () -> String
  ) {
    self.name = name
    self.met = met
    self.removed = removed
    self.message = message
  }

  var testDescription: String { name }
}

/// What does not fit into limits is told, and what can be seen of it is cut all the same.
@Suite struct BadInputTests {
  @Test("faults 23, 24, 27: bad input is cut", arguments: rows) func cutsWhatItSees(
    _ row: BadInputCase
  ) throws {
    let message = Array(row.message().utf8)
    let tree = MIMETree(message)
    let inspection = Inspection(tree, .usual)
    let met = inspection.facts.compactMap { fact -> MIMELimit? in
      guard case .finding(.notInspected(let limit)) = fact.fact else { return nil }
      return limit
    }
    #expect(Set(met) == row.met)
    let result = try defanged(message)
    #expect(result?.removed.count ?? 0 == row.removed)
    if let result { expectSound(result, from: message) }
    // Texts that were decoded are bounded, and so is what is kept of names.
    #expect(tree.buffers.dropFirst().map(\.count).reduce(0, +) <= tree.limits.decodedBytes)
    let names = tree.parts.flatMap(\.names)
    #expect(names.allSatisfy { $0.text.utf8.count <= 4 * PartName.longest })
  }

  private static let bad = "Content-Type: a/b; name=x.exe\n\n1\n"

  static let rows: [BadInputCase] = [
    .init("1,000 multiparts in one another", [.depth], removed: 2) {
      "Content-Type: multipart/mixed; boundary=x\n\n--x\n\(bad)--x\n"
        + (0..<1000).map { "Content-Type: multipart/mixed; boundary=b\($0).\n\n--b\($0).\n" }
        .joined() + bad
    },
    .init("1,000 messages in one another", [.depth], removed: 2) {
      "Content-Type: multipart/mixed; boundary=x\n\n--x\n\(bad)--x\n"
        + String(repeating: "Content-Type: message/rfc822\n\n", count: 1000) + bad
    },
    .init("100,000 parts", [.parts], removed: 1) {
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\(bad)"
        + String(repeating: "--b\n\n1\n", count: 100_000)
    },
    .init("2,000 bad parts", removed: 2000) {
      "Content-Type: multipart/mixed; boundary=b\n\n"
        + String(repeating: "--b\n\(bad)", count: 2000)
    },
    .init("50,000 fields", removed: 1) {
      (0..<50_000).map { "X-Field-\($0): 1\n" }.joined() + bad
    },
    .init("a field of 2 MB", [.header], removed: 0) {
      "X: " + String(repeating: "x", count: 2 << 20) + "\n" + bad
    },
    .init("a line of 10 MB", removed: 1) {
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n"
        + String(repeating: "x", count: 10 << 20) + "\n--b\n" + bad
    },
    .init("a name of 64 KB", removed: 1) {
      "Content-Type: a/b;\n name=\"\(String(repeating: "x", count: 65_536)).exe\"\n\n1"
    },
    .init("a folded name of 64 KB, percent-encoded", removed: 1) {
      "Content-Type: a/b;\n name*="
        + String(repeating: "%78%2E\n ", count: 9_000) + "exe\n\n1"
    },
    .init("names that leave the folder", removed: 2) {
      "Content-Type: multipart/mixed; boundary=b\n\n"
        + "--b\nContent-Type: a/b; name=\"../../../etc/cron.d/x.exe\"\n\n1\n"
        + "--b\nContent-Type: a/b; name=\"C:\\\\windows\\\\..\\\\x.exe\"\n\n1\n--b--\n"
    },
    .init("NUL in a name", removed: 1) { "Content-Type: a/b; name=\"x.exe\0.txt\"\n\n1" },
    .init("RTL override in a name", removed: 1) {
      "Content-Type: a/b; name=\"invoice\u{202E}fdp.exe\"\n\n1"
    },
    .init("bytes that are no text", removed: 1) {
      "Subject: \u{FF}\u{FE}\nContent-Type: a/b; charset=utf-16; name=\"x\u{1}.exe\"\n\n\0\u{7F}"
    },
  ]

  /// A message cut off anywhere is read and cut like any other.
  @Test("fault 25: cut off anywhere") func survivesBeingCutAnywhere() throws {
    let whole = Array(
      ("Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
        + "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + "Q29udGVudC1UeXBlOiBhL2I7IG5hbWU9eC5leGUNCg0KMQ==\r\n--b\r\n"
        + "Content-Disposition: attachment; filename*0=x.; filename*1=exe\r\n\r\n1\r\n--b--\r\n")
        .utf8
    )
    for count in 0...whole.count {
      let message = Array(whole.prefix(count))
      let result = try defanged(message)
      #expect((result == nil) == Inspection(MIMETree(message), .usual).isClean)
      if let result { expectSound(result, from: message) }
    }
  }

  /// The name of an attachment stands in a notice, and goes nowhere else.
  @Test(arguments: [
    "x\r\nBcc: y@example.com\r\n\r\n--b\r\n\r\n.exe", "a\nb\rc.exe", "--b--\r\n.exe",
  ])
  func keepsLineEndsOfNamesOutOfTheHeader(_ name: String) throws {
    let encoded = name.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let field = "Content-Disposition: attachment; filename*=utf-8''\(encoded)\r\n"
    let multipart =
      "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\(field)\r\n1\r\n"
      + "--b--\r\n"
    let inText = "Subject: x\r\n\r\nbegin 644 x.exe\r\nend\r\n"
    for message in [multipart, "Subject: x\r\n\(field)\r\n1\r\n", inText] {
      let surgery = Surgery(.usual) { _, part in
        .replace(Notice("\(name) was \(part.names.first?.text ?? "")"))
      }
      let result = try #require(try surgery.operate(on: Array(message.utf8)))
      let tree = MIMETree(result.message)
      let text = String(decoding: result.message, as: UTF8.self)
      #expect(!text.contains("\nBcc"))
      #expect(tree.parts.count == MIMETree(Array(message.utf8)).parts.count || message == inText)
      for edit in result.headerEdits { #expect(!"\(edit)".contains("Bcc")) }
    }
  }
}
