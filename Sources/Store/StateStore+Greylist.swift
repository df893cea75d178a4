// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB

extension StateStore {
  static func registerGreylist(_ migrator: inout DatabaseMigrator) {
    migrator.registerMigration("greylist 1") { db in
      // Times are milliseconds since 1970. WITHOUT ROWID: the key is the row, and a check at a
      // million triplets costs little more than one at a thousand.
      try db.execute(
        sql: """
          CREATE TABLE triplet (
            origin TEXT NOT NULL,
            sender TEXT NOT NULL,
            recipient TEXT NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            passed INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (origin, sender, recipient)
          ) WITHOUT ROWID;
          CREATE INDEX triplet_last ON triplet (last);
          CREATE TABLE origin (
            origin TEXT NOT NULL PRIMARY KEY,
            passed INTEGER NOT NULL DEFAULT 0,
            last INTEGER NOT NULL
          ) WITHOUT ROWID;
          """)
    }
  }
}
