// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import FoundationEssentials
import Mail
import Store
import TestSupport
import Testing

/// The trail's file: what comes back from it, and what happens to it.
struct TrailStoreTests {
  let folder: TemporaryFolder
  let time = FakeTime()
  var path: String { folder.path("trail.db") }
  let limits = TrailLimits(keep: 1000, keepRefused: 5000, maximumSize: 1 << 30)

  init() throws { folder = try TemporaryFolder() }

  func open() throws -> TrailStore { try TrailStore(path: path, time: time) }
  func all(_ filter: TrailFilter = TrailFilter()) throws -> [TrailEntry] {
    try TrailReader(path: path).entries(filter, limit: 100_000)
  }

  static func entry(_ number: Int, ending: String = "accept", time: Int64 = 0) -> TrailEntry {
    var entry = TrailEntry()
    entry.reference = "REF\(number)"
    entry.time = time
    entry.ending = ending
    entry.client = "192.0.2.1"
    entry.sender = MailText("<a\(number)@example.com>")
    entry.recipients = ["<b@example.org>"]
    entry.acceptedRecipients = 1
    return entry
  }

  static func decision(
    _ module: String, _ verdict: String, _ effect: String = "enforced", code: String? = nil,
    duration: Int64 = 0
  ) -> TrailDecision {
    var decision = TrailDecision()
    decision.stage = "helo"
    decision.module = module
    decision.mode = "enforce"
    decision.verdict = verdict
    decision.effect = effect
    decision.code = code
    decision.duration = duration
    return decision
  }

  static let hostile: MailText = MailText([
    0x3C, 0x22, 0x27, 0x0A, 0x0D, 0x00, 0xE9, 0xFF, 0x25, 0x3B, 0x2D, 0x2D, 0x3E,
  ])

  @Test(
    arguments: [
      "plain", "", "é — ß", "'; DROP TABLE entry; --", "a\nb\r\tc", "\\x00", "🙂", Self.hostile,
    ] as [MailText])
  func roundTrip(_ text: MailText) throws {
    var entry = TrailEntry()
    entry.reference = "K7Q2M9XA4T"
    entry.time = 1_795_219_200_123
    entry.node = "K"
    entry.client = text
    entry.clientName = text
    entry.hello = text
    entry.user = text
    entry.daemonName = text
    entry.daemonPort = text
    entry.sender = text
    entry.recipients = [text, "<second@example.org>"]
    entry.acceptedRecipients = 2
    entry.refusedRecipients = 3
    entry.unknownRecipients = 4
    entry.queueID = text
    entry.messageID = text
    entry.subject = text
    entry.ending = "reject"
    entry.reply = "550 5.7.1 No \(text)"
    entry.size = 1 << 40
    var decision = Self.decision("helo", "reject", code: "numeric", duration: 1234)
    decision.reply = "550 5.7.1 No"
    decision.detail = "\(text)"
    decision.option = "helo.reject_numeric"
    decision.place = "bms.conf:12"
    decision.recipient = text
    decision.note = "\(text)"
    var noted = Self.decision("network", "proceed", duration: 1 << 40)
    noted.recipient = "<second@example.org>"
    noted.note = "\(text)"
    var refused = Self.decision("greylist", "proceed")
    refused.recipient = "<refused@example.org>"
    entry.decisions = [
      noted, decision, Self.decision("helo", "proceed", duration: 300), refused,
      Self.decision("helo", "reject", "observed"), Self.decision("network", "proceed"),
    ]
    entry.droppedDecisions = 7
    entry.edits = [
      TrailEdit(kind: "add header X", value: text, isMade: true),
      TrailEdit(kind: "replace body", value: nil, isMade: false),
    ]
    try open().append([entry])
    let read = try #require(try all().first)
    entry.id = read.id
    #expect(read == entry)
  }

  @Test func cutsWhatIsTooLong() throws {
    var entry = Self.entry(1)
    entry.sender = MailText([UInt8](repeating: 0xC3, count: 10_000))
    entry.subject = MailText(String(repeating: "é", count: 10_000))
    entry.recipients = (0..<10_000).map { MailText("<\($0)@example.org>") }
    entry.acceptedRecipients = 10_000
    try open().append([entry])
    let read = try #require(try all().first)
    #expect(read.sender?.bytes.count == TrailEntry.Limit.field)
    #expect(read.subject?.bytes.count == TrailEntry.Limit.field)
    #expect(read.recipients.count == TrailEntry.Limit.recipients)
    #expect(read.acceptedRecipients == 10_000)
  }

  @Test func findsByEveryName() throws {
    let store = try open()
    var first = Self.entry(1)
    first.reference = "K7Q2M9XA4T"
    first.queueID = "4ZbCdEf"
    first.messageID = "<Abc.1@Example.com>"
    var second = Self.entry(2)
    second.queueID = "4ZBCDEF"
    try store.append([first, second])
    let reader = try TrailReader(path: path)
    #expect(try reader.entries(reference: "K7Q2M9XA4T").count == 1)
    #expect(try reader.entries(reference: "K7Q2M9XA40").isEmpty)
    #expect(try reader.entries(queueID: "4ZBCDEF").map(\.reference) == ["REF2"])
    #expect(try reader.entries(queueID: "4zbcdef").count == 2)
    for name in ["<Abc.1@Example.com>", "abc.1@example.com", "abc.1@example.com>"] {
      #expect(try reader.entries(messageID: name).count == 1)
    }
  }

  @Test func filters() throws {
    let store = try open()
    var entries = [
      Self.entry(1, ending: "accept", time: 100), Self.entry(2, ending: "reject", time: 200),
      Self.entry(3, ending: "tempfail", time: 300), Self.entry(4, ending: "accept", time: 400),
    ]
    entries[1].decisions = [Self.decision("helo", "reject", code: "numeric")]
    entries[1].sender = "<Bob@EXAMPLE.net>"
    entries[2].decisions = [Self.decision("greylist", "tempfail")]
    entries[2].recipients = []
    entries[2].decisions[0].recipient = "<carol@example.org>"
    entries[3].decisions = [
      Self.decision("helo", "reject", "observed"), Self.decision("greylist", "proceed"),
    ]
    try store.append(entries)
    func found(_ change: (inout TrailFilter) -> Void) throws -> [String] {
      var filter = TrailFilter()
      change(&filter)
      return try all(filter).map(\.reference)
    }
    #expect(try found { _ in } == ["REF1", "REF2", "REF3", "REF4"])
    #expect(try found { $0.since = 300 } == ["REF3", "REF4"])
    #expect(try found { $0.until = 300 } == ["REF1", "REF2"])
    #expect(try found { $0.verdict = "reject" } == ["REF2"])
    #expect(try found { $0.module = "helo" } == ["REF2", "REF4"])
    #expect(try found { $0.module = "greylist" } == ["REF3"])
    #expect(try found { $0.would = true } == ["REF4"])
    #expect(try found { ($0.would, $0.module) = (true, "greylist") } == [])
    #expect(try found { $0.from = "bob@example" } == ["REF2"])
    #expect(try found { $0.to = "CAROL" } == ["REF3"])
    #expect(try found { $0.to = "100%_" } == [])
    #expect(try TrailReader(path: path).entries(TrailFilter(), limit: 2).map(\.time) == [300, 400])
  }

  @Test func keepsRefusedMailLonger() throws {
    let store = try open()
    try store.append([
      Self.entry(1, ending: "accept", time: 100), Self.entry(2, ending: "reject", time: 100),
      Self.entry(3, ending: "tempfail", time: 100), Self.entry(4, ending: "accept", time: 2000),
    ])
    #expect(try store.prune(limits, now: 1101))
    #expect(try all().map(\.reference) == ["REF2", "REF3", "REF4"])
    #expect(try store.prune(limits, now: 1102) == false)
    #expect(try store.prune(limits, now: 5101))
    #expect(try all() == [])
  }

  @Test func staysBelowItsSizeAndShrinks() throws {
    let store = try open()
    let tight = TrailLimits(keep: 1 << 40, keepRefused: 1 << 40, maximumSize: 1 << 18)
    var number = 0
    for _ in 0..<20 {
      try store.append(
        (0..<200).map { _ in
          number += 1
          var entry = Self.entry(number, time: Int64(number))
          entry.decisions = (0..<5).map { Self.decision("module\($0)", "proceed") }
          return entry
        })
      while try store.prune(tight, now: 0) {}
      #expect(try store.usedBytes() <= tight.maximumSize)
    }
    try store.checkpoint()
    store.close()
    let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    #expect(size <= tight.maximumSize + 65_536)
    // The newest are the ones that stay.
    #expect(try all().last?.reference == "REF4000")
    #expect(try all().first?.reference != "REF1")
  }

  @Test func counts() throws {
    let store = try open()
    var entries = (1...100).map { Self.entry($0, time: Int64($0)) }
    for index in entries.indices {
      entries[index].decisions = [
        Self.decision("helo", "proceed", duration: Int64(index + 1))
      ]
    }
    entries[0].ending = "reject"
    entries[0].decisions.append(Self.decision("helo", "reject", code: "numeric", duration: 500))
    entries[1].decisions.append(Self.decision("greylist", "tempfail", "observed", code: "new"))
    entries[1].sender = "<x@Shop.example>"
    try store.append(entries)
    try store.append(TrailLoss(from: 1, until: 2, count: 5, why: "full"))
    let stats = try TrailReader(path: path).stats(since: 0)
    #expect(stats.entries == 100)
    #expect(stats.lost == 5)
    #expect(stats.endings.map(\.ending) == ["accept", "reject"])
    #expect(stats.endings.map(\.count) == [99, 1])
    #expect(stats.verdicts.map(\.code) == ["new", "numeric"])
    #expect(stats.verdicts.map(\.isEnforced) == [false, true])
    #expect(stats.wouldRefuse.map(\.domain) == ["shop.example"])
    let helo = try #require(stats.times.first { $0.module == "helo" })
    #expect([helo.median, helo.p95, helo.p99, helo.maximum] == [51, 96, 100, 500])
    #expect(try TrailReader(path: path).stats(since: 51).entries == 50)
    #expect(try TrailReader(path: path).stats(since: 1000) == TrailStats())
  }
}
