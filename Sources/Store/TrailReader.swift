// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB
internal import Glibc
internal import Mail

/// Which entries `bmsd log` shows. What is nil or empty does not matter.
package struct TrailFilter: Sendable, Equatable {
  /// Milliseconds since 1970.
  package var since: Int64?
  package var until: Int64?
  /// `accept`, `reject` ...: of the message, or of any decision on it that held.
  package var verdict: String?
  /// Only where this module said more than `proceed`.
  package var module: String?
  /// Part of the sender or, for `to`, of an accepted or decided recipient; case is folded.
  package var from: String?
  package var to: String?
  /// Only where something would have been refused or changed had it been enforced.
  package var would = false
  /// Only entries written after this one.
  package var after: Int64?

  package init() {}
}

/// Reads `trail.db` beside the daemon that writes it; changes nothing.
package final class TrailReader: Sendable {
  let queue: DatabaseQueue
  package let path: String
  private let identity: FileIdentity?

  /// Opens the file for reading.
  ///
  /// Throws `readOnly` when it cannot be read, `damaged` when it is no trail, `newer` when a later
  /// version wrote it.
  package init(path: String) throws(StoreTrouble) {
    self.path = path
    identity = FileIdentity(path)
    do {
      var configuration = Configuration()
      configuration.readonly = true
      configuration.busyMode = .timeout(2)
      queue = try DatabaseQueue(path: path, configuration: configuration)
      try queue.read { db in
        if try TrailSchema.migrator.hasBeenSuperseded(db) { throw StoreTrouble.newer(path: path) }
        guard try TrailSchema.migrator.hasCompletedMigrations(db) else {
          let isOlder = try TrailSchema.migrator.appliedIdentifiers(db).isEmpty == false
          throw isOlder
            ? StoreTrouble.other(
              "an earlier version of bmsd wrote it, and the daemon brings it forward when it is "
                + "restarted")
            : StoreTrouble.damaged("\(path) is not a trail of this version of bmsd")
        }
      }
    } catch {
      throw StoreTrouble(error)
    }
  }

  func read<T>(_ body: (Database) throws -> T) throws(StoreTrouble) -> T {
    do { return try queue.read(body) } catch { throw StoreTrouble(error) }
  }

  /// Whether the file that was opened still stands at its path.
  package var isInPlace: Bool { FileIdentity(path) == identity }

  // MARK: lists

  /// The newest entries that match, at most `limit`, the oldest of them first.
  package func entries(
    _ filter: TrailFilter, limit: Int
  ) throws(StoreTrouble) -> [TrailEntry] {
    let (condition, arguments) = Self.condition(filter)
    return try read { db in
      let rows = try Row.fetchAll(
        db, sql: "SELECT * FROM entry WHERE \(condition) ORDER BY id DESC LIMIT ?",
        arguments: arguments + [limit])
      let steps = try TrailSteps(db)
      return try rows.reversed().map { try Self.entry($0, steps, db) }
    }
  }

  private static func condition(_ filter: TrailFilter) -> (String, StatementArguments) {
    var parts = ["1"]
    var arguments: StatementArguments = []
    func add(_ part: String, _ values: StatementArguments) {
      parts.append(part)
      arguments += values
    }
    if let since = filter.since { add("time >= ?", [since]) }
    if let until = filter.until { add("time < ?", [until]) }
    if let after = filter.after { add("id > ?", [after]) }
    if let from = filter.from { add("instr(lower(sender), lower(?))", [from]) }
    if let to = filter.to {
      add(
        """
        (instr(lower(first_recipient), lower(?))
        OR id IN (SELECT entry FROM recipient WHERE entry = id AND instr(lower(address), lower(?)))
        OR id IN (SELECT entry FROM decision WHERE entry = id AND instr(lower(recipient), lower(?))))
        """, [to, to, to])
    }
    if filter.module == nil, !filter.would {
      if let verdict = filter.verdict {
        add(
          """
          (ending = ? OR EXISTS (SELECT 1 FROM decision
          WHERE entry = entry.id AND verdict = ? AND effect = 'enforced'))
          """, [verdict, verdict])
      }
      return (parts.joined(separator: " AND "), arguments)
    }
    var decision = "verdict <> 'proceed'"
    var values: StatementArguments = []
    if let module = filter.module {
      decision += " AND module = ?"
      values += [module]
    }
    if let verdict = filter.verdict {
      decision += " AND verdict = ?"
      values += [verdict]
    }
    if filter.would { decision += " AND effect <> 'enforced' AND verdict <> 'accept'" }
    add("EXISTS (SELECT 1 FROM decision WHERE entry = entry.id AND \(decision))", values)
    return (parts.joined(separator: " AND "), arguments)
  }

  // MARK: one entry

  /// The entries of that reference, oldest first; more than one where the clock was set back.
  package func entries(reference: String) throws(StoreTrouble) -> [TrailEntry] {
    try entries("reference = ?", [reference])
  }

  /// The entries of a queue id; spelt exactly so if there are any, else in any case.
  package func entries(queueID: String) throws(StoreTrouble) -> [TrailEntry] {
    let all = try entries("queue_id = ? COLLATE NOCASE", [queueID])
    let exact = all.filter { $0.queueID == MailText(queueID) }
    return exact.isEmpty ? all : exact
  }

  /// The entries of a Message-ID, with or without its angle brackets.
  package func entries(messageID: String) throws(StoreTrouble) -> [TrailEntry] {
    var bare = Substring(messageID)
    if bare.hasPrefix("<") { bare.removeFirst() }
    if bare.hasSuffix(">") { bare.removeLast() }
    return try entries(
      "message_id COLLATE NOCASE IN (?, ?)", ["<\(bare)>", String(bare)])
  }

  private func entries(
    _ condition: String, _ arguments: StatementArguments
  ) throws(StoreTrouble) -> [TrailEntry] {
    try read { db in
      let steps = try TrailSteps(db)
      return try Row.fetchAll(
        db, sql: "SELECT * FROM entry WHERE \(condition) ORDER BY id LIMIT 100",
        arguments: arguments
      ).map { try Self.entry($0, steps, db) }
    }
  }

  // MARK: what is missing

  /// How far back it reaches, in milliseconds since 1970, and its newest entry's number.
  package func extent() throws(StoreTrouble) -> (oldest: Int64?, newest: Int64?, last: Int64) {
    try read { db in
      (
        try Int64.fetchOne(db, sql: "SELECT min(time) FROM entry"),
        try Int64.fetchOne(db, sql: "SELECT max(time) FROM entry"),
        try Int64.fetchOne(db, sql: "SELECT max(id) FROM entry") ?? 0
      )
    }
  }

  /// Losses, oldest first; at most the last thousand.
  package func losses() throws(StoreTrouble) -> [TrailLoss] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM loss ORDER BY id").map {
        TrailLoss(
          from: try $0.decode(forColumn: "from"), until: try $0.decode(forColumn: "until"),
          count: try $0.decode(forColumn: "count"), why: try $0.decode(forColumn: "why"))
      }
    }
  }

  // MARK: rows

  private static func entry(
    _ row: Row, _ steps: TrailSteps, _ db: Database
  ) throws -> TrailEntry {
    var entry = TrailEntry()
    entry.id = try row.decode(forColumn: "id")
    entry.reference = try row.decode(forColumn: "reference")
    entry.time = try row.decode(forColumn: "time")
    entry.node = try row.decode(forColumn: "node")
    entry.client = try TrailSchema.text(row, "client") ?? ""
    entry.clientName = try TrailSchema.text(row, "client_name") ?? ""
    entry.hello = try TrailSchema.text(row, "hello")
    entry.user = try TrailSchema.text(row, "user")
    entry.daemonName = try TrailSchema.text(row, "daemon_name")
    entry.daemonPort = try TrailSchema.text(row, "daemon_port")
    entry.sender = try TrailSchema.text(row, "sender")
    entry.queueID = try TrailSchema.text(row, "queue_id")
    entry.messageID = try TrailSchema.text(row, "message_id")
    entry.subject = try TrailSchema.text(row, "subject")
    entry.acceptedRecipients = try row.decode(forColumn: "accepted")
    entry.refusedRecipients = try row.decode(forColumn: "refused_recipients")
    entry.unknownRecipients = try row.decode(forColumn: "unknown_recipients")
    entry.ending = try row.decode(forColumn: "ending")
    entry.reply = try row.decode(forColumn: "reply")
    entry.size = try row.decode(forColumn: "size")
    entry.droppedDecisions = try row.decode(forColumn: "dropped_decisions")
    if let first = try TrailSchema.text(row, "first_recipient") { entry.recipients.append(first) }
    for row in try rows("recipient", of: entry.id, db) {
      entry.recipients.append(try TrailSchema.text(row, "address") ?? "")
    }
    entry.decisions = try decisions(
      of: entry, proceeded: try proceeded(row, entry.recipients, steps), db)
    entry.edits = try rows("edit", of: entry.id, db).map {
      TrailEdit(
        kind: try $0.decode(forColumn: "kind"), value: try TrailSchema.text($0, "value"),
        isMade: try $0.decode(forColumn: "made"))
    }
    return entry
  }

  private static func rows(_ table: String, of entry: Int64, _ db: Database) throws -> [Row] {
    let statement = try db.cachedStatement(
      sql: "SELECT * FROM \(table) WHERE entry = ? ORDER BY number")
    return try Row.fetchAll(statement, arguments: [entry])
  }

  /// The decisions of an entry's `ProceedList`. What is damaged is left out.
  private static func proceeded(
    _ row: Row, _ recipients: [MailText], _ steps: TrailSteps
  ) throws -> [TrailDecision] {
    var decisions: [TrailDecision] = []
    try TrailSchema.bytes(row, "proceeded") { bytes in
      ProceedList.read(bytes) { item in
        guard let step = steps.steps[item.step], decisions.count < TrailEntry.Limit.decisions
        else { return }
        let place = Int(clamping: item.recipient) &- 1
        decisions.append(
          TrailDecision(
            step, item,
            recipient: recipients.indices.contains(place) ? recipients[place] : nil))
      }
    }
    return decisions
  }

  /// Those that have rows stand at their numbers, `proceeded` in the places between.
  private static func decisions(
    of entry: TrailEntry, proceeded: [TrailDecision], _ db: Database
  ) throws -> [TrailDecision] {
    var decisions: [TrailDecision] = []
    var rest = proceeded[...]
    for row in try rows("decision", of: entry.id, db) {
      let number: Int = try row.decode(forColumn: "number")
      while decisions.count < number, let next = rest.popFirst() { decisions.append(next) }
      decisions.append(try decision(row))
    }
    return decisions + rest
  }

  private static func decision(_ row: Row) throws -> TrailDecision {
    var decision = TrailDecision()
    decision.stage = try row.decode(forColumn: "stage")
    decision.module = try row.decode(forColumn: "module")
    decision.mode = try row.decode(forColumn: "mode")
    decision.verdict = try row.decode(forColumn: "verdict")
    decision.effect = try row.decode(forColumn: "effect")
    decision.reply = try row.decode(forColumn: "reply")
    decision.code = try row.decode(forColumn: "code")
    decision.detail = try row.decode(forColumn: "detail")
    decision.option = try row.decode(forColumn: "option")
    decision.place = try row.decode(forColumn: "place")
    decision.recipient = try TrailSchema.text(row, "recipient")
    decision.note = try row.decode(forColumn: "note")
    decision.duration = try row.decode(forColumn: "duration")
    return decision
  }
}
