// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import FoundationEssentials
internal import GRDB
internal import Mail

/// Releases from the quarantine, and the key of their tokens.
extension StateStore {
  /// Notes a release that is about to be sent. On the disk when it returns, or nobody could tell
  /// afterwards who sent it.
  package func note(_ release: Release, within limit: Duration) throws(StoreTrouble) {
    try file.writeDurably(within: limit) { db in
      try db.execute(
        sql: """
          INSERT INTO release (id, reference, made, until, digest, fields, form, caller, reason)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          release.id, release.reference, release.made, release.until, release.digest,
          release.fields, release.form, release.caller, release.reason,
        ])
      for (position, address) in release.recipients.enumerated() {
        try db.execute(
          sql: "INSERT INTO release_recipient (id, position, address) VALUES (?, ?, ?)",
          arguments: [release.id, position, address.columnValue])
      }
    }
  }

  /// Marks a token as used, if it is neither used nor over at `now`. On the disk when it returns,
  /// so that no crash makes it good again.
  ///
  /// - Returns: whether it was good.
  package func use(
    release id: String, by reference: String, at now: Int64, within limit: Duration
  ) throws(StoreTrouble) -> Bool {
    try file.writeDurably(within: limit) { db in
      try db.execute(
        sql:
          "UPDATE release SET used = ?, used_by = ? WHERE id = ? AND used IS NULL AND until >= ?",
        arguments: [now, reference, id, now])
      return db.changesCount == 1
    }
  }

  /// The release of that id.
  package func release(_ id: String) throws(StoreTrouble) -> Release? {
    try file.read { db in
      try Row.fetchOne(db, sql: "SELECT * FROM release WHERE id = ?", arguments: [id])
        .map { try Self.release($0, db) }
    }
  }

  /// What was released of the original `reference`, or arrived under it, the oldest first, at most
  /// 1000.
  package func releases(of reference: String) throws(StoreTrouble) -> [Release] {
    try file.read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT * FROM release WHERE reference = ? OR used_by = ? ORDER BY made, id LIMIT 1000
          """, arguments: [reference, reference]
      ).map { try Self.release($0, db) }
    }
  }

  /// Forgets releases made before `end`.
  package func forgetReleases(before end: Int64, within limit: Duration) throws(StoreTrouble) {
    try file.write(within: limit) { db in
      try db.execute(
        sql: """
          DELETE FROM release_recipient WHERE id IN (SELECT id FROM release WHERE made < ?)
          """, arguments: [end])
      try db.execute(sql: "DELETE FROM release WHERE made < ?", arguments: [end])
    }
  }

  /// The secret of that name; `new` where there is none yet, which is kept then.
  package func secret(
    _ name: String, new: [UInt8], within limit: Duration
  ) throws(StoreTrouble) -> [UInt8] {
    let question = "SELECT value FROM secret WHERE name = ?"
    if let known = try file.read({ try Data.fetchOne($0, sql: question, arguments: [name]) }) {
      return Array(known)
    }
    return try file.writeDurably(within: limit) { db in
      try db.execute(
        sql: "INSERT OR IGNORE INTO secret (name, value) VALUES (?, ?)",
        arguments: [name, Data(new)])
      return try Data.fetchOne(db, sql: question, arguments: [name]).map(Array.init) ?? new
    }
  }

  private static func release(_ row: Row, _ db: Database) throws -> Release {
    let id: String = try row.decode(forColumn: "id")
    let recipients = try Row.fetchAll(
      db, sql: "SELECT address FROM release_recipient WHERE id = ? ORDER BY position",
      arguments: [id])
    var release = Release(
      id: id, reference: try row.decode(forColumn: "reference"),
      made: try row.decode(forColumn: "made"), until: try row.decode(forColumn: "until"),
      recipients: try recipients.compactMap { try TrailSchema.text($0, "address") },
      digest: try row.decode(forColumn: "digest"), fields: try row.decode(forColumn: "fields"),
      form: try row.decode(forColumn: "form"), caller: try row.decode(forColumn: "caller"),
      reason: try row.decode(forColumn: "reason"))
    release.used = try row.decode(forColumn: "used")
    release.usedBy = try row.decode(forColumn: "used_by")
    return release
  }
}
