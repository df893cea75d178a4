// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import FoundationEssentials
internal import GRDB
internal import Mail

/// The index of the quarantine.
extension StateStore {
  static func registerQuarantine(_ migrator: inout DatabaseMigrator) {
    migrator.registerMigration("quarantine 1") { db in
      // Times are milliseconds since 1970. What came from a peer is ANY: TEXT where it is UTF-8
      // without NUL, else BLOB. Digests are SHA-256, 64 hexadecimal digits.
      try db.execute(
        sql: """
          CREATE TABLE quarantine (
            reference TEXT NOT NULL PRIMARY KEY,
            time INTEGER NOT NULL,
            sender ANY NOT NULL,
            subject ANY,
            queue_id ANY,
            client ANY NOT NULL,
            user ANY,
            class TEXT NOT NULL,
            direction TEXT NOT NULL,
            module TEXT NOT NULL,
            reason ANY NOT NULL,
            size INTEGER NOT NULL,
            digest TEXT NOT NULL
          ) STRICT;
          CREATE INDEX quarantine_time ON quarantine (time);
          CREATE TABLE quarantine_recipient (
            reference TEXT NOT NULL, position INTEGER NOT NULL, address ANY NOT NULL,
            PRIMARY KEY (reference, position)
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE quarantine_part (
            reference TEXT NOT NULL, position INTEGER NOT NULL,
            number TEXT NOT NULL, name ANY NOT NULL, type ANY NOT NULL,
            size INTEGER NOT NULL, digest TEXT NOT NULL,
            PRIMARY KEY (reference, position)
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE release (
            id TEXT NOT NULL PRIMARY KEY,
            reference TEXT NOT NULL,
            made INTEGER NOT NULL,
            until INTEGER NOT NULL,
            used INTEGER,
            used_by TEXT,
            digest TEXT NOT NULL,
            fields INTEGER NOT NULL,
            form TEXT NOT NULL,
            caller TEXT NOT NULL,
            reason TEXT NOT NULL
          ) STRICT;
          CREATE INDEX release_reference ON release (reference);
          CREATE INDEX release_used_by ON release (used_by) WHERE used_by IS NOT NULL;
          CREATE TABLE release_recipient (
            id TEXT NOT NULL, position INTEGER NOT NULL, address ANY NOT NULL,
            PRIMARY KEY (id, position)
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE secret (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;
          """)
    }
  }

  /// Indexes a message that was kept. On the disk when it returns: the MTA is told next that the
  /// message is taken.
  package func keep(_ mail: KeptMail, within limit: Duration) throws(StoreTrouble) {
    try file.writeDurably(within: limit) { db in
      try db.execute(
        sql: """
          INSERT INTO quarantine (reference, time, sender, subject, queue_id, client, user, class,
            direction, module, reason, size, digest)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          mail.reference, mail.time, mail.sender.columnValue, mail.subject?.columnValue,
          mail.queueID?.columnValue, mail.client.columnValue, mail.user?.columnValue,
          mail.clientClass, mail.direction, mail.module, mail.reason.columnValue, mail.size,
          mail.digest,
        ])
      for (position, address) in mail.recipients.enumerated() {
        try db.execute(
          sql: "INSERT INTO quarantine_recipient (reference, position, address) VALUES (?, ?, ?)",
          arguments: [mail.reference, position, address.columnValue])
      }
      for (position, part) in mail.parts.enumerated() {
        try db.execute(
          sql: """
            INSERT INTO quarantine_part (reference, position, number, name, type, size, digest)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: [
            mail.reference, position, part.number, part.name.columnValue, part.type.columnValue,
            part.size, part.digest,
          ])
      }
    }
  }

  /// One kept message; nil when there is none of that reference.
  package func kept(_ reference: String) throws(StoreTrouble) -> KeptMail? {
    try file.read { db in
      try Row.fetchOne(
        db, sql: "SELECT * FROM quarantine WHERE reference = ?", arguments: [reference]
      ).map { try Self.mail($0, db) }
    }
  }

  /// Kept messages, the newest first, at most `limit` after the first `offset`.
  package func kept(limit: Int, offset: Int = 0) throws(StoreTrouble) -> [KeptMail] {
    try file.read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM quarantine ORDER BY time DESC, reference LIMIT ? OFFSET ?",
        arguments: [limit, offset]
      ).map { try Self.mail($0, db) }
    }
  }

  /// Reference, size and time of the oldest kept messages, at most `limit`; those before `end` only
  /// when that is not nil.
  package func oldestKept(
    before end: Int64? = nil, limit: Int
  ) throws(StoreTrouble) -> [(reference: String, size: Int, time: Int64)] {
    try file.read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT reference, size, time FROM quarantine WHERE time < ?
          ORDER BY time, reference LIMIT ?
          """, arguments: [end ?? .max, limit]
      ).map { row in
        (
          try row.decode(forColumn: "reference"), try row.decode(forColumn: "size"),
          try row.decode(forColumn: "time")
        )
      }
    }
  }

  /// The references of all kept messages.
  package func keptReferences() throws(StoreTrouble) -> Set<String> {
    try file.read { db in
      try Set(String.fetchAll(db, sql: "SELECT reference FROM quarantine"))
    }
  }

  /// How many messages are kept, and their bytes.
  package func keptTotal() throws(StoreTrouble) -> (count: Int, bytes: Int) {
    try file.read { db in
      let row = try Row.fetchOne(
        db, sql: "SELECT count(*) AS count, coalesce(sum(size), 0) AS bytes FROM quarantine")
      return try row.map {
        (try $0.decode(forColumn: "count"), try $0.decode(forColumn: "bytes"))
      } ?? (0, 0)
    }
  }

  /// Forgets kept messages; what was released of them stays known.
  ///
  /// - Returns: how many there were.
  @discardableResult
  package func forgetKept(
    _ references: [String], within limit: Duration
  ) throws(StoreTrouble) -> Int {
    try file.write(within: limit) { db in
      var count = 0
      for reference in references {
        try db.execute(
          sql: "DELETE FROM quarantine WHERE reference = ?", arguments: [reference])
        count += db.changesCount
        for table in ["quarantine_recipient", "quarantine_part"] {
          try db.execute(
            sql: "DELETE FROM \(table) WHERE reference = ?", arguments: [reference])
        }
      }
      return count
    }
  }

  private static func mail(_ row: Row, _ db: Database) throws -> KeptMail {
    let reference: String = try row.decode(forColumn: "reference")
    let recipients = try Row.fetchAll(
      db, sql: "SELECT address FROM quarantine_recipient WHERE reference = ? ORDER BY position",
      arguments: [reference])
    let parts = try Row.fetchAll(
      db, sql: "SELECT * FROM quarantine_part WHERE reference = ? ORDER BY position",
      arguments: [reference])
    return KeptMail(
      reference: reference, time: try row.decode(forColumn: "time"),
      sender: try TrailSchema.text(row, "sender") ?? "",
      recipients: try recipients.compactMap { try TrailSchema.text($0, "address") },
      subject: try TrailSchema.text(row, "subject"),
      queueID: try TrailSchema.text(row, "queue_id"),
      client: try TrailSchema.text(row, "client") ?? "",
      user: try TrailSchema.text(row, "user"),
      clientClass: try row.decode(forColumn: "class"),
      direction: try row.decode(forColumn: "direction"),
      module: try row.decode(forColumn: "module"),
      reason: try TrailSchema.text(row, "reason") ?? "",
      size: try row.decode(forColumn: "size"), digest: try row.decode(forColumn: "digest"),
      parts: try parts.map { part in
        KeptMail.Part(
          number: try part.decode(forColumn: "number"),
          name: try TrailSchema.text(part, "name") ?? "",
          type: try TrailSchema.text(part, "type") ?? "",
          size: try part.decode(forColumn: "size"), digest: try part.decode(forColumn: "digest"))
      })
  }
}

extension MailText {
  /// A text where the bytes are one, else a blob, as everywhere in the databases.
  var columnValue: DatabaseValue {
    guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
      return Data(bytes).databaseValue
    }
    return text.databaseValue
  }
}
