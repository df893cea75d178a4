// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MIME
import Testing

/// A message that is too much in one way, and the limit that says so.
struct LimitCase: Sendable, CustomTestStringConvertible {
  var name: String
  var message: @Sendable () -> String
  var met: [MIMELimit]
  var limits = MIMELimits()

  init(
    _ name: String, _ met: [MIMELimit], _ message: @escaping @Sendable () -> String,
    _ limits: (inout MIMELimits) -> Void = { _ in }
  ) {
    self.name = name
    self.met = met
    self.message = message
    limits(&self.limits)
  }

  var testDescription: String { name }
}

/// Over a limit is a result: the rest is read, and the tree says what was not.
@Suite struct LimitTests {
  @Test("faults 23, 24: beyond a limit", arguments: rows)
  func saysWhatWasNotInspected(_ row: LimitCase) {
    let tree = MIMETree(Array(row.message().utf8), limits: row.limits)
    #expect(tree.limitsMet == row.met)
    #expect(tree.parts.count <= row.limits.parts)
    #expect(tree.parts.allSatisfy { $0.depth <= row.limits.depth })
  }

  static let rows: [LimitCase] = [
    .init("1000 multiparts in one another", [.depth]) {
      (0..<1000).map {
        "Content-Type: multipart/mixed; boundary=b\($0).\n\n--b\($0).\n"
      }.joined() + "\n1"
    },
    .init("1000 multiparts with the same boundary", []) {
      String(repeating: "Content-Type: multipart/mixed; boundary=b\n\n--b\n", count: 1000) + "\n1"
    },
    .init("1000 messages in one another", [.depth]) {
      String(repeating: "Content-Type: message/rfc822\n\n", count: 1000) + "\n1"
    },
    .init("100 messages in one another", []) {
      String(repeating: "Content-Type: message/rfc822\n\n", count: 100) + "\n1"
    },
    .init("100,000 parts", [.parts]) {
      "Content-Type: multipart/mixed; boundary=b\n\n"
        + String(repeating: "--b\n\n1\n", count: 100_000)
    },
    .init("300,000 delimiters", [.delimiters]) {
      "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: "--c\n", count: 300_000)
    },
    .init("50,000 fields", []) {
      String(repeating: "X-Field: 1\n", count: 50_000) + "Content-Type: text/html\n\n1"
    },
    .init("50,000 fields of content", [.names]) {
      String(repeating: "Content-ID: 1\n", count: 50_000) + "\n1"
    },
    .init("header of 2 MB", [.header]) {
      "X: " + String(repeating: "x", count: 2 << 20) + "\nContent-Type: text/html\n\n1"
    },
    .init("2000 parameters", [.names]) {
      "Content-Type: a/b" + (0..<2000).map { "; p\($0)=\($0)" }.joined() + "\n\n1"
    },
    .init("2000 values in one another", [.names]) {
      "Content-Type: a/b; name*0=0" + (1..<2000).map { "; name*\($0)=\($0)" }.joined() + "\n\n1"
    },
    .init("line of 10 MB", []) { "Subject: x\n\n" + String(repeating: "x", count: 10 << 20) },
    .init("10 MB of encoded message", [.decoded]) {
      "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        + String(repeating: "QUFB", count: 1000)
    } _: {
      $0.decodedBytes = 2000
    },
    .init("more readings than allowed", [.readings]) {
      (0..<6).map { "Content-Type: multipart/mixed; boundary=b\($0)\n" }.joined() + "\n"
        + (0..<6).map { "--b\($0)\n\n\($0)\n" }.joined()
    } _: {
      $0.readings = 3
    },
    .init("readings of readings", [.parts]) {
      (0..<20).map { level in
        "Content-Type: multipart/mixed; boundary=a\(level); boundary=b\(level)\n\n"
          + "--a\(level)\n--b\(level)\n"
      }.joined() + "\n1"
    } _: {
      $0.parts = 500
    },
  ]

  /// Costs grow with the size of the message and not with its square: of twice the message not much
  /// more than twice the bytes are looked at. What was not counted and is quadratic would hang.
  @Test("fault 24: linear cost", arguments: repetitive)
  func isLinear(_ row: Repetition) {
    let costs = [300_000, 600_000].map { size in
      let message = row.start + String(repeating: row.unit, count: size / row.unit.utf8.count)
      let tree = MIMETree(Array(message.utf8))
      for part in tree.parts {
        var decoder = tree.decoder(of: part)
        decoder.decode { _ in true }
      }
      #expect(tree.bytesRead <= tree.limits.work(forSize: message.utf8.count) + message.utf8.count)
      return tree.bytesRead
    }
    #expect(costs[1] <= costs[0] * 5 / 2)
  }

  /// The start of a message, and what it goes on with for ever.
  struct Repetition: Sendable, CustomTestStringConvertible {
    var start: String
    var unit: String

    init(_ start: String, _ unit: String) {
      self.start = start
      self.unit = unit
    }

    var testDescription: String { (start.suffix(20) + unit.prefix(20)).debugDescription }
  }

  private static let manyBoundaries =
    "Content-Type: multipart/mixed" + (0..<50).map { "; boundary=b\($0)" }.joined() + "\n\n"
  private static let dashes = String(repeating: "-", count: 5000)

  static let repetitive: [Repetition] = [
    .init("Content-Type: a/b; name=\"", "("), .init("Content-Type: a/b; name=", "=?a?q?x"),
    .init("Content-Type: a/b; name=", "=?a?q?xx?= "), .init("Content-Type: a/b", "; ("),
    .init("Content-Type: a/b; name=\"", "\\\""), .init("Content-Type: a/b; name=", "'"),
    .init("Content-Type: a/b; name=\"", "%"), .init("Content-Type: (", "(\\"),
    .init("Content-Type: a/", " "), .init("Content-Location: ", "/"), .init("", " \n"),
    .init("Content-Type:", "\n "), .init("", "x\n"), .init("Subject: x\n\n", "\r"),
    .init("Subject: x\r\n\r\n", "\n"), .init("Subject: x\n\n", "begin 644 a\n"),
    .init("Subject: x\n\n", "begin\n"),
    .init("Content-Transfer-Encoding: quoted-printable\n\n", "="),
    .init(
      "Content-Transfer-Encoding: quoted-printable\n\n",
      "=" + String(repeating: " ", count: 999)),
    .init("Content-Transfer-Encoding: base64\n\n", "="),
    .init("Content-Type: multipart/mixed; boundary=\(dashes)\n\n", dashes + "-\n"),
    .init(manyBoundaries, dashes + "\n"), .init(manyBoundaries, "--b1\n--b2\n"),
  ]
}
