// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import TestSupport
import Testing

@Suite struct ReceivedSPFTests {
  static func value(_ field: ReceivedSPF) -> String { "\(field.field.rawValue)" }

  @Test func saysWhatWasFound() throws {
    let world = try SPFWorld("example.com TXT \"v=spf1 ip4:192.0.2.1 -all\"")
    var field = ReceivedSPF(try world.check(), of: try world.query())
    #expect("\(field.field.name)" == "Received-SPF")
    #expect(
      field.field.rawValue.bytes
        == Array(
          """
           pass (mx.example.org: example.com authorizes 192.0.2.1)
           client-ip=192.0.2.1; envelope-from="a@example.com"; helo=mail.example;
           receiver=mx.example.org; mechanism="ip4:192.0.2.1"; identity=mailfrom
          """.utf8))
    field.extensions = [("x-helo-spf", "none"), ("x-bestguess", "pass")]
    let unfolded = String(decoding: field.field.rawValue.bytes, as: UTF8.self)
      .split(separator: "\n").joined()
    #expect(unfolded.hasSuffix("; x-helo-spf=none; x-bestguess=pass; identity=mailfrom"))
  }

  @Test(
    "each result",
    arguments: [
      ("ip4:192.0.2.1", "pass"), ("-all", "fail"), ("~all", "softfail"), ("?all", "neutral"),
      ("a:slow.example", "temperror"), ("moo", "permerror"),
    ])
  func results(_ terms: String, _ word: String) throws {
    let world = try SPFWorld("example.com TXT \"v=spf1 \(terms)\"\nslow.example TIMEOUT")
    let text = String(
      decoding: ReceivedSPF(try world.check(), of: try world.query()).field.rawValue.bytes,
      as: UTF8.self)
    #expect(text.hasPrefix(" \(word) (mx.example.org: "))
    #expect(text.contains("problem=") == word.hasSuffix("error"))
  }

  @Test(
    "nothing of a client can end the field or forge a key",
    arguments: [
      "a\r\nX-Forged: yes@example.com", "a\"; identity=helo; x=\"@example.com",
      "a(b)\\@example.com",
      "ü@example.com", String(repeating: "x", count: 10_000) + "@example.com",
    ])
  func hostileSenders(_ from: String) throws {
    let world = try SPFWorld("")
    let query = try world.query(from, helo: "h) identity=mailfrom\r\n\"\\")
    let bytes = ReceivedSPF(try world.check(from), of: query).field.rawValue.bytes
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    #expect(lines.allSatisfy { $0.first == 0x20 && $0.count < 600 })
    #expect(bytes.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x0A })
    // Outside quoted strings there is one identity.
    var outside = ""
    var isQuoted = false
    var isEscaped = false
    for byte in bytes {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else if !isQuoted {
        outside.unicodeScalars.append(Unicode.Scalar(byte))
      }
    }
    #expect(!isQuoted)
    #expect(outside.split(separator: ";").filter { $0.contains("identity=") }.count == 1)
  }
}
