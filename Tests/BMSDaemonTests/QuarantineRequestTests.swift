// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Control
import Digests
import Environment
import FoundationEssentials
import Glibc
import Mail
import Policies
import Policy
import Quarantine
import Store
import TestSupport
import Testing

@testable import BMSDaemon
import Foundation

/// What `bmsd quarantine` asks for, performed as the daemon does.
struct QuarantineRequestTests {
  static let original = """
    From: ann@example.com
    Subject: two
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary=b

    --b
    Content-Type: text/plain

    .hello
    --b
    Content-Type: application/octet-stream; name="../../a b.exe"
    Content-Transfer-Encoding: base64

    TVo=
    --b--

    """.replacing("\n", with: "\r\n")
  static let reference = "K7Q2M9XA4T"
  static let caller = ControlCaller(uid: 0)

  let folder: TemporaryFolder
  let time = FakeTime()
  let quarantine: FileQuarantine
  let memory: Memory

  init() throws {
    folder = try TemporaryFolder()
    let store = try StateStore(path: folder.path("bms.db"), time: time)
    quarantine = FileQuarantine(
      folder: SystemFolder(folder.path), store: store, random: FakeRandom())
    memory = Memory(store: store, trail: MemoryTrail(capacity: 0), quarantine: quarantine)
    let mail = KeptMail(
      reference: Self.reference, time: 0, sender: "<ann@example.com>",
      recipients: ["<b@example.org>", "<c@example.org>"], module: "defang", reason: "banned",
      size: 0, digest: "")
    try quarantine.keep([Array(Self.original.utf8)[...]], as: mail, by: Deadline(.seconds(9), time))
  }

  func perform(
    _ request: QuarantineRequest, port: UInt16 = 1, isRunning: Bool = true
  ) -> (rows: [QuarantineRow], end: ControlEnd) {
    let text =
      "[network]\nhostname = mx.example.org\n[submit]\nsmtp = 127.0.0.1:\(port)\ntimeout = 9s\n"
    let configuration = Configuration(
      text: text, sections: [NetworkOptions.self, SubmitOptions.self])
    var daemon = AdministrationTests.FakeDaemon()
    daemon.configuration = configuration
    let administration = Administration(
      memory, time, configuration, daemon: isRunning ? daemon : nil)
    var rows: [QuarantineRow] = []
    let end = administration.perform(.quarantine(request), by: Self.caller) { row in
      rows.append(
        try JSONDecoder().decode(QuarantineRow.self, from: try JSONEncoder().encode(row)))
    }
    return (rows, end)
  }

  func release(
    _ server: ScriptedSMTPServer, _ form: ReleaseRequest.Form = .original, part: String? = nil,
    to recipient: String? = nil
  ) -> (rows: [QuarantineRow], end: ControlEnd) {
    perform(
      .release(
        ReleaseRequest(
          reference: "k7q2-m9xa-4t", form: part == nil ? form : .attached, part: part,
          recipient: recipient,
          reason: "asked\nfor")),
      port: server.port)
  }

  /// The content that a server got, as it was before dots were doubled.
  func content(_ server: ScriptedSMTPServer) -> String {
    String(decoding: server.content.dropLast(3), as: UTF8.self).replacing("\r\n..", with: "\r\n.")
  }

  /// The message comes past a filter, which lets it pass.
  func filter(_ text: String, to recipients: [MailText]) throws -> [Edit] {
    let message = EditedMessage(collected: text.utf8)
    let site = try Site("[store]\n[quarantine]\n[defang]\nmode = enforce\ndirection = any\n") {
      $0.releases = quarantine
    }
    let result = try Conversation().localClient().from("<ann@example.com>").to(recipients)
      .headers(message.headers).body(message.body).run(on: site)
    return result.message.edits
  }

  @Test func releasesAMessageAsItCame() throws {
    let server = try ScriptedSMTPServer { _, _ in nil }
    let (rows, end) = release(server)
    #expect(
      rows == [
        .sent(to: ["b@example.org", "c@example.org"], reply: "250 2.0.0 Ok: queued as 4ZBC")
      ])
    // No filter stands behind this server.
    #expect(end.status == 1)
    #expect(end.messages.first?.contains("did not come past this bmsd") == true)
    #expect(server.commands.dropFirst().first?.hasPrefix("MAIL FROM:<ann@example.com>") == true)
    let sent = content(server)
    let line = try #require(sent.range(of: "From: "))
    #expect(String(sent[line.lowerBound...]) == Self.original)
    #expect(sent.hasPrefix("X-BMS-Release: v=1; ref=K7Q2M9XA4T; id="))
    let edits = try filter(sent, to: ["<c@example.org>", "<b@example.org>"])
    #expect(edits == [.changeHeader(name: "X-BMS-Release", occurrence: 1, value: nil)])
    let known = try #require(try quarantine.store.releases(of: Self.reference).first)
    #expect(known.caller == "root (uid 0)" && known.reason == "asked\nfor")
    #expect(known.usedBy != nil)
    let story = QuarantineStory(Self.reference, nil, [known]).lines
    #expect(story.first?.contains("by root (uid 0) as original") == true)
    #expect(story.first?.contains(#"(asked\x0Afor)"#) == true)
  }

  @Test func releasesItAttached() throws {
    let server = try ScriptedSMTPServer { _, _ in nil }
    _ = release(server, .attached, to: "d@example.org")
    #expect(server.commands.contains("RCPT TO:<d@example.org>"))
    #expect(server.commands.contains { $0.hasPrefix("MAIL FROM:<>") })
    let sent = content(server)
    #expect(sent.contains("Content-Type: message/rfc822\r\n"))
    #expect(sent.contains("\r\n\r\n" + Self.original))
    #expect(sent.contains("From: postmaster@mx.example.org\r\n"))
    #expect(try filter(sent, to: ["<d@example.org>"]).count == 1)
  }

  @Test func releasesAPart() throws {
    let server = try ScriptedSMTPServer { _, _ in nil }
    _ = release(server, part: "2")
    let sent = content(server)
    #expect(sent.contains("filename=\"K7Q2M9XA4T-2-.._.._a_b.exe\"\r\n"))
    #expect(sent.contains("\r\n\r\nTVo=\r\n"))
    #expect(try filter(sent, to: ["<b@example.org>", "<c@example.org>"]).count == 1)
    #expect(try quarantine.store.releases(of: Self.reference).first?.form == "part 2")
  }

  @Test func isForTheRecipientsThatTheServerTakes() throws {
    let server = try ScriptedSMTPServer { step, line in
      step == "RCPT" && line.contains("c@") ? .say("550 5.1.1 gone") : nil
    }
    let (_, end) = release(server)
    #expect(end.status == 1)
    #expect(end.messages.first == "not to c@example.org: 550 5.1.1 gone")
    #expect(try filter(content(server), to: ["<b@example.org>"]).count == 1)
  }

  @Test(arguments: [
    ("451 4.3.0 later", Int32(EX_TEMPFAIL)), ("554 5.7.1 no", Int32(EX_UNAVAILABLE)),
  ])
  func tellsWhatTheServerSays(_ reply: String, _ status: Int32) throws {
    let server = try ScriptedSMTPServer { step, _ in step == "content" ? .say(reply) : nil }
    let (rows, end) = release(server)
    #expect(rows == [])
    #expect(end == ControlEnd(status, ["not released: the server refused the message: \(reply)"]))
  }

  @Test(arguments: [
    "a@example.org,b@example.org", "a b@example.org", "", "nobody", "@example.org",
    "a\r\nb@example.org", "a>b@example.org\u{0}",
  ])
  func sendsNothingToWhatIsNoAddress(_ address: String) throws {
    let request = ReleaseRequest(
      reference: Self.reference, form: .original, part: nil, recipient: address, reason: "")
    #expect(perform(.release(request)).end.status == EX_USAGE)
  }

  @Test func needsTheDaemonForARelease() {
    let request = ReleaseRequest(
      reference: Self.reference, form: .original, part: nil, recipient: nil, reason: "")
    #expect(perform(.release(request), isRunning: false).end == Administration.notRunning)
  }

  @Test func givesOriginalsAndParts() {
    let whole = perform(.content(Self.reference, part: nil))
    #expect(whole.rows == [.name("K7Q2M9XA4T.eml"), .piece(Data(Self.original.utf8))])
    let part = perform(.content("K7Q2M9XA4T", part: "2"))
    #expect(part.rows == [.name("K7Q2M9XA4T-2-.._.._a_b.exe"), .piece(Data("MZ".utf8))])
    #expect(perform(.content(Self.reference, part: "3")).end.status == 1)
    #expect(perform(.content(Self.reference, part: "../x")).end.status == EX_USAGE)
    #expect(perform(.content("K7Q2M9XA4V", part: nil)).end.status == 1)
    #expect(perform(.content("../../x", part: nil)).end.status == EX_USAGE)
  }

  /// What is given out by its number is what was indexed under it.
  @Test(arguments: [
    ("the part of that number", "2", "MZ", Data("MZ".utf8)),
    ("another, as numbers changed", "1", "MZ", Data("MZ".utf8)),
    ("one whose number is gone", "7.1b", ".hello", Data(".hello".utf8)),
    ("none", "2", "other", nil),
  ])
  func givesThePartThatWasIndexed(
    _ what: String, _ number: String, _ indexed: String, _ expected: Data?
  ) throws {
    let reference = "K7Q2M9XA4X"
    let mail = KeptMail(
      reference: reference, time: 0, sender: "<ann@example.com>", recipients: ["<b@example.org>"],
      module: "defang", reason: "banned", size: 0, digest: "",
      parts: [
        KeptMail.Part(
          number: number, name: "n.exe", type: "a/b", size: indexed.utf8.count,
          digest: try SHA256.digest(of: Array(indexed.utf8)).description)
      ])
    try quarantine.keep([Array(Self.original.utf8)[...]], as: mail, by: Deadline(.seconds(9), time))
    let (rows, end) = perform(.content(reference, part: number))
    guard let expected else {
      #expect(rows == [] && end.status == EX_DATAERR)
      #expect(end.messages.first?.hasPrefix("no part of \(reference) is the one") == true)
      return
    }
    #expect(rows == [.name("\(reference)-\(number)-n.exe"), .piece(expected)])
  }

  @Test(
    "parts without names",
    arguments: [
      ("text/plain", "part.txt"), ("text/html", "part.html"), ("image/png", "part.bin"),
      ("message/rfc822", "part.eml"), ("text/html; name=\"a b.htm\"", "a b.htm"),
    ])
  func callsPartsByWhatTheyAre(_ type: String, _ name: MailText) {
    let text =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: \(type)\r\n\r\nx\r\n"
      + "--b--\r\n"
    #expect(MIMEPartReader().part("1", of: Array(text.utf8), name: nil)?.name == name)
    // Neither does the index know a name.
    let indexed = MIMEPartReader().part("1", of: Array(text.utf8), name: "")
    #expect(indexed?.name.description.hasPrefix("part.") == true)
  }

  /// A filter may be configured to look deeper than it does by default.
  @Test func givesPartsThatAreDeep() {
    let depth = 150
    var text = ""
    for level in 0..<depth {
      text += "Content-Type: multipart/mixed; boundary=b\(level)x\r\n\r\n--b\(level)x\r\n"
    }
    text += "Content-Type: application/octet-stream; name=a.exe\r\n\r\nMZ"
    let number = Array(repeating: "1", count: depth).joined(separator: ".")
    let part = MIMEPartReader().part(number, of: Array(text.utf8), name: nil)
    #expect(part?.name == "a.exe")
    #expect(part?.content == Array("MZ".utf8))
  }

  @Test func sendsAPartAttachedOrNotAtAll() {
    let request = ReleaseRequest(
      reference: Self.reference, form: .original, part: "2", recipient: nil, reason: "")
    let end = perform(.release(request)).end
    #expect(end.status == EX_USAGE)
    #expect(end.messages.first?.contains("a part goes attached") == true)
  }

  @Test func listsDeletesAndPurges() throws {
    let (rows, end) = perform(.list(limit: 10, skip: 0))
    #expect(rows.count == 2 && end == .well)
    #expect(rows.last == .counted(1, bytes: Self.original.utf8.count))
    #expect(perform(.show("k7q2m9xa4t")).rows.count == 1)
    #expect(perform(.purge(olderThan: 1000)).rows == [.deleted(0, bytes: 0, missing: 0)])
    #expect(perform(.delete(Self.reference)).end == .well)
    #expect(perform(.delete(Self.reference)).end.status == 1)
    #expect(perform(.list(limit: 10, skip: 0)).rows == [.counted(0, bytes: 0)])
  }

  @Test func saysThatThereIsNoQuarantine() {
    let end = Administration(.none, time, Configuration(text: "", sections: []))
      .perform(.quarantine(.list(limit: 1, skip: 0))) { _ in }
    #expect(end.status == EX_CONFIG)
  }

  @Test(arguments: [
    ("a.exe", "x-a.exe"), ("../../etc/passwd", "x-.._.._etc_passwd"), ("", "x-"),
    ("a\u{202E}fdp.exe\r\n\u{0}\u{1B}[2J", "x-a_fdp.exe____[2J".replacing("[", with: "_")),
    ("C:\\con|<b>\"", "x-C__con__b__"), ("日本.pdf", "x-日本.pdf"),
    (String(repeating: "é", count: 200), "x-" + String(repeating: "é", count: 74)),
  ])
  func makesNamesHarmless(_ name: String, _ expected: String) {
    #expect(SafeName.file("x-", MailText(name)) == expected)
  }

  @Test func tellsFaultsInTheStatus() throws {
    rmdir(folder.path("missing"))
    let lost = FileQuarantine(
      folder: SystemFolder(folder.path("missing")), store: quarantine.store, random: FakeRandom())
    let memory = Memory(
      store: quarantine.store, trail: MemoryTrail(capacity: 0), quarantine: lost)
    let log = LogCollector()
    Housekeeper(memory, time, minFree: { 0 }, log: { log.logger() }).tick()
    #expect(memory.faults.contains { $0.contains("the folder of the quarantine is not there") })
    lost.prepare()
    time.advance(by: .seconds(61))
    Housekeeper(memory, time, minFree: { 0 }, log: { log.logger() }).tick()
    #expect(memory.faults == [])
  }
}
