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
  /// Only where something would have been refused had it been enforced.
  package var would = false
  /// Only entries written after this one.
  package var after: Int64?

  package init() {}
}

/// Reads `trail.db` beside the daemon that writes it; changes nothing.
package final class TrailReader: Sendable {
  let queue: DatabaseQueue
  private let path: String
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
          throw StoreTrouble.damaged("\(path) is not a trail of this version of bmsd")
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
      return try rows.reversed().map { try Self.entry($0, db) }
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
        (id IN (SELECT entry FROM recipient WHERE entry = id AND instr(lower(address), lower(?)))
        OR id IN (SELECT entry FROM decision WHERE entry = id AND instr(lower(recipient), lower(?))))
        """, [to, to])
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
      try Row.fetchAll(
        db, sql: "SELECT * FROM entry WHERE \(condition) ORDER BY id LIMIT 100",
        arguments: arguments
      ).map { try Self.entry($0, db) }
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
        TrailLoss(from: $0["from"], until: $0["until"], count: $0["count"], why: $0["why"])
      }
    }
  }

  // MARK: rows

  private static func entry(_ row: Row, _ db: Database) throws -> TrailEntry {
    var entry = TrailEntry()
    entry.id = row["id"]
    entry.reference = row["reference"]
    entry.time = row["time"]
    entry.node = row["node"]
    entry.client = TrailSchema.text(row, "client") ?? ""
    entry.clientName = TrailSchema.text(row, "client_name") ?? ""
    entry.hello = TrailSchema.text(row, "hello")
    entry.user = TrailSchema.text(row, "user")
    entry.daemonName = TrailSchema.text(row, "daemon_name")
    entry.daemonPort = TrailSchema.text(row, "daemon_port")
    entry.sender = TrailSchema.text(row, "sender")
    entry.queueID = TrailSchema.text(row, "queue_id")
    entry.messageID = TrailSchema.text(row, "message_id")
    entry.subject = TrailSchema.text(row, "subject")
    entry.acceptedRecipients = row["accepted"]
    entry.refusedRecipients = row["refused_recipients"]
    entry.unknownRecipients = row["unknown_recipients"]
    entry.ending = row["ending"]
    entry.reply = row["reply"]
    entry.size = row["size"]
    entry.droppedDecisions = row["dropped_decisions"]
    for row in try rows("recipient", of: entry.id, db) {
      entry.recipients.append(TrailSchema.text(row, "address") ?? "")
    }
    entry.decisions = try rows("decision", of: entry.id, db).map(decision)
    entry.edits = try rows("edit", of: entry.id, db).map {
      TrailEdit(kind: $0["kind"], value: TrailSchema.text($0, "value"), isMade: $0["made"])
    }
    return entry
  }

  private static func rows(_ table: String, of entry: Int64, _ db: Database) throws -> [Row] {
    let statement = try db.cachedStatement(
      sql: "SELECT * FROM \(table) WHERE entry = ? ORDER BY number")
    return try Row.fetchAll(statement, arguments: [entry])
  }

  private static func decision(_ row: Row) -> TrailDecision {
    var decision = TrailDecision()
    decision.stage = row["stage"]
    decision.module = row["module"]
    decision.mode = row["mode"]
    decision.verdict = row["verdict"]
    decision.effect = row["effect"]
    decision.reply = row["reply"]
    decision.code = row["code"]
    decision.detail = row["detail"]
    decision.option = row["option"]
    decision.place = row["place"]
    decision.recipient = TrailSchema.text(row, "recipient")
    decision.note = row["note"]
    decision.duration = row["duration"]
    return decision
  }
}
