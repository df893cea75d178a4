// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Configuration
import FoundationEssentials
import Mail
import Milter
import Policy
import Store
import TestSupport
import Testing

/// What is found, and what is said when nothing is; times as people type them; `try --ref`.
struct TrailQuestionTests {
  let folder: TemporaryFolder
  let time = FakeTime()
  var path: String { folder.path("trail.db") }

  init() throws { folder = try TemporaryFolder() }

  func options(_ text: String = "") -> Settings<TrailOptions> {
    Configuration(text: "[trail]\n\(text)", sections: BMSDaemon.sections).settings(
      TrailOptions.self)
  }

  func source(node: String = "") throws -> ReferenceSource {
    let site = try Site()
    return ReferenceSource(site.pipeline.services, node: node)
  }

  func nothing(
    _ typed: String, _ entries: [TrailEntry], _ options: Settings<TrailOptions>, later: Int64 = 0,
    loss: TrailLoss? = nil
  ) throws -> String {
    let store = try TrailStore(path: path, time: time)
    try store.append(entries)
    if let loss { try store.append(loss) }
    let question = TrailQuestion(typed)
    let reader = try TrailReader(path: path)
    #expect(try question.entries(in: reader).isEmpty)
    return try question.reasonsForNothing(
      in: reader, options, now: time.milliseconds + later, .utc
    ).joined(separator: "\n")
  }

  func entry(_ reference: String, time: Int64) -> TrailEntry {
    var entry = TrailEntry()
    entry.reference = reference
    entry.time = time
    entry.queueID = "4ZBC12345678"
    entry.messageID = "<a@example.com>"
    return entry
  }

  @Test func findsFoldedReferencesAndOtherNames() throws {
    let store = try TrailStore(path: path, time: time)
    try store.append([entry("K7Q1M0XA4T", time: 1)])
    let reader = try TrailReader(path: path)
    for typed in ["K7Q1M0XA4T", "k7qlmoxa4t", "K7QIM-OXA4T", "4zbc12345678", "a@example.com"] {
      #expect(try TrailQuestion(typed).entries(in: reader).count == 1, "\(typed)")
    }
    #expect(try TrailQuestion("'; DROP TABLE entry").entries(in: reader).isEmpty)
  }

  @Test func saysWhyNothingIsFound() throws {
    let reference = try source().next().description
    let day: Int64 = 86_400_000
    let now = time.milliseconds
    #expect(try nothing(reference, [], options()).contains("The trail is empty"))
    let known = [entry("0000000000", time: now + 50 * day)]
    let purged = try nothing(reference, known, options(), later: 100 * day)
    #expect(purged.contains("By its digits it was given out at 2026-11-21 00:00:0"))
    #expect(purged.contains("accepted mail is kept for 30d, refused mail for 90d: it was purged."))
    #expect(purged.contains("The trail reaches back to 2027-01-10"))
    let half = try nothing(reference, [], options(), later: 40 * day)
    #expect(half.contains("if it was accepted, it was purged"))
    let loss = TrailLoss(from: now, until: now + 5000, count: 12, why: "the queue was full")
    let lost = try nothing(reference, [], options(), later: day, loss: loss)
    #expect(lost.contains("12 records were lost between"))
    let other = try nothing(reference, [], options("node = \(reference.first == "Z" ? "Y" : "Z")"))
    #expect(other.contains("ask the host whose references begin with \(reference.prefix(1))"))
    #expect(try nothing("NOQUEUEID", [], options()).contains("only its reference"))
    #expect(try nothing("ZZZZZZZZZZ", [], options()).contains("misspelt"))
  }

  @Test(arguments: ["", "k", "7", "Z"])
  func referencesKeepTheirTimeAndNode(_ node: String) throws {
    let site = try Site()
    let source = ReferenceSource(site.pipeline.services, node: node)
    let code = ReferenceCode(node: node)
    var seen: Set<Reference> = []
    for second in 0..<50 {
      for _ in 0..<200 {
        let reference = source.next()
        #expect(seen.insert(reference).inserted)
        let made = try #require(code.time(of: reference))
        #expect(abs(made - site.time.milliseconds) <= 1000)
        if !node.isEmpty { #expect(reference.description.hasPrefix(node.uppercased())) }
      }
      site.time.advance(by: .seconds(second == 20 ? -5 : 1))
      if second == 20 { break }
    }
    if !node.isEmpty { #expect(ReferenceCode(node: "Q").time(of: source.next()) == nil) }
  }

  @Test func referencesAreNotRepeatedByAClockThatGoesBack() throws {
    let site = try Site()
    let first = ReferenceSource(site.pipeline.services)
    var seen: Set<Reference> = []
    for _ in 0..<1000 { #expect(seen.insert(first.next()).inserted) }
    let newest = site.time.milliseconds
    site.time.advance(by: .seconds(-86_400))
    for _ in 0..<1000 { #expect(seen.insert(first.next()).inserted) }
    // A new start a day back, with what the trail knows.
    let second = ReferenceSource(site.pipeline.services)
    second.continue(after: newest)
    for _ in 0..<1000 { #expect(seen.insert(second.next()).inserted) }
    // A burst larger than a second's counter borrows from the next.
    let crowded = ReferenceSource(site.pipeline.services, node: "A")
    var all: Set<Reference> = []
    for _ in 0..<70_000 { all.insert(crowded.next()) }
    #expect(all.count == 70_000)
  }

  @Test(
    arguments: [
      ("2h", 1_795_219_200_000 - 7_200_000), ("3d", 1_795_219_200_000 - 259_200_000),
      ("2026-11-20", 1_795_132_800_000), ("2026-11-20 14:00", 1_795_183_200_000),
      ("2026-11-20T14:00:03", 1_795_183_203_000), ("2026-13-20", nil), ("yesterday", nil),
      ("2026-11-20 25:00", nil), ("", nil), ("2026-11-20 ", 1_795_132_800_000),
      ("99999999-1-1", nil), ("3", nil), ("2026-02-31", nil), ("2027-02-29", nil),
      ("2028-02-29", 1_835_395_200_000), ("2026-11-20 14:00:03 Z", 1_795_183_203_000),
      ("2026-11-20T14:00:03Z", 1_795_183_203_000),
      ("2026-11-20 14:00:03 +01:00", 1_795_179_603_000),
      ("2026-11-20 14:00 -00:30", 1_795_185_000_000), ("2026-11-20 Z", 1_795_132_800_000),
    ] as [(String, Int64?)])
  func times(_ typed: String, _ expected: Int64?) {
    #expect((try? TimeText.utc.parse(typed, now: 1_795_219_200_000)) == expected)
  }

  @Test func everyTimeNamesItsZone() throws {
    #expect(TimeText.utc.text(1_795_183_203_000) == "2026-11-20 14:00:03 Z")
    #expect(TimeText.utc.text(nil) == "-")
    let local = TimeText.local.text(1_795_183_203_000)
    #expect(local.contains(/\ (Z|[+-]\d\d:\d\d)$/))
    #expect(try TimeText.local.parse(local, now: 0) == 1_795_183_203_000)
    #expect(try TimeText.utc.parse(local, now: 0) == 1_795_183_203_000)
  }

  @Test(arguments: [
    ("2026-12-31", "2027-01-01 00:00:00 Z"), ("2026-12-31 10:05", "2026-12-31 10:05:00 Z"),
    ("2028-02-29T23:59", "2028-02-29 23:59:00 Z"), ("2026-02-29", nil), ("2026-13-01", nil),
    ("2026-12-31 24:00", nil), ("2026-12", nil), ("-1-1-1", nil), ("1969-12-31", nil), ("", nil),
    ("99999-01-01", nil), ("2h", nil),
  ])
  func readsEnds(_ text: String, _ expected: String?) {
    let end = try? TimeText.utc.parseEnd(text)
    #expect(end.map { TimeText.utc.text($0) } == expected)
  }

  /// What the database said then is said today, too, unless its module's mode was changed.
  @Test(
    arguments: [
      ("enforce", [] as [String], 1),
      (
        "off", ["[greylist] mode: then enforce, now off.", "Verdict: then tempfail, now accept."], 0
      ),
      ("observe", ["[greylist] mode: then enforce, now observe."], 0),
    ])
  func recallsWhatTheDatabaseSaid(_ mode: String, _ differences: [String], _ recalled: Int) throws {
    var entry = TrailEntry(
      try #require(try Conversation().from().to().run("[helo]\nmode = observe").records.first))
    entry.ending = "tempfail"
    var decision = TrailDecision()
    (decision.module, decision.stage, decision.mode) = ("greylist", "rcpt", "enforce")
    (decision.verdict, decision.effect, decision.code) = ("tempfail", "enforced", "new-triplet")
    entry.decisions.append(decision)
    let retrial = Retrial(entry)
    let site = try Site("[helo]\nmode = observe")
    let trial = Trial(site.pipeline, trail: site.trail, hostName: "mx.example.org")
    let outcome = try #require(trial.run(retrial.message, retrial.envelope))
    let modes = ["greylist": mode]
    let found = retrial.differences(from: outcome, modes: modes)
    #expect(
      differences.allSatisfy(found.contains) && found.isEmpty == differences.isEmpty, "\(found)")
    let said = retrial.recalled(modes: modes)
    #expect(said.count == recalled)
    #expect(said.allSatisfy { $0.contains("greylist at rcpt says tempfail (new-triplet)") })
  }

  @Test func decidesAgain() throws {
    let record = try #require(
      try Conversation().hello("192.0.2.9").from().to().port(587).run("[helo]\nmode = observe")
        .records.first)
    #expect(record.daemonPort == "587")
    let strange = try #require(
      try Conversation().hello("192.0.2.9").from().to().run("[trail]\n[helo]\nmode = observe")
        .records.first)
    func again(_ record: TransactionRecord, _ text: String) throws -> [String] {
      let retrial = Retrial(TrailEntry(record))
      let site = try Site(text)
      let trial = Trial(site.pipeline, trail: site.trail, hostName: "mx.example.org")
      let outcome = try #require(trial.run(retrial.message, retrial.envelope))
      return retrial.differences(from: outcome, modes: [:])
    }
    #expect(try again(strange, "[helo]\nmode = observe") == [])
    #expect(
      try again(strange, "[helo]\nmode = enforce") == [
        "Verdict: then accept, now reject.", "Refused recipients: then 0, now 1.",
        "Only then: helo at helo: would reject (numeric)",
        "Only now: helo at helo: reject (numeric)",
      ])
    // Submission is left alone, then and now.
    #expect(try again(record, "[helo]\nmode = enforce") == [])
  }

  @Test func headersAreWantedOnlyWithATrail() throws {
    #expect(try !Site("[helo]").pipeline.negotiation.steps.contains(.header))
    let site = try Site("[trail]\nsubject = no")
    #expect(site.pipeline.negotiation.steps.contains(.header))
    #expect(!site.pipeline.negotiation.answered.contains(.header))
    let record = try #require(
      try Conversation().from().to().header("Message-Id", "<1@x>").header("message-id", "<2@x>")
        .header("Subject", "secret").run(on: site).records.first)
    #expect(record.messageID == "<1@x>")
    #expect(record.subject == nil)
  }

  @Test(arguments: ["I", "L", "O", "U", "AB", "é", "-"])
  func refusesABadNode(_ node: String) {
    let setup = Setup(path: "bms.conf", files: FakeFiles(["bms.conf": "[trail]\nnode = \(node)\n"]))
    { _ in
      Services(
        time: time, random: FakeRandom(), files: FakeFiles(), trail: MemoryTrail(capacity: 0),
        log: LogCollector().logger())
    }
    #expect(setup.faults.map(\.description).contains { $0.hasPrefix("bms.conf:2: trail.node") })
  }

  @Test func namesAnEarlierTrail() throws {
    try Data("x".utf8).write(to: URL(filePath: "\(path).aside"))
    let said = try nothing("ABCDEFGHJK", [], options())
    #expect(said.contains("An earlier trail was set aside as \(path).aside on "))
  }
}
