// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Testing

@Suite struct EditedMessageTests {
  struct Parse: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var headers: [HeaderField]
    var body: String
    var testDescription: String { name }
  }

  @Test(arguments: [
    Parse(
      name: "LF", text: "A: 1\nB:2\n\nx\ny\n",
      headers: [.init(name: "A", rawValue: " 1"), .init(name: "B", rawValue: "2")],
      body: "x\r\ny\r\n"),
    Parse(
      name: "CRLF", text: "A: 1\r\n\r\nx\r\n\r\n",
      headers: [.init(name: "A", rawValue: " 1")], body: "x\r\n\r\n"),
    Parse(
      name: "mixed, last line not ended", text: "A: 1\r\nB: 2\n\r\nx\ry\nz",
      headers: [.init(name: "A", rawValue: " 1"), .init(name: "B", rawValue: " 2")],
      body: "x\ry\r\nz\r\n"),
    Parse(
      name: "folds", text: "A: 1\r\n\t2\n  3\n \nB:\n 4\n\n",
      headers: [
        .init(name: "A", rawValue: " 1\n\t2\n  3\n "), .init(name: "B", rawValue: "\n 4"),
      ], body: ""),
    Parse(
      name: "mbox", text: "From a@b Sat Nov 21\nA: 1\n\nFrom c\n",
      headers: [.init(name: "A", rawValue: " 1")], body: "From c\r\n"),
    Parse(
      name: "From with a space before its colon is none of an mbox", text: "From : a\nB: 1\n\nx\n",
      headers: [.init(name: "From ", rawValue: " a"), .init(name: "B", rawValue: " 1")],
      body: "x\r\n"),
    Parse(
      name: "no colon", text: "A: 1\nno header\nB: 2\n\nx\n",
      headers: [.init(name: "A", rawValue: " 1")], body: "no header\r\nB: 2\r\n\r\nx\r\n"),
    Parse(
      name: "white space before the colon", text: "A \t: 1\nB C: 2\n",
      headers: [.init(name: "A \t", rawValue: " 1")], body: "B C: 2\r\n"),
    Parse(name: "fold first", text: " A: 1\n", headers: [], body: " A: 1\r\n"),
    Parse(name: "colon first", text: ": 1\n", headers: [], body: ": 1\r\n"),
    Parse(name: "body only", text: "\nA: 1\n", headers: [], body: "A: 1\r\n"),
    Parse(
      name: "header only", text: "A: 1", headers: [.init(name: "A", rawValue: " 1")], body: ""),
    Parse(name: "nothing", text: "", headers: [], body: ""),
    Parse(name: "one line end", text: "\r\n", headers: [], body: ""),
  ])
  func parses(_ row: Parse) {
    let message = EditedMessage(parsing: row.text.utf8)
    #expect(message.headers == row.headers)
    #expect(String(decoding: message.body, as: UTF8.self) == row.body)
    #expect(message.sender == "<>" && message.recipients.isEmpty)
    // What was rendered reads the same, unless its body looks like a header then.
    #expect(EditedMessage(parsing: message.bytes) == message)
  }

  @Test func rendersEveryByte() {
    let text: [UInt8] = Array("A: \r\n\tb".utf8) + [0xE9, 0x00, 0xFF] + Array("\r\n\r\n".utf8)
    let body: [UInt8] = [0x00, 0xE9, 0x0D, 0x0D, 0x0A, 0x80, 0x0D, 0x0A]
    let message = EditedMessage(parsing: text + body)
    #expect(
      message.headers == [
        HeaderField(name: "A", rawValue: MailText([0x20, 0x0A, 0x09, 0x62, 0xE9, 0x00, 0xFF]))
      ])
    #expect(message.bytes == text + body)
  }

  static let start = EditedMessage(
    sender: "<a@example.com>", senderParameters: "SIZE=5",
    recipients: [.init("<x@example.net>"), .init("<y@example.net>", parameters: "NOTIFY=NEVER")],
    headers: [
      .init(name: "To", rawValue: " x"), .init(name: "X-A", rawValue: "1"),
      .init(name: "x-a", rawValue: " 2"), .init(name: "Subject", rawValue: " s"),
    ], body: Array("b\r\n".utf8))

  struct Change: Sendable, CustomTestStringConvertible {
    var name: String
    var edit: Edit
    var headers: [String]
    var testDescription: String { name }
  }

  @Test(arguments: [
    Change(
      name: "add", edit: .addHeader(name: "N", value: "v"),
      headers: ["To: x", "X-A:1", "x-a: 2", "Subject: s", "N: v"]),
    Change(
      name: "insert at the top", edit: .insertHeader(index: 0, name: "N", value: ""),
      headers: ["N: ", "To: x", "X-A:1", "x-a: 2", "Subject: s"]),
    Change(
      name: "insert between", edit: .insertHeader(index: 3, name: "N", value: "v"),
      headers: ["To: x", "X-A:1", "x-a: 2", "N: v", "Subject: s"]),
    Change(
      name: "insert beyond", edit: .insertHeader(index: 99, name: "N", value: "v"),
      headers: ["To: x", "X-A:1", "x-a: 2", "Subject: s", "N: v"]),
    Change(
      name: "insert below 0", edit: .insertHeader(index: -1, name: "N", value: "v"),
      headers: ["N: v", "To: x", "X-A:1", "x-a: 2", "Subject: s"]),
    Change(
      name: "change", edit: .changeHeader(name: "X-a", occurrence: 2, value: "3"),
      headers: ["To: x", "X-A:1", "x-a: 3", "Subject: s"]),
    Change(
      name: "delete", edit: .changeHeader(name: "x-A", occurrence: 1, value: nil),
      headers: ["To: x", "x-a: 2", "Subject: s"]),
    Change(
      name: "change beyond", edit: .changeHeader(name: "X-A", occurrence: 3, value: "3"),
      headers: ["To: x", "X-A:1", "x-a: 2", "Subject: s", "X-A: 3"]),
    Change(
      name: "delete beyond", edit: .changeHeader(name: "X-A", occurrence: 3, value: nil),
      headers: ["To: x", "X-A:1", "x-a: 2", "Subject: s"]),
    Change(
      name: "occurrence 0", edit: .changeHeader(name: "X-A", occurrence: 0, value: "0"),
      headers: ["To: x", "X-A:1", "x-a: 2", "Subject: s"]),
    Change(
      name: "occurrence far below", edit: .changeHeader(name: "X", occurrence: .min, value: "0"),
      headers: ["To: x", "X-A:1", "x-a: 2", "Subject: s"]),
  ])
  func changesTheHeader(_ row: Change) {
    var message = Self.start
    message.apply(row.edit)
    #expect(message.headers.map { "\($0.name):\($0.rawValue)" } == row.headers)
    #expect(message.body == Self.start.body && message.recipients == Self.start.recipients)
  }

  @Test func changesTheEnvelope() {
    var message = Self.start
    message.apply(.addRecipient("<z@example.net>", parameters: "NOTIFY=NEVER"))
    message.apply(.addRecipient("<x@example.net>", parameters: nil))
    message.apply(.deleteRecipient("<Y@example.net>"))
    message.apply(.deleteRecipient("x@example.net"))
    #expect(
      message.recipients.map(\.address) == [
        "<x@example.net>", "<y@example.net>", "<z@example.net>",
      ])
    #expect(message.recipients.last?.parameters == "NOTIFY=NEVER")
    message.apply(.deleteRecipient("<x@example.net>"))
    #expect(message.recipients.map(\.address) == ["<y@example.net>", "<z@example.net>"])
    message.apply(.changeSender("<>", parameters: nil))
    #expect(message.sender == "<>" && message.senderParameters == nil)
    #expect(message.headers == Self.start.headers)
  }

  @Test func deletesRecipientsByTheirBytes() {
    var message = Self.start
    message.recipients = [.init(MailText([0x3C, 0xE9, 0x3E])), .init("<\u{FFFD}>")]
    message.apply(.deleteRecipient(MailText([0x3C, 0xE9, 0x3E])))
    #expect(message.recipients == [.init("<\u{FFFD}>")])
  }

  @Test func replacesTheBodyAndHolds() {
    var message = Self.start
    message.apply(.replaceBody([]))
    #expect(message.body.isEmpty && message.quarantineReason == nil)
    message.apply(.replaceBody([0x00, 0x0D, 0x0A]))
    message.apply(.quarantine(reason: "virus"))
    #expect(message.body == [0x00, 0x0D, 0x0A] && message.quarantineReason == "virus")
  }
}
