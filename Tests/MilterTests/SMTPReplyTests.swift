// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Testing

@testable import Milter

/// What a module writes and what libmilter must get.
@Suite struct SMTPReplyTests {
  private func wire(_ line: String) -> String {
    String(decoding: SMTPReply.permanent(7, 1, line).wireLines.joined(), as: UTF8.self)
  }

  @Test(arguments: [0, 1, 21, 50, 59, 99, -7, .max, .min], [-1, 0, 7, 999, 1000, .max])
  func classDigitsAgree(basic: Int, number: Int) {
    for severity in [SMTPReply.Severity.transient, .permanent] {
      let reply = SMTPReply(severity, basic, number, number, ["x"])
      #expect(reply.code.count == 3)
      #expect(reply.code.first == reply.enhancedCode.first)
      #expect(reply.code.first == (severity == .transient ? "4" : "5"))
      let parts = reply.enhancedCode.split(separator: ".")
      #expect(parts.count == 3 && parts.allSatisfy { (1...3).contains($0.count) })
      // RFC 5321 §4.2: the second digit is 0 to 5.
      #expect(("0"..."5").contains(reply.code.dropFirst().first ?? "x"))
      #expect(reply.code != "421")
    }
  }

  @Test func codesAreWrittenOut() {
    #expect(SMTPReply.permanent(7, 1, "Go away").description == "550 5.7.1 Go away")
    #expect(SMTPReply.permanent(code: 3, 5, 1, "x").code == "503")
    #expect(SMTPReply.transient(3, 2, "x").description == "451 4.3.2 x")
    #expect(SMTPReply.transient(code: 21, 3, 2, "x").code == "451")
    #expect(SMTPReply.permanent(code: 21, 3, 2, "x").code == "521")
  }

  @Test(arguments: [
    ("plain", "plain"), ("a\r\nb", "a  b"), ("a\nb", "a b"), ("a\u{0}b\u{1B}[1m\u{7F}", "a b [1m "),
    ("tab\tx", "tab x"), ("caf\u{E9} \u{20AC} \u{1F600}", "caf? ? ?"), ("\u{85}\u{9B}", "  "),
    ("100%", "100%%"), ("%%", "%%%%"), ("", ""),
  ])
  func lineIsCleaned(from text: String, to expected: String) {
    #expect(wire(text) == expected)
  }

  @Test("faults 29, 30: a line is cut at 980 bytes, never between two %") func lineIsCutAt980Bytes()
  {
    #expect(wire(String(repeating: "x", count: 980)).count == 980)
    #expect(wire(String(repeating: "x", count: 981)).count == 980)
    #expect(wire(String(repeating: "\u{E9}", count: 5000)).count == 980)
    // A doubled percent sign is left out, not cut in two.
    #expect(wire(String(repeating: "x", count: 979) + "%").count == 979)
    #expect(wire(String(repeating: "x", count: 978) + "%y").hasSuffix("x%%"))
    #expect(wire(String(repeating: "%", count: 5000)) == String(repeating: "%", count: 980))
  }

  @Test func atMost32Lines() {
    let lines = (1...40).map(String.init)
    let reply = SMTPReply(.permanent, 50, 7, 1, lines)
    #expect(reply.wireLines.map { String(decoding: $0, as: UTF8.self) } == Array(lines.prefix(32)))
  }

  @Test func aTextIsNeverMissing() {
    #expect(SMTPReply(.permanent, 50, 7, 1, []).wireLines == [Array("Refused".utf8)])
    #expect(SMTPReply(.permanent, 50, 7, 1, [""]).wireLines == [[]])
  }

  @Test func descriptionShowsWhatTheClientSees() {
    let reply = SMTPReply.permanent(7, 1, "100% sure\r\n250 OK", "50%%")
    #expect(reply.description == "550 5.7.1 100% sure  250 OK / 50%%")
  }

  // MARK: the note at the end

  @Test func noteIsAppended() {
    #expect(SMTPReply.permanent(7, 1, "No").appending("(ref X)").lines == ["No (ref X)"])
    #expect(SMTPReply.permanent(7, 1, "a", "b").appending("n").lines == ["a", "b n"])
    #expect(SMTPReply.permanent(7, 1).appending("n").lines == ["n"])
    #expect(SMTPReply.permanent(7, 1, "a", "").appending("n").lines == ["a", "n"])
  }

  @Test(arguments: [1, 300, 489, 490, 600, 979, 980, 2000], ["x", "%", "\u{E9}"])
  func noteOutlivesALongLine(length: Int, character: String) {
    let long = String(repeating: character, count: length)
    let reply = SMTPReply.permanent(7, 1, long).appending("(ref K7Q2M9XA4T)")
    let last = String(decoding: reply.wireLines.last ?? [], as: UTF8.self)
    #expect(last.hasSuffix("(ref K7Q2M9XA4T)"))
    #expect(reply.wireLines.allSatisfy { $0.count <= 980 })
  }

  @Test(arguments: [1, 30, 31, 32, 33, 40], [1, 979])
  func noteOutlivesManyLines(count: Int, length: Int) {
    let line = String(repeating: "x", count: length)
    let reply = SMTPReply(.permanent, 50, 7, 1, Array(repeating: line, count: count))
    let wire = reply.appending("(ref K7Q2M9XA4T)").wireLines
    #expect(wire.count <= 32)
    #expect(String(decoding: wire.last ?? [], as: UTF8.self).hasSuffix("(ref K7Q2M9XA4T)"))
  }
}
