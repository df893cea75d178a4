// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import FoundationEssentials
internal import GRDB
internal import Mail

/// The tables of `trail.db`, and how bytes of a peer stand in them.
enum TrailSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("trail 1") { db in
      // Times are milliseconds since 1970, durations microseconds. What came from a peer is TEXT
      // where it is UTF-8 without NUL, else BLOB. No foreign keys: entries are removed with their
      // parts in one transaction, and the check would cost more than the insert.
      try db.execute(
        sql: """
          PRAGMA application_id = \(TrailMark.applicationID);
          CREATE TABLE entry (
            id INTEGER PRIMARY KEY,
            reference TEXT NOT NULL,
            time INTEGER NOT NULL,
            refused INTEGER NOT NULL,
            ending TEXT NOT NULL,
            node TEXT NOT NULL,
            client TEXT NOT NULL,
            client_name TEXT NOT NULL,
            hello, user, daemon_name, daemon_port, sender, queue_id, message_id, subject,
            accepted INTEGER NOT NULL,
            refused_recipients INTEGER NOT NULL,
            unknown_recipients INTEGER NOT NULL,
            reply TEXT,
            size INTEGER NOT NULL,
            dropped_decisions INTEGER NOT NULL
          );
          CREATE INDEX entry_reference ON entry (reference);
          CREATE INDEX entry_time ON entry (time);
          CREATE INDEX entry_refused ON entry (refused, time);
          CREATE INDEX entry_queue_id ON entry (queue_id COLLATE NOCASE)
            WHERE queue_id IS NOT NULL;
          CREATE INDEX entry_message_id ON entry (message_id COLLATE NOCASE)
            WHERE message_id IS NOT NULL;
          CREATE TABLE recipient (
            entry INTEGER NOT NULL, number INTEGER NOT NULL, address NOT NULL,
            PRIMARY KEY (entry, number)
          ) WITHOUT ROWID;
          CREATE TABLE decision (
            entry INTEGER NOT NULL, number INTEGER NOT NULL,
            stage TEXT NOT NULL, module TEXT NOT NULL, mode TEXT NOT NULL,
            verdict TEXT NOT NULL, effect TEXT NOT NULL,
            reply TEXT, code TEXT, detail TEXT, option TEXT, place TEXT, recipient, note TEXT,
            duration INTEGER NOT NULL,
            PRIMARY KEY (entry, number)
          ) WITHOUT ROWID;
          CREATE TABLE edit (
            entry INTEGER NOT NULL, number INTEGER NOT NULL,
            kind TEXT NOT NULL, value, made INTEGER NOT NULL,
            PRIMARY KEY (entry, number)
          ) WITHOUT ROWID;
          CREATE TABLE loss (
            id INTEGER PRIMARY KEY, "from" INTEGER NOT NULL, until INTEGER NOT NULL,
            count INTEGER NOT NULL, why TEXT NOT NULL
          );
          """)
    }
    migrator.registerMigration("trail 2") { db in
      // A message to one recipient on which nobody had a remark is one row. `proceeded` is a
      // `ProceedList`; `first_recipient` is the recipient of number 0, which has no row of its own
      // then. Rows of before stay as they are: both columns are NULL in them.
      try db.execute(
        sql: """
          CREATE TABLE step (
            id INTEGER PRIMARY KEY,
            stage TEXT NOT NULL, module TEXT NOT NULL, mode TEXT NOT NULL,
            UNIQUE (stage, module, mode)
          );
          ALTER TABLE entry ADD COLUMN first_recipient;
          ALTER TABLE entry ADD COLUMN proceeded BLOB;
          """)
    }
    return migrator
  }

  /// The bytes of a column.
  static func text(_ row: Row, _ column: String) throws -> MailText? {
    let value: DatabaseValue = try row.decode(forColumn: column)
    switch value.storage {
    case .string(let text): return MailText(text)
    case .blob(let data): return MailText(data)
    default: return nil
    }
  }

  /// The bytes of a blob; anything else has none.
  static func bytes(
    _ row: Row, _ column: String, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let value: DatabaseValue = try row.decode(forColumn: column)
    guard case .blob(let data) = value.storage else { return }
    try data.withUnsafeBytes(body)
  }
}
