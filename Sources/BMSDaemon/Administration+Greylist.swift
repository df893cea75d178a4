// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Configuration
internal import Control
internal import Environment
internal import Glibc
package import Greylisting
internal import Mail
internal import Policies
internal import Store

/// `bmsd greylist`. Addresses are as a person types them.
package enum GreylistRequest: Codable, Sendable {
  /// `triplet` rows, the last seen first, then `counted`.
  case list(origin: String?, hasPassed: Bool?, limit: Int, skip: Int)
  /// `triplet` rows, then an `origin` for each of their origins.
  case show(sender: String, recipient: String?, limit: Int)
  /// `counts`.
  case stats
  /// `triplet` rows in the order of the key: a page of them after that place, or the first one. It is
  /// the last where it has less than `page`.
  case export(after: TripletPlace?)
  /// `changed`.
  case pass(sender: String, recipient: String)
  /// `progress`, then `changed`.
  case drop(origin: String?, sender: String?, recipient: String?)
  /// `progress`, then `changed`.
  case purge
  /// Triplets as `TripletCSV` writes them, committed together; `taken`.
  case take([String])

  /// Triplets in one answer to `export`: the asker keeps them, so that nobody waits while it prints.
  package static let page = 2000
  /// The most lines, and bytes, that one `take` should bring.
  package static let batch = (lines: 500, bytes: 200_000)
}

/// A row of the answer to a `GreylistRequest`.
package enum GreylistRow: Codable, Sendable, Equatable {
  case triplet(TripletRow)
  case origin(name: String, passed: Int, needed: Int, last: Int64)
  case counts([GreylistNumber])
  /// How many triplets the whole list has.
  case counted(Int)
  case progress(Int, of: Int)
  /// How many triplets changed, of how many that were looked at.
  case changed(Int, of: Int)
  case taken(taken: Int, forgotten: Int)
}

/// One of the numbers of `bmsd greylist stats`.
package struct GreylistNumber: Codable, Sendable, Equatable {
  package let name: String
  package let count: Int
  package let meaning: String
}

/// Where a triplet stands in the order of keys.
package struct TripletPlace: Codable, Sendable, Equatable {
  let origin: String
  let sender: String
  let recipient: String

  fileprivate var triplet: Triplet {
    Triplet(origin: origin, sender: sender, recipient: recipient)
  }
}

/// A triplet as commands see it; times are milliseconds since 1970.
package struct TripletRow: Codable, Sendable, Equatable {
  package let origin: String
  package let sender: String
  package let recipient: String
  package let first: Int64
  package let last: Int64
  package let passed: Int
  package let tries: Int
  /// `waits 4 min more`, `passes when it retries`, `its time is over`, `passed 3 mails`.
  package let state: String

  init(_ record: TripletRecord, _ rule: TripletRule, at now: Int64) {
    origin = record.triplet.origin
    sender = record.triplet.sender
    recipient = record.triplet.recipient
    first = record.first
    last = record.last
    passed = record.passed
    tries = record.tries
    state = rule.state(of: record, at: now)
  }

  package var place: TripletPlace {
    TripletPlace(origin: origin, sender: sender, recipient: recipient)
  }

  package var record: TripletRecord {
    TripletRecord(
      triplet: Triplet(origin: origin, sender: sender, recipient: recipient),
      first: first, last: last, passed: passed, tries: tries)
  }
}

extension TripletRule {
  fileprivate func state(of record: TripletRecord, at now: Int64) -> String {
    if record.passed > 0 { return "passed \(record.passed) mail\(record.passed == 1 ? "" : "s")" }
    let left = record.first &+ delay &- now
    if left > 0 { return "waits \((left &+ 59_999) / 60_000) min more" }
    return record.first &+ expire > now ? "passes when it retries" : "its time is over"
  }
}

extension Administration {
  /// The most triplets in one answer: they are in the memory of the process that carries mail.
  private static let longestList = 10_000
  /// How long a step of long work waits for the database.
  private static let patience = Duration.seconds(5)

  func perform(_ request: GreylistRequest, _ row: (GreylistRow) throws -> Void) throws -> ControlEnd
  {
    guard let store = memory.store else { throw Self.noStore }
    let question = GreylistQuestions(store, configuration.settings(GreylistOptions.self))
    do {
      switch request {
      case .list(let origin, let hasPassed, let limit, let skip):
        try question.list(
          TripletFilter(origin: question.origin(origin), hasPassed: hasPassed),
          min(limit, Self.longestList), skip, row)
      case .show(let sender, let recipient, let limit):
        return try question.show(sender, recipient, min(limit, Self.longestList), row)
      case .stats: try row(.counts(try question.counts()))
      case .export(let place):
        let now = store.time.milliseconds
        for record in try store.triplets(after: place?.triplet, limit: GreylistRequest.page) {
          try row(.triplet(TripletRow(record, question.rule, at: now)))
        }
      case .pass(let sender, let recipient):
        return try question.pass(sender, recipient, within: Self.patience, row)
      case .drop(let origin, let sender, let recipient):
        let filter = question.filter(origin: origin, sender: sender, recipient: recipient)
        var count = 0
        count = try store.dropTriplets(filter, within: Self.patience) { done, total in
          try row(.progress(done, of: total))
        }
        try row(.changed(count, of: count))
        return ControlEnd(count == 0 ? 1 : 0)
      case .purge: try question.purge(within: Self.patience, row)
      case .take(let lines): try row(try question.take(lines, within: Self.patience))
      }
      return .well
    } catch let trouble as StoreTrouble {
      return ControlEnd(
        trouble == .readOnly ? EX_NOPERM : EX_UNAVAILABLE, ["\(store.file.path): \(trouble)"])
    }
  }
}

/// What the greylist is asked, and how the answers become rows.
private struct GreylistQuestions {
  let store: StateStore
  let rule: TripletRule
  let keys: TripletKeys

  init(_ store: StateStore, _ settings: Settings<GreylistOptions>) {
    self.store = store
    rule = TripletRule(settings)
    keys = TripletKeys(settings)
  }

  private var now: Int64 { store.time.milliseconds }

  /// The origin that a person means: a network, an address in one, or a domain.
  func origin(_ text: String?) -> String? {
    guard let text else { return nil }
    if let address = IPAddress(text) { return keys.origin(of: address) }
    // A network as the list shows it; what only looks like one is nobody's origin.
    return text.contains("/") ? text : keys.origin(ofDomain: text)
  }

  /// The triplets that a person means: addresses as in a mail, or as keys.
  func filter(
    origin: String? = nil, sender: String? = nil, recipient: String? = nil
  ) -> TripletFilter {
    TripletFilter(
      origin: self.origin(origin),
      senders: sender.map { text in
        var plain = keys
        plain.folds = false
        return [text == "<>" ? "" : text]
          + Self.mailboxes(text).flatMap { [keys.sender($0), plain.sender($0)] }
      },
      recipients: recipient.map { text in
        var plain = keys
        plain.countsRecipient = true
        return [TripletKeys.anyRecipient, text] + Self.mailboxes(text).map(plain.recipient)
      })
  }

  /// What an argument may mean: an address as in a mail, or as the log and explain show it, with
  /// `\xNN` for what cannot be typed.
  private static func mailboxes(_ text: String) -> [Mailbox] {
    let texts = text.contains("\\") ? [MailText(text), MailText(shown: text)] : [MailText(text)]
    return texts.map { Mailbox(envelope: $0) }
  }

  // MARK: asking

  func list(
    _ filter: TripletFilter, _ limit: Int, _ skip: Int, _ row: (GreylistRow) throws -> Void
  ) throws {
    let records = try store.triplets(filter, limit: limit, offset: skip)
    for record in records { try row(.triplet(TripletRow(record, rule, at: now))) }
    if records.count == limit { try row(.counted(try store.countTriplets(filter))) }
  }

  func show(
    _ sender: String, _ recipient: String?, _ limit: Int, _ row: (GreylistRow) throws -> Void
  ) throws -> ControlEnd {
    let records = try store.triplets(
      filter(sender: sender, recipient: recipient), limit: limit)
    for record in records { try row(.triplet(TripletRow(record, rule, at: now))) }
    for name in Set(records.map(\.triplet.origin)).sorted() {
      guard let known = try store.origin(name) else { continue }
      try row(
        .origin(name: name, passed: known.passed, needed: rule.autoPass, last: known.last))
    }
    return records.isEmpty ? ControlEnd(1, ["no such triplet"]) : .well
  }

  func counts() throws -> [GreylistNumber] {
    let counts = try store.greylistCounts(autoPass: rule.autoPass)
    return [
      ("triplets", counts.triplets, ""), ("waiting", counts.waiting, "have not passed yet"),
      ("passed", counts.passed, "waited and passed"),
      ("learned", counts.learned, "never had to wait"),
      ("mails", counts.mails, "were let through"),
      ("origins", counts.origins, "of which a triplet waited and passed"),
      ("known", counts.knownOrigins, "origins that wait no more"),
      ("bytes", try store.file.usedBytes(), "used by the whole database"),
    ].map(GreylistNumber.init)
  }

  // MARK: changing

  func pass(
    _ sender: String, _ recipient: String, within limit: Duration,
    _ row: (GreylistRow) throws -> Void
  ) throws -> ControlEnd {
    var filter = filter(sender: sender, recipient: recipient)
    let known = try store.countTriplets(filter)
    filter.hasPassed = false
    let count = try store.passTriplets(filter, at: now, within: limit)
    try row(.changed(count, of: known))
    guard known == 0 else { return .well }
    // What was typed goes to a terminal, and the command into a shell.
    let (from, to) = (LineHandler.escaped(sender), LineHandler.escaped(recipient))
    let none = "no mail from \(from) to \(to) was tried"
    guard ListedParty(sender) != nil else { return ControlEnd(1, [none]) }
    return ControlEnd(
      1,
      [
        "\(none); to let it in at its first attempt: bmsd allow add --unauthenticated "
          + Advice.quoted(from)
      ])
  }

  func purge(within limit: Duration, _ row: (GreylistRow) throws -> Void) throws {
    let total = try store.countTriplets(TripletFilter())
    let sum = try store.purgeGreylist(by: rule, at: now, within: limit) { seen, _ in
      try row(.progress(seen, of: total))
    }
    try row(.changed(sum.gone, of: total))
  }

  func take(_ lines: [String], within limit: Duration) throws -> GreylistRow {
    var csv = TripletCSV(keys: keys)
    _ = try csv.record(Array(TripletCSV.header.utf8))
    var rest = lines[...]
    let sum = try store.importTriplets(by: rule, at: now, within: limit) {
      guard let line = rest.popFirst() else { return nil }
      guard let record = try csv.record(Array(line.utf8)) else { return .fault("") }
      return .record(record)
    }
    return .taken(taken: sum.taken, forgotten: sum.forgotten)
  }
}
