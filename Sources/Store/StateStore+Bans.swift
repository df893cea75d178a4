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
          ) WITHOUT ROWID;
          """)
    }
  }
}
