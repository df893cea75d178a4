// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import FoundationEssentials
import Logging
import Mail
import Milter
import Policy
import TestSupport
import Testing

/// One line for each verdict and each message, and no bytes of a peer that could make two of it.
@Suite struct DecisionLogTests {
  private static let two: [any PolicyModule.Type] = [One.self, Two.self]

  @Test func oneLineAVerdictAndOneAMessage() throws {
    let result = try Conversation().queueID("4ZBC").from().to("<a@x.org>", "<b@x.org>")
      .header("X", "y").from("<c@x.org>").to("<b@x.org>")
      .run(
        "[one]\nconnect = refuse\n[two]\nmode = enforce\nrcpt = if a@ refuse\neom = hold",
        modules: Self.two)
    let messages = result.records.map(\.reference.description)
    #expect(Set(messages).count == 2)
    let lines = result.log.filter { $0.level == .info }.map { entry in
      [entry.message, entry[.module] ?? "-", entry[.verdict] ?? "", entry[.ref] ?? ""]
    }
    #expect(
      lines == [
        ["NOQUEUE", "one", "would-reject", messages[0]],
        ["NOQUEUE", "two", "reject", messages[0]],
        ["4ZBC", "two", "hold", messages[0]], ["4ZBC", "-", "hold", messages[0]],
        ["NOQUEUE", "one", "would-reject", messages[1]],
        ["4ZBC", "two", "hold", messages[1]], ["4ZBC", "-", "hold", messages[1]],
      ])
    #expect(result.log.allSatisfy { $0[.ref]?.count == 10 })
    #expect(result.log.allSatisfy { $0.text.contains(": ref=") })
  }

  @Test func verdictLineNamesEverything() throws {
    let result = try Conversation().client("192.0.2.7", "mail.example.com").hello("mail")
      .from("<a@example.com>", "SIZE=10").to("<b@example.org>")
      .run("[one]\nmode = enforce\nmail = refuse Go away", modules: Self.two)
    let reference = try #require(result.record).reference
    #expect(
      result.verdictEntries.map(\.text) == [
        """
        <6>NOQUEUE: ref=\(reference) module=one stage=mail verdict=reject \
        reply="550 5.7.1 Go away (ref \(reference), contact postmaster@mx.example.org)" \
        reason=refuse-scripted detail=<a@example.com> client=192.0.2.7 name=mail.example.com \
        helo=mail from=<a@example.com> to=<b@example.org>
        """
      ])
    #expect(
      result.summaries.map(\.text) == [
        """
        <6>NOQUEUE: ref=\(reference) verdict=reject \
        reply="550 5.7.1 Go away (ref \(reference), contact postmaster@mx.example.org)" \
        client=192.0.2.7 name=mail.example.com helo=mail from=<a@example.com> recipients=0 \
        refused=1 ms=0
        """
      ])
  }

  @Test func optionThatDecidedIsNamedWithItsLine() throws {
    let result = try Conversation().hello("192.0.2.1").from().to()
      .run("[helo]\nmode = enforce\nreject_numeric = yes")
    let entry = try #require(result.verdictEntries.first)
    #expect(entry[.option] == "helo.reject_numeric")
    #expect(entry[.at] == "bms.conf:3")
    let other = try Conversation().hello("192.0.2.1").from().to().run("[helo]\nmode = enforce")
    #expect(other.verdictEntries.first?[.at] == "default")
  }

  @Test func connectionsAreLoggedForDebuggingOnly() throws {
    let all = try Site("[one]", modules: Self.two)
    #expect(
      try Conversation().close().run(on: all).log.map { $0[.verdict] } == ["connect"])
    let normal = try Site("[one]", modules: Self.two, level: .info)
    #expect(try Conversation().close().run(on: normal).log.isEmpty)
    let quiet = try Site("[one]\nmode = enforce\nmail = refuse", modules: Self.two, level: .error)
    #expect(try Conversation().from().to().run(on: quiet).log.isEmpty)
  }

  @Test func headersAreLoggedOnDemand() throws {
    let mail = Conversation().from().to().header("Subject", "Hello").header("X-Y", "z")
    let off = try mail.run("[one]", modules: Self.two)
    #expect(off.log.allSatisfy { $0[.header] == nil })
    let on = try mail.run("[log]\nheaders = yes")
    #expect(on.log.compactMap { $0[.header] } == ["Subject", "X-Y"])
    #expect(on.log.compactMap { $0[.value] } == ["Hello", "z"])
  }

  // MARK: hostile bytes

  private static let hostile: [MailText] = [
    "\u{1B}[2J\u{1B}]0;owned\u{7}", "a\r\n<6>4ZBC: ref=0000000000 verdict=accept", "a\nb", "a\rb",
    "nul\u{0}byte", MailText([0xE9, 0x80, 0xFF, 0xC3]), "100%s%n%%", "\"quoted\" 'text'",
    "back\\slash\\",
    "\\\" verdict=accept x=\"", "a=b verdict=accept", "\u{202E}gpj.exe", "\u{200B}\u{FEFF}",
    "\u{2028}\u{2029}\u{85}", "\u{7F}\u{9B}31m", MailText([0xC0, 0x80]),
    MailText([0xED, 0xA0, 0x80]),
    "", " ", "\t", "{\"a\":1}", "</script>", "\u{10FFFF}\u{E000}", "\u{1F4A9}",
    MailText(Array(repeating: 0x41, count: 70_000)), MailText(Array(repeating: 0xFF, count: 5000)),
  ]

  @Test("hostile bytes stay what they are", arguments: Self.hostile.indices)
  func hostileBytes(_ index: Int) throws {
    let text = Self.hostile[index]
    let path = MailText([0x3C] + text.bytes + Array("@x.org>".utf8))
    let result = try Conversation().client(Peer(hostName: text, address: .unix(path: text)))
      .auth(text).queueID("4ZBC").hello(text).from(path, text)
      .to(path, "<b@x.org>", "<c@x.org>")
      .headers([HeaderField(name: text, rawValue: text)]).body(text)
      .run(
        """
        [log]
        headers = yes
        [one]
        helo = refuse
        mail = refuse
        header = refuse
        [two]
        mode = enforce
        rcpt = if <b@x.org refuse | if <c@x.org proceed | discard
        eom = add X-Y: z
        """, modules: Self.two)
    #expect(result.log.count >= 5)
    for entry in result.log {
      try Self.expectOneEvent(entry)
    }
    for reply in result.replies { #expect(reply.utf8.allSatisfy { (0x20...0x7E).contains($0) }) }
    // The MTA gets back exactly the bytes that it gave.
    #expect(result.message.edits.first == .deleteRecipient(path))
  }

  @Test("hostile bytes in replies", arguments: Self.hostile.indices)
  func hostileReplies(_ index: Int) throws {
    let text = Self.hostile[index]
    let result = try Conversation().client("192.0.2.1", ".").macro("j", text, at: .connect)
      .hello(text).from().to()
      .run("[network]\nhostname = mx.example.org\n[helo]\nmode = enforce\nhello_blacklist = a")
    let reply = try #require(result.reply)
    #expect(reply.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    let record = try #require(result.record)
    #expect(reply.hasSuffix("(ref \(record.reference), contact postmaster@mx.example.org)"))
    for entry in result.log { try Self.expectOneEvent(entry) }
  }

  @Test("own name with hostile bytes", arguments: Self.hostile.indices)
  func hostileOwnName(_ index: Int) throws {
    let text = Self.hostile[index]
    // The MTA's own name is the only hostile text that a module quotes to the peer.
    let result = try Conversation().macro("j", text, at: .connect).hello(text).from().to()
      .run("[helo]\nmode = enforce")
    for reply in result.replies {
      #expect(reply.utf8.allSatisfy { (0x20...0x7E).contains($0) })
      #expect(reply.utf8.count <= 2 * SMTPReply.maximumLineLength + 20)
      let reference = try #require(result.record).reference
      #expect(reply.contains("(ref \(reference), contact postmaster"))
    }
    for entry in result.log { try Self.expectOneEvent(entry) }
  }

  /// Text and JSON are one line of visible characters; JSON is JSON, with the fields it was given.
  private static func expectOneEvent(_ entry: LogEntry) throws {
    for line in [entry.text, entry.json] {
      #expect(line.unicodeScalars.allSatisfy { $0.isVisible })
    }
    #expect(entry.text.hasPrefix("<"))
    let pairs = Self.fields(of: entry.text)
    #expect(pairs.map(\.0).sorted() == entry.fields.keys.sorted(), "\(entry.text.prefix(200))")
    let parsed = try JSONDecoder().decode([String: String].self, from: Data(entry.json.utf8))
    for (key, value) in entry.fields where value.utf8.count <= 1000 {
      #expect(parsed[key] == value)
    }
    #expect(Set(parsed.keys) == Set(entry.fields.keys).union(["time", "level", "queue_id"]))
  }

  /// Reads a line of the text format as a careful reader would: `key=value` or `key="va\"lue"`.
  private static func fields(of line: String) -> [(String, String)] {
    guard let start = line.firstRange(of: ": ref=") else { return [] }
    var rest = Array(line[start.lowerBound...].dropFirst(2))[...]
    var found: [(String, String)] = []
    while !rest.isEmpty {
      let key = String(rest.prefix { $0 != "=" })
      rest = rest.dropFirst(key.count + 1)
      var value = ""
      if rest.first == "\"" {
        rest = rest.dropFirst()
        var isEscaped = false
        while let character = rest.first, character != "\"" || isEscaped {
          isEscaped = character == "\\" && !isEscaped
          value.append(character)
          rest = rest.dropFirst()
        }
        rest = rest.dropFirst()
      } else {
        value = String(rest.prefix { $0 != " " })
        rest = rest.dropFirst(value.count)
      }
      found.append((key, value))
      rest = rest.dropFirst()
    }
    return found
  }
}
