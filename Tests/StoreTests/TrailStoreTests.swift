// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Environment
import FoundationEssentials
import GRDB
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

  @Test func beginsAnewWhenItsFileIsDeleted() throws {
    let store = try open()
    try store.append([Self.entry(1)])
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect((attributes[.posixPermissions] as? Int ?? 0) & 0o007 == 0)
    try FileManager.default.removeItem(atPath: path)
    try store.append([Self.entry(2)])
    #expect(try all().map(\.reference) == ["REF2"])
    for name in [path, "\(path)-wal", "\(path)-shm"] {
      try FileManager.default.removeItem(atPath: name)
    }
    try store.append([Self.entry(3)])
    #expect(try all().map(\.reference) == ["REF3"])
  }

  @Test(
    "a file that is no trail is neither changed nor moved",
    arguments: ["text", "database", "marked database", "state", "folder"])
  func leavesWhatIsNoTrail(_ kind: String) throws {
    func put() throws {
      switch kind {
      case "text":
        try Data(String(repeating: "no database ", count: 1000).utf8)
          .write(to: URL(filePath: path))
      case "folder":
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      case "state": try StateStore(path: path, time: time).close()
      default:
        let foreign = try DatabaseQueue(path: path)
        try foreign.write { try $0.execute(sql: "CREATE TABLE entry (x); CREATE TABLE mine (y)") }
        if kind.hasPrefix("marked") {
          try foreign.write { try $0.execute(sql: "PRAGMA application_id = 7") }
        }
        try foreign.close()
      }
    }
    func content() -> Data? { try? Data(contentsOf: URL(filePath: path)) }
    try put()
    let before = content()
    #expect(throws: StoreTrouble.foreign(path: path)) { try open() }
    #expect(content() == before)
    // The same while it is open: another file comes in its place.
    try FileManager.default.removeItem(atPath: path)
    let store = try open()
    try store.append([Self.entry(1)])
    try FileManager.default.removeItem(atPath: path)
    try put()
    let again = content()
    #expect(throws: StoreTrouble.foreign(path: path)) { try store.append([Self.entry(2)]) }
    #expect(content() == again)
    #expect(TrailAside.all(of: path) == [])
    // Moved away by hand, it goes on.
    try FileManager.default.removeItem(atPath: path)
    try store.append([Self.entry(3)])
    #expect(try all().map(\.reference) == ["REF3"])
    #expect(store.takeEvents() == [])
  }

  /// Makes what stands there a trail of a later version.
  func makeLater() throws {
    let later = try DatabaseQueue(path: path)
    try later.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('trail 99')") }
    try later.close()
  }

  /// As trails were before they had a mark.
  @Test func takesATrailWithoutAMark() throws {
    let store = try open()
    try store.append([Self.entry(1)])
    store.close()
    let old = try DatabaseQueue(path: path)
    try old.write { try $0.execute(sql: "PRAGMA application_id = 0") }
    try old.close()
    try open().append([Self.entry(2)])
    #expect(try all().map(\.reference) == ["REF1", "REF2"])
  }

  @Test func keepsAtMostTwoAsideAndOverwritesNone() throws {
    for number in 1...2 {
      let store = try open()
      try store.append([Self.entry(number)])
      store.close()
      try makeLater()
    }
    let names = ["\(path).aside", "\(path).aside.2"]
    let store = try open()
    #expect(TrailAside.all(of: path).map(\.path) == names)
    let events = store.takeEvents()
    #expect(events.count == 1)
    #expect(events.first?.contains("later version") == true)
    #expect(events.first?.contains("\(path).aside.2, which may be deleted") == true)
    try store.append([Self.entry(3)])
    store.close()
    try makeLater()
    let kept = try names.map { try Data(contentsOf: URL(filePath: $0)) }
    #expect(throws: StoreTrouble.self) { try open() }
    #expect(try names.map { try Data(contentsOf: URL(filePath: $0)) } == kept)
    try FileManager.default.removeItem(atPath: names[0])
    try open().append([Self.entry(4)])
    #expect(try all().map(\.reference) == ["REF4"])
  }

  @Test func purgesWhatWasSetAside() throws {
    for _ in 1...2 {
      let store = try open()
      try store.append([Self.entry(1)])
      store.close()
      try makeLater()
    }
    let store = try open()
    let asides = TrailAside.all(of: path)
    #expect(asides.count == 2)
    var limits = limits
    limits.keepRefused = 5_000_000
    let written = try #require(asides.map(\.written).max())
    store.purgeAside(limits, now: (written + 4900) * 1000)
    #expect(TrailAside.all(of: path) == asides)
    store.purgeAside(limits, now: (written + 5100) * 1000)
    #expect(TrailAside.all(of: path) == [])
  }

  @Test func movesAsideADamagedFile() throws {
    let store = try open()
    for number in 0..<50 { try store.append([Self.entry(number)]) }
    try store.checkpoint()
    let handle = try #require(FileHandle(forPath: path))
    for offset in stride(from: 4096, to: handle.size, by: 4096) { handle.overwrite(at: offset) }
    handle.close()
    // Whether SQLite notices at once or later, no record makes it fail for ever.
    for number in 100..<103 { _ = try? store.append([Self.entry(number)]) }
    store.close()
    let again = try open()
    try again.append([Self.entry(7)])
    #expect(try all().last?.reference == "REF7")
  }

  @Test func movesAsideALaterSchema() throws {
    let store = try open()
    try store.append([Self.entry(1)])
    store.close()
    try makeLater()
    #expect(throws: StoreTrouble.newer(path: path)) { try TrailReader(path: path) }
    try open().append([Self.entry(2)])
    #expect(try all().map(\.reference) == ["REF2"])
  }

  @Test func readerTellsWhatIsNoTrail() throws {
    try Data(String(repeating: "x", count: 5000).utf8).write(to: URL(filePath: path))
    #expect(throws: StoreTrouble.self) { try TrailReader(path: path) }
    #expect(throws: StoreTrouble.readOnly) { try TrailReader(path: folder.path("none.db")) }
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

  /// Rows of a table.
  private func count(_ table: String) throws -> Int? {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    return try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") }
  }

  @Test func aMessageWithoutRemarksIsOneRow() throws {
    var entry = Self.entry(1)
    entry.decisions = (0..<11).map { Self.decision("m\($0 % 4)", "proceed", duration: 7) }
    try open().append([entry, entry])
    #expect(try ["entry", "step", "decision", "recipient"].map(count) == [2, 4, 0, 0])
    #expect(try all().map(\.decisions) == [entry.decisions, entry.decisions])
    #expect(try TrailReader(path: path).stats(since: 0).times.map(\.count) == [6, 6, 6, 4])
  }

  @Test func damagedListsOfDecisionsAreReadAsFarAsTheyGo() throws {
    var entry = Self.entry(1)
    entry.decisions = [Self.decision("helo", "proceed"), Self.decision("helo", "reject")]
    let store = try open()
    try store.append([entry])
    let reader = try TrailReader(path: path)
    let queue = try DatabaseQueue(path: path)
    var random = SystemRandomNumberGenerator()
    for length in 0..<300 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
      try queue.write {
        try $0.execute(sql: "UPDATE entry SET proceeded = ?", arguments: [Data(bytes)])
      }
      let read = try reader.entries(TrailFilter(), limit: 1)
      #expect(read.first?.decisions.contains { $0.verdict == "reject" } == true, "\(bytes)")
      _ = try reader.stats(since: 0)
    }
  }

  /// The tables as version 0.1 made them, with a message in them.
  private static let first = """
    CREATE TABLE entry (
      id INTEGER PRIMARY KEY, reference TEXT NOT NULL, time INTEGER NOT NULL,
      refused INTEGER NOT NULL, ending TEXT NOT NULL, node TEXT NOT NULL, client TEXT NOT NULL,
      client_name TEXT NOT NULL,
      hello, user, daemon_name, daemon_port, sender, queue_id, message_id, subject,
      accepted INTEGER NOT NULL, refused_recipients INTEGER NOT NULL,
      unknown_recipients INTEGER NOT NULL, reply TEXT, size INTEGER NOT NULL,
      dropped_decisions INTEGER NOT NULL
    );
    CREATE TABLE recipient (
      entry INTEGER NOT NULL, number INTEGER NOT NULL, address NOT NULL,
      PRIMARY KEY (entry, number)
    ) WITHOUT ROWID;
    CREATE TABLE decision (
      entry INTEGER NOT NULL, number INTEGER NOT NULL,
      stage TEXT NOT NULL, module TEXT NOT NULL, mode TEXT NOT NULL,
      verdict TEXT NOT NULL, effect TEXT NOT NULL,
      reply TEXT, code TEXT, detail TEXT, option TEXT, place TEXT, recipient, note TEXT,
      duration INTEGER NOT NULL, PRIMARY KEY (entry, number)
    ) WITHOUT ROWID;
    CREATE TABLE edit (
      entry INTEGER NOT NULL, number INTEGER NOT NULL,
      kind TEXT NOT NULL, value, made INTEGER NOT NULL, PRIMARY KEY (entry, number)
    ) WITHOUT ROWID;
    CREATE TABLE loss (
      id INTEGER PRIMARY KEY, "from" INTEGER NOT NULL, until INTEGER NOT NULL,
      count INTEGER NOT NULL, why TEXT NOT NULL
    );
    CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
    INSERT INTO grdb_migrations VALUES ('trail 1');
    INSERT INTO entry VALUES (1, 'OLD', 5, 0, 'accept', '', '192.0.2.1', '', NULL, NULL, NULL,
      NULL, '<a@example.com>', NULL, NULL, NULL, 2, 0, 0, NULL, 9, 0);
    INSERT INTO recipient VALUES (1, 0, '<b@example.org>'), (1, 1, '<c@example.org>');
    INSERT INTO decision VALUES
      (1, 0, 'helo', 'helo', 'enforce', 'proceed', 'enforced', NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, 40),
      (1, 1, 'helo', 'helo', 'observe', 'reject', 'observed', '550 5.7.1 No', 'numeric', NULL,
        NULL, NULL, NULL, NULL, 60);
    """

  /// The copy is left where it can be; nothing depends on it.
  @Test("reads what the first version wrote", arguments: [false, true])
  func readsTheFirstVersion(copyIsInTheWay: Bool) throws {
    if copyIsInTheWay {
      try FileManager.default.createDirectory(
        atPath: "\(path).v1", withIntermediateDirectories: false)
    }
    let queue = try DatabaseQueue(path: path)
    try queue.write { try $0.execute(sql: Self.first) }
    try queue.close()
    // A command that comes before the daemon was restarted says so, and leaves the file alone.
    let trouble = #expect(throws: StoreTrouble.self) { try TrailReader(path: path) }
    #expect(trouble?.description.contains("restarted") == true)
    let store = try open()
    #expect(FileManager.default.fileExists(atPath: "\(path).v1"))
    var new = Self.entry(2, time: 6)
    new.recipients = ["<d@example.org>", "<e@example.org>"]
    new.decisions = [Self.decision("helo", "proceed", duration: 50)]
    try store.append([new])
    let entries = try all()
    #expect(entries.map(\.reference) == ["OLD", "REF2"])
    #expect(entries.first?.recipients == ["<b@example.org>", "<c@example.org>"])
    #expect(entries.first?.decisions.map(\.verdict) == ["proceed", "reject"])
    #expect(entries.last?.recipients == new.recipients)
    for address in ["b@", "C@", "d@", "e@EXAMPLE"] {
      var filter = TrailFilter()
      filter.to = address
      #expect(try all(filter).count == 1)
    }
    let stats = try TrailReader(path: path).stats(since: 0)
    let helo = try #require(stats.times.first)
    #expect([Int64(helo.count), helo.median, helo.maximum] == [3, 50, 60])
    #expect(stats.wouldRefuse.map(\.domain) == ["example.com"])
  }
}
