// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// A message that is padded until a limit is met before the dangerous part comes.
struct PaddedCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var message: @Sendable () -> String
  /// The extension by which it is found all the same, nil where the limit alone makes it dangerous.
  var found: String?

  init(
    _ testDescription: String, found: String? = nil, _ message: @escaping @Sendable () -> String
  ) {
    self.testDescription = testDescription
    self.found = found
    self.message = message
  }
}

/// Padding does not carry a program past the limits, by default.
@Suite struct PaddedTests {
  @Test("fault 23: padded up to a limit", arguments: rows) func isCut(_ row: PaddedCase) throws {
    let message = Self.bytes(row.message())
    let inspection = Inspection(MIMETree(message), .usual)
    let found = inspection.offences.contains { offence in
      switch offence.danger {
      case .name(_, let banned), .member(_, let banned): banned == row.found
      default: false
      }
    }
    #expect(found == (row.found != nil))
    let result = try #require(try defanged(message))
    expectSound(result, from: message)
    #expect(!result.message.contains("PROGRAM".utf8))
  }

  @Test("an ordinary archive of many files", arguments: [9_000, 12_000])
  func leavesManyFiles(_ count: Int) {
    let part = "--b\nContent-Type: application/zip; name=a.zip\n\n" + Self.zip(count) + "\n"
    // Two of them meet no limit that one alone does not.
    let message = Self.bytes(Self.mixed(part + part.replacing("a/1", with: "b/1")))
    #expect(Inspection(MIMETree(message), .usual).isClean)
  }

  /// Each character as a byte.
  private static func bytes(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
  }

  /// A zip of empty files in which the last is called `last`.
  private static func zip(_ count: Int, last: String = "last.txt") -> String {
    let names = (0..<count).map { "a/\(100_000 + $0).txt" } + [last]
    return names.map(member).joined() + directory(names)
  }

  private static func member(_ name: String) -> String {
    "PK\u{3}\u{4}\u{14}" + String(repeating: "\0", count: 21)
      + String(Unicode.Scalar(UInt8(name.utf8.count))) + "\0\0\0" + name
  }

  private static func directory(_ names: [String]) -> String {
    var at = 0
    var directory = ""
    for name in names {
      let length = String(Unicode.Scalar(UInt8(name.utf8.count)))
      directory += "PK\u{1}\u{2}\u{14}\0\u{14}" + String(repeating: "\0", count: 21) + length
      directory += String(repeating: "\0", count: 13) + number(at, 4) + name
      at += 30 + name.utf8.count
    }
    return directory + "PK\u{5}\u{6}\0\0\0\0" + number(names.count, 2) + number(names.count, 2)
      + number(directory.unicodeScalars.count, 4) + number(at, 4) + "\0\0"
  }

  /// A number as little-endian bytes, each a character.
  private static func number(_ value: Int, _ size: Int) -> String {
    (0..<size).map { String(Unicode.Scalar(UInt8(truncatingIfNeeded: value >> (8 * $0)))) }.joined()
  }

  private static let program = "Content-Type: a/b; name=x.exe\n\nPROGRAM\n"

  private static func mixed(_ parts: String) -> String {
    "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n\(parts)--b--\n"
  }

  static let rows: [PaddedCase] = [
    .init("1,001 parameters before the name") {
      mixed(
        "--b\nContent-Type: a/b" + (0..<1001).map { ";\n p\($0)=\($0)" }.joined()
          + ";\n name=x.exe\n\nPROGRAM\n")
    },
    .init("1,001 fields before the name") {
      mixed("--b\n" + String(repeating: "Content-ID: <1>\n", count: 1001) + program)
    },
    .init("a megabyte of header before the name") {
      mixed("--b\nX: \(String(repeating: "x", count: 1 << 20))\n\(program)")
    },
    .init("9 types before that of the parts") {
      (0..<9).map { "Content-Type: text/x\($0)\n" }.joined() + mixed("--b\n\(program)")
    },
    .init("10,000 files before the program in an archive", found: "exe") {
      mixed("--b\nContent-Type: application/zip; name=a.zip\n\n\(zip(10_000, last: "x.exe"))\n")
    },
    .init("an archive of 10,000 files before that with the program", found: "exe") {
      mixed(
        "--b\nContent-Type: application/zip; name=a.zip\n\n\(zip(10_000))\n"
          + "--b\nContent-Type: application/zip; name=b.zip\n\n\(zip(1, last: "x.exe"))\n")
    },
    .init("10,000 parts before the program") {
      mixed(String(repeating: "--b\n\n1\n", count: 10_000) + "--b\n\(program)")
    },
    .init("100 levels above the program") {
      (0..<101).map { "Content-Type: multipart/mixed; boundary=b\($0).\n\n--b\($0).\n" }.joined()
        + program
    },
    .init("200,000 delimiters of nobody before the program") {
      mixed(String(repeating: "--c\n", count: 200_000) + "--b\n\(program)")
    },
  ]
}

extension [UInt8] {
  fileprivate func contains(_ text: String.UTF8View) -> Bool { firstRange(of: Array(text)) != nil }
}
