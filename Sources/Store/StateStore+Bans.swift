// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB

extension StateStore {
  static func registerBans(_ migrator: inout DatabaseMigrator) {
    migrator.registerMigration("bans 1") { db in
      // kind: ip (address or CIDR), domain, mailbox. until: milliseconds since 1970, NULL for ever.
      try db.execute(
        sql: """
          CREATE TABLE ban (
            kind TEXT NOT NULL,
            value TEXT NOT NULL,
            since INTEGER NOT NULL,
            until INTEGER,
            reason TEXT NOT NULL DEFAULT '',
            reference TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (kind, value)
          ) STRICT, WITHOUT ROWID;
          """)
    }
  }
}

/// The SQL of table `ban`.
enum BanTable: EntryTable {
  static func load(_ db: Database) throws -> [Ban] {
    try Row.fetchAll(db, sql: "SELECT kind, value, since, until, reason, reference FROM ban")
      .compactMap { row in
        try ListedParty(
          kind: row.decode(forColumn: "kind"), value: row.decode(forColumn: "value")
        ).map {
          Ban(
            $0, since: try row.decode(forColumn: "since"),
            until: try row.decode(forColumn: "until"),
            reason: try row.decode(forColumn: "reason"),
            reference: try row.decode(forColumn: "reference"))
        }
      }
  }

  static func put(_ ban: Ban, _ db: Database) throws {
    try db.execute(
      sql: """
        INSERT OR REPLACE INTO ban (kind, value, since, until, reason, reference)
        VALUES (?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        ban.party.kind, ban.party.value, ban.since, ban.until, ban.reason, ban.reference,
      ])
  }

  static func delete(_ party: ListedParty, _ db: Database) throws {
    try db.execute(
      sql: "DELETE FROM ban WHERE kind = ? AND value = ?", arguments: [party.kind, party.value])
  }
}
