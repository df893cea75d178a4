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
          ) WITHOUT ROWID;
          """)
    }
  }
}
