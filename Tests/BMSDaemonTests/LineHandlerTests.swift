// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import FoundationEssentials
import Logging
import Policy
import Synchronization
import Testing

/// The two formats of a line. What hostile bytes do to them stands in DecisionLogTests.
@Suite struct LineHandlerTests {
  /// What one event looks like.
  private func line(
    _ format: LogOptions.Format, _ message: Logger.Message, _ metadata: Logger.Metadata = [:],
    level: Logger.Level = .info
  ) -> String {
    let lines = Lines()
    let handler = LineHandler(format: format, level: .trace) { lines.add($0) }
    Logger(label: "test") { _ in handler }.log(level: level, message, metadata: metadata)
    return lines.all.joined(separator: "\n")
  }

  private final class Lines: Sendable {
    private let kept = Mutex<[String]>([])
    func add(_ line: String) { kept.withLock { $0.append(line) } }
    var all: [String] { kept.withLock { $0 } }
  }

  @Test(
    arguments: [
      (.trace, "<7>x"), (.debug, "<7>x"), (.info, "<6>x"), (.notice, "<5>x"), (.warning, "<4>x"),
      (.error, "<3>x"), (.critical, "<2>x"),
    ] as [(Logger.Level, String)])
  func priorities(_ level: Logger.Level, _ expected: String) {
    #expect(line(.text, "x", level: level) == expected)
  }

  @Test func fieldsStandInTheirOrder() {
    let fields: Logger.Metadata = [
      "zebra": "1", "ant": "2", "ms": "3", "ref": "K7Q2M9XA4T", "client": "192.0.2.1",
      "module": "helo", "verdict": "reject",
    ]
    #expect(
      line(.text, "4ZBC", fields)
        == "<6>4ZBC: ref=K7Q2M9XA4T module=helo verdict=reject client=192.0.2.1 ms=3 ant=2 zebra=1")
  }

  @Test(
    "values are quoted where they must be",
    arguments: [
      ("plain", "plain"), ("", "\"\""), ("a b", "\"a b\""), ("a=b", "\"a=b\""),
      ("a\"b", "\"a\\\"b\""), ("<a@b.c>", "<a@b.c>"), ("100%", "100%"), ("é", "\"é\""),
      ("a\nb", "\"a\\x0Ab\""), ("a\r\n<3>b", "\"a\\x0D\\x0A<3>b\""), ("a\u{1B}[m", "\"a\\x1B[m\""),
      ("a\u{202E}b", "\"a\\xE2\\x80\\xAEb\""), ("a\u{0}b", "\"a\\x00b\""),
    ])
  func quoting(_ value: String, _ expected: String) {
    #expect(line(.text, "x", ["key": "\(value)"]) == "<6>x: key=\(expected)")
  }

  @Test func quotedValueCannotEndItself() {
    // A lone backslash before the closing quote would open it again.
    #expect(line(.text, "x", ["a": "b \\", "c": "d"]) == "<6>x: a=\"b \\\\\" c=d")
    #expect(line(.text, "x", ["a": "\\\" c=d"]) == "<6>x: a=\"\\\\\\\" c=d\"")
  }

  @Test func accentDoesNotHideAQuote() {
    #expect(
      line(.text, "x", ["a": "b\"\u{301} c=\"\u{301}d"])
        == "<6>x: a=\"b\\\"\u{301} c=\\\"\u{301}d\"")
  }

  @Test func messagesAreEscapedToo() {
    #expect(line(.text, "a\nb\u{1B}") == "<6>a\\x0Ab\\x1B")
  }

  @Test func longValuesAreCut() {
    let long = String(repeating: "é", count: 5000)
    let text = line(.text, "x", ["key": "\(long)"])
    #expect(text.utf8.count < 1100)
    #expect(text.hasSuffix("...\""))
    #expect(!text.contains("\n"))
  }

  @Test func json() throws {
    let text = line(
      .json, "4ZBC", ["ref": "K7Q2M9XA4T", "detail": "a\n\"b\\ \u{202E}é"], level: .warning)
    #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E })
    #expect(text.contains(",\"level\":\"warning\",\"queue_id\":\"4ZBC\",\"ref\":\"K7Q2M9XA4T\""))
    var object = try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
    let time = try #require(object["time"])
    object["time"] = nil
    #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/) != nil)
    #expect(
      object == [
        "level": "warning", "queue_id": "4ZBC", "ref": "K7Q2M9XA4T",
        "detail": "a\n\"b\\ \u{202E}é",
      ])
  }

  @Test func jsonOfASentence() throws {
    let text = line(.json, "bmsd listens", ["socket": "unix:/run/x"])
    let object = try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
    #expect(object["message"] == "bmsd listens")
    #expect(object["queue_id"] == nil)
    #expect(object["socket"] == "unix:/run/x")
  }

  @Test func levelIsKept() {
    let lines = Lines()
    let handler = LineHandler(format: .text, level: .notice) { lines.add($0) }
    let log = Logger(label: "test") { _ in handler }
    log.info("no")
    log.notice("yes")
    #expect(lines.all == ["<5>yes"])
  }
}
