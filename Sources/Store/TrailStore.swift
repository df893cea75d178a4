// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import GRDB
internal import Mail
internal import Synchronization

/// `trail.db`: what was decided, and why. The daemon's one background thread writes it.
///
/// It may be deleted at any time. A file that was removed or replaced is made anew before the next
/// write. A trail that is damaged or of a later version is set aside (`TrailAside`), because no
/// decision waits for it; what is no trail of ours is never touched.
package final class TrailStore: Sendable {
  package let path: String
  private let current: SQLiteFile
  private let events = Mutex<[String]>([])

  /// How long a write waits for its turn; on a thread of its own nothing else waits with it.
  private static let patience = Duration.seconds(1)

  /// New rows go to the ends of tables and of most indexes: few pages are asked for again.
  private static let cache = 4 << 20

  /// Opens or creates the file. Throws when its folder cannot be written or another process holds
  /// the lock.
  package init(path: String, time: any TimeSource) throws(StoreTrouble) {
    self.path = path
    let open = { () throws(StoreTrouble) in
      try SQLiteFile(
        path: path, migrator: TrailSchema.migrator, time: time, cache: Self.cache, mustCopy: false,
        inspect: TrailMark.require)
    }
    do {
      current = try open()
    } catch {
      let event = try Self.setAside(path, error)
      current = try open()
      events.withLock { $0.append(event) }
    }
  }

  /// Makes the path free where the trail there is of no use.
  ///
  /// - Returns: what happened, in words.
  /// - Throws: what the trouble is where it is not the file, or the file must stay.
  private static func setAside(
    _ path: String, _ trouble: StoreTrouble
  ) throws(StoreTrouble) -> String {
    guard trouble.makesFileUseless else { throw trouble }
    try TrailMark.require(at: path)
    guard let name = TrailAside.move(path) else {
      throw .other("\(trouble), and it cannot be set aside: remove \(path), or \(path).aside*")
    }
    let why =
      if case .newer = trouble { "was written by a later version of bmsd" } else {
        "could not be used (\(trouble))"
      }
    return "\(path) \(why) and was set aside as \(name), which may be deleted; a new one was begun"
  }

  /// What was set aside since this was asked last, a sentence each.
  package func takeEvents() -> [String] {
    events.withLock { events in
      defer { events = [] }
      return events
    }
  }

  private func setAside(_ trouble: StoreTrouble) throws(StoreTrouble) {
    let event = try Self.setAside(path, trouble)
    events.withLock { $0.append(event) }
  }

  /// The file as it stands at the path now.
  private func file() throws(StoreTrouble) -> SQLiteFile {
    do {
      _ = try current.follow(within: Self.patience)
    } catch {
      try setAside(error)
      _ = try current.follow(within: Self.patience)
    }
    return current
  }

  /// Runs a write, once more on a new file when this one turns out to be useless.
  private func write<T>(_ body: (Database) throws -> T) throws(StoreTrouble) -> T {
    do {
      return try file().write(within: Self.patience, body)
    } catch {
      // What cannot be moved stays open: it may yet take the next write.
      try setAside(error)
      return try file().write(within: Self.patience, body)
    }
  }

  // MARK: writing

  /// Writes all of these, or none.
  package func append(_ entries: [TrailEntry]) throws(StoreTrouble) {
    try write { db in
      var insert = try TrailInsert(db)
      for entry in entries { try insert.insert(entry) }
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

  /// Removes earlier trails whose entries are all too old.
  package func purgeAside(_ limits: TrailLimits, now: Int64) {
    TrailAside.purge(of: path, keep: max(limits.keep, limits.keepRefused), now: now)
  }

  /// Moves what was written from the log into the file, so that the file shrinks on disk too.
  package func checkpoint() throws(StoreTrouble) {
    try file().checkpoint(within: Self.patience)
  }

  /// What is wrong at the moment; nil when all is well.
  package var trouble: StoreTrouble? { current.trouble }

  /// Closes; nothing may be written afterwards.
  package func close() { current.close() }
}

extension StoreTrouble {
  /// Whether the file itself is at fault: no database, damaged, of a later version, or with other
  /// tables (SQLite's error 1).
  fileprivate var makesFileUseless: Bool {
    switch self {
    case .damaged, .newer: true
    case .other(let text): text.hasPrefix("1: ")
    case .busy, .full, .readOnly, .failing, .inUse, .foreign: false
    }
  }

  /// Whether trying again later may help.
  package var isPassing: Bool {
    switch self {
    case .busy, .full, .readOnly, .failing: true
    case .damaged, .newer, .inUse, .foreign, .other: false
    }
  }
}
