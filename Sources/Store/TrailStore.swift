// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import GRDB
internal import Glibc
internal import Mail
internal import Synchronization

/// `trail.db`: what was decided, and why. The daemon's one background thread writes it.
///
/// It may be deleted at any time. A file that was removed or replaced is made anew before the next
/// write; one that is damaged, foreign or of a later version is moved aside to `PATH.aside` (the
/// last one only), because no decision waits for it.
package final class TrailStore: Sendable {
  package let path: String
  private let time: any TimeSource
  private let current: Mutex<SQLiteFile>

  /// How long a write waits for its turn; on a thread of its own nothing else waits with it.
  private static let patience = Duration.seconds(1)

  /// Opens or creates the file. Throws when its folder cannot be written or another process holds
  /// the lock.
  package init(path: String, time: any TimeSource) throws(StoreTrouble) {
    self.path = path
    self.time = time
    current = Mutex(try Self.open(path, time))
  }

  /// New rows go to the ends of tables and of most indexes: few pages are asked for again.
  private static let cache = 4 << 20

  private static func open(_ path: String, _ time: any TimeSource) throws(StoreTrouble)
    -> SQLiteFile
  {
    if access(path, F_OK) != 0 { removeCompanions(path) }
    makePrivate(path)
    do {
      return try SQLiteFile(
        path: path, migrator: TrailSchema.migrator, time: time, cache: cache)
    } catch {
      guard error.makesFileUseless else { throw error }
      guard rename(path, "\(path).aside") == 0 else { throw error }
      removeCompanions(path)
      makePrivate(path)
      return try SQLiteFile(
        path: path, migrator: TrailSchema.migrator, time: time, cache: cache)
    }
  }

  /// Makes the file before SQLite does, whose companions take its mode: who writes to whom is not
  /// for everybody. What is wrong with the place SQLite will say.
  private static func makePrivate(_ path: String) {
    let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
    if descriptor >= 0 { Glibc.close(descriptor) }
  }

  /// A log of another file's pages must not be replayed into a new one.
  private static func removeCompanions(_ path: String) {
    unlink("\(path)-wal")
    unlink("\(path)-shm")
  }

  /// The file as it stands at the path now.
  private func file() throws(StoreTrouble) -> SQLiteFile {
    let file = current.withLock { $0 }
    guard !file.isInPlace else { return file }
    return try reopen(file)
  }

  private func reopen(_ old: SQLiteFile) throws(StoreTrouble) -> SQLiteFile {
    old.close()
    // SQLite leaves the log of a file that was moved: its pages would be replayed into the new one.
    Self.removeCompanions(path)
    let new = try Self.open(path, time)
    current.withLock { $0 = new }
    return new
  }

  /// Runs a write, once more on a new file when this one turns out to be useless.
  private func write<T>(_ body: (Database) throws -> T) throws(StoreTrouble) -> T {
    let file = try file()
    do {
      return try file.write(within: Self.patience, body)
    } catch {
      guard error.makesFileUseless else { throw error }
      file.close()
      guard rename(path, "\(path).aside") == 0 else { throw error }
      Self.removeCompanions(path)
      return try reopen(file).write(within: Self.patience, body)
    }
  }

  // MARK: writing

  /// Writes all of these, or none.
  package func append(_ entries: [TrailEntry]) throws(StoreTrouble) {
    try write { db in
      for entry in entries { try TrailInsert.insert(entry, db) }
    }
  }

  /// Remembers that something is missing, so that who looks for it can be told.
  package func append(_ loss: TrailLoss) throws(StoreTrouble) {
    try write { db in
      try db.execute(
        sql: """
          INSERT INTO loss ("from", until, count, why) VALUES (?, ?, ?, ?);
          DELETE FROM loss WHERE id <= (SELECT max(id) FROM loss) - 1000
          """, arguments: [loss.from, loss.until, loss.count, loss.why])
    }
  }

  /// When the newest entry began, in milliseconds since 1970.
  package func newest() throws(StoreTrouble) -> Int64? {
    try file().read { try Int64.fetchOne($0, sql: "SELECT max(time) FROM entry") }
  }

  // MARK: forgetting

  /// Bytes in used pages.
  package func usedBytes() throws(StoreTrouble) -> Int { try file().usedBytes() }

  /// Forgets at most `rows` entries that are too old or too many, the oldest first, and gives their
  /// pages back.
  ///
  /// - Returns: whether there may be more to forget.
  package func prune(
    _ limits: TrailLimits, now: Int64, rows: Int = 500
  ) throws(StoreTrouble) -> Bool {
    var old = try ids(
      "refused = 0 AND time < ?", [now - Int64(limits.keep)], rows)
    if old.count < rows {
      old += try ids(
        "refused = 1 AND time < ?", [now - Int64(limits.keepRefused)], rows - old.count)
    }
    if old.isEmpty, try usedBytes() > limits.maximumSize { old = try ids("1", [], rows) }
    guard !old.isEmpty else { return false }
    let list = old.map(String.init).joined(separator: ",")
    try write { db in
      for table in ["decision", "recipient", "edit"] {
        try db.execute(sql: "DELETE FROM \(table) WHERE entry IN (\(list))")
      }
      try db.execute(sql: "DELETE FROM entry WHERE id IN (\(list))")
    }
    try file().shrink(pages: 20 * rows, within: Self.patience)
    return true
  }

  private func ids(
    _ condition: String, _ arguments: StatementArguments, _ rows: Int
  ) throws(StoreTrouble) -> [Int64] {
    try file().read { db in
      try Int64.fetchAll(
        db, sql: "SELECT id FROM entry WHERE \(condition) ORDER BY time LIMIT \(rows)",
        arguments: arguments)
    }
  }

  /// Moves what was written from the log into the file, so that the file shrinks on disk too.
  package func checkpoint() throws(StoreTrouble) {
    try file().writeStatement(within: Self.patience) { db in
      _ = try db.checkpoint(.passive)
    }
  }

  /// What is wrong at the moment; nil when all is well.
  package var trouble: StoreTrouble? { current.withLock { $0.trouble } }

  /// Closes; nothing may be written afterwards.
  package func close() { current.withLock { $0.close() } }
}

extension StoreTrouble {
  /// Whether the file itself is at fault: no database, damaged, of a later version, or with other
  /// tables (SQLite's error 1).
  fileprivate var makesFileUseless: Bool {
    switch self {
    case .damaged, .newer: true
    case .other(let text): text.hasPrefix("1: ")
    case .busy, .full, .readOnly, .failing, .inUse: false
    }
  }

  /// Whether trying again later may help.
  package var isPassing: Bool {
    switch self {
    case .busy, .full, .readOnly, .failing: true
    case .damaged, .newer, .inUse, .other: false
    }
  }
}

/// The statements that write one entry.
enum TrailInsert {
  private static let columns = [
    "reference", "time", "refused", "ending", "node", "client", "client_name", "hello", "user",
    "daemon_name", "daemon_port", "sender", "queue_id", "message_id", "subject", "accepted",
    "refused_recipients", "unknown_recipients", "reply", "size", "dropped_decisions",
  ]
  private static let entrySQL = """
    INSERT INTO entry (\(columns.joined(separator: ", ")))
    VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))
    """
  private static let recipientSQL = "INSERT INTO recipient VALUES (?, ?, ?)"
  private static let decisionSQL =
    "INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
  private static let editSQL = "INSERT INTO edit VALUES (?, ?, ?, ?, ?)"

  static func insert(_ entry: TrailEntry, _ db: Database) throws {
    try insertEntry(entry, db)
    let id = db.lastInsertedRowID
    var recipients = RowInsert(try db.cachedStatement(sql: recipientSQL))
    for (number, address) in entry.recipients.prefix(TrailEntry.Limit.recipients).enumerated() {
      recipients.bind(id)
      recipients.bind(number)
      recipients.bind(address)
      try recipients.write()
    }
    var decisions = RowInsert(try db.cachedStatement(sql: decisionSQL))
    for (number, decision) in entry.decisions.enumerated() {
      decisions.bind(id)
      decisions.bind(number)
      for text in [
        decision.stage, decision.module, decision.mode, decision.verdict, decision.effect,
      ] {
        decisions.bind(text)
      }
      for text in [
        decision.reply, decision.code, decision.detail, decision.option, decision.place,
      ] {
        decisions.bind(text)
      }
      decisions.bind(decision.recipient)
      decisions.bind(decision.note)
      decisions.bind(decision.duration)
      try decisions.write()
    }
    guard !entry.edits.isEmpty else { return }
    var edits = RowInsert(try db.cachedStatement(sql: editSQL))
    for (number, edit) in entry.edits.enumerated() {
      edits.bind(id)
      edits.bind(number)
      edits.bind(edit.kind)
      edits.bind(edit.value)
      edits.bind(edit.isMade ? 1 : 0)
      try edits.write()
    }
  }

  /// In the order of `columns`.
  private static func insertEntry(_ entry: TrailEntry, _ db: Database) throws {
    var row = RowInsert(try db.cachedStatement(sql: entrySQL))
    row.bind(entry.reference)
    row.bind(entry.time)
    row.bind(entry.isRefused ? 1 : 0)
    row.bind(entry.ending)
    row.bind(entry.node)
    for text in [
      entry.client, entry.clientName, entry.hello, entry.user, entry.daemonName, entry.daemonPort,
      entry.sender, entry.queueID, entry.messageID, entry.subject,
    ] {
      row.bind(text)
    }
    for count in [entry.acceptedRecipients, entry.refusedRecipients, entry.unknownRecipients] {
      row.bind(count)
    }
    row.bind(entry.reply)
    row.bind(entry.size)
    row.bind(entry.droppedDecisions)
    try row.write()
  }
}
