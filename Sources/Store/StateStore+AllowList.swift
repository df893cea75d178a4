// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB

extension StateStore {
  static func registerAllowList(_ migrator: inout DatabaseMigrator) {
    migrator.registerMigration("allow-list 1") { db in
      // kind: ip (address or CIDR), domain, mailbox. skip: module names separated by commas, empty
      // for all that can refuse. until: milliseconds since 1970, NULL for ever.
      try db.execute(
        sql: """
          CREATE TABLE allow (
            kind TEXT NOT NULL,
            value TEXT NOT NULL,
            since INTEGER NOT NULL,
            until INTEGER,
            skip TEXT NOT NULL DEFAULT '',
            unauthenticated INTEGER NOT NULL DEFAULT 0,
            note TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (kind, value)
          ) STRICT, WITHOUT ROWID;
          """)
    }
  }
}

/// The SQL of table `allow`.
enum AllowTable: EntryTable {
  static func load(_ db: Database) throws -> [AllowEntry] {
    try Row.fetchAll(
      db, sql: "SELECT kind, value, since, until, skip, unauthenticated, note FROM allow"
    ).compactMap { row in
      let skip: String = try row.decode(forColumn: "skip")
      return try ListedParty(
        kind: row.decode(forColumn: "kind"), value: row.decode(forColumn: "value")
      ).map {
        AllowEntry(
          $0, since: try row.decode(forColumn: "since"), until: try row.decode(forColumn: "until"),
          skip: skip.split(separator: ",").map(String.init),
          isUnauthenticated: try row.decode(forColumn: "unauthenticated"),
          note: try row.decode(forColumn: "note"))
      }
    }
  }

  static func put(_ entry: AllowEntry, _ db: Database) throws {
    try db.execute(
      sql: """
        INSERT OR REPLACE INTO allow (kind, value, since, until, skip, unauthenticated, note)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        entry.party.kind, entry.party.value, entry.since, entry.until,
        entry.skip.joined(separator: ","), entry.isUnauthenticated, entry.note,
      ])
  }

  static func delete(_ party: ListedParty, _ db: Database) throws {
    try db.execute(
      sql: "DELETE FROM allow WHERE kind = ? AND value = ?",
      arguments: [party.kind, party.value])
  }
}
