// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Greylisting
internal import GRDB

extension StateStore {
  static func registerGreylist(_ migrator: inout DatabaseMigrator) {
    migrator.registerMigration("greylist 1") { db in
      // Times are milliseconds since 1970. WITHOUT ROWID: the key is the row, and a check at a
      // million triplets costs little more than one at a thousand. No index on a time: it would
      // have to be written at every check; who looks for old rows walks along the key.
      //
      // The triggers count for each origin the triplets that passed after they had waited
      // (`tries > passed`); one that was learned, vouched for, or let through for its origin's
      // sake proves nothing. An origin in use is refreshed at most once an hour.
      try db.execute(
        sql: """
          CREATE TABLE triplet (
            origin TEXT NOT NULL,
            sender TEXT NOT NULL,
            recipient TEXT NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            passed INTEGER NOT NULL DEFAULT 0,
            tries INTEGER NOT NULL DEFAULT 1,
            PRIMARY KEY (origin, sender, recipient)
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE origin (
            origin TEXT NOT NULL PRIMARY KEY,
            passed INTEGER NOT NULL DEFAULT 0,
            last INTEGER NOT NULL
          ) STRICT, WITHOUT ROWID;
          CREATE TRIGGER triplet_passes AFTER UPDATE OF passed ON triplet
          WHEN NEW.passed > OLD.passed AND NEW.tries > NEW.passed
          BEGIN
            INSERT INTO origin (origin, passed, last) VALUES (NEW.origin, 1, NEW.last)
            ON CONFLICT (origin) DO UPDATE SET
              passed = origin.passed + (OLD.passed = 0), last = excluded.last
            WHERE OLD.passed = 0 OR abs(excluded.last - origin.last) > 3600000;
          END;
          CREATE TRIGGER origin_in_use AFTER INSERT ON triplet
          WHEN NEW.passed > 0 AND NEW.tries <= NEW.passed
          BEGIN
            UPDATE origin SET last = NEW.last
            WHERE origin = NEW.origin AND abs(NEW.last - last) > 3600000;
          END;
          CREATE TRIGGER origin_still_in_use AFTER UPDATE OF passed ON triplet
          WHEN NEW.passed > OLD.passed AND NEW.tries <= NEW.passed
          BEGIN
            UPDATE origin SET last = NEW.last
            WHERE origin = NEW.origin AND abs(NEW.last - last) > 3600000;
          END;
          CREATE TRIGGER triplet_imported AFTER INSERT ON triplet
          WHEN NEW.passed > 0 AND NEW.tries > NEW.passed
          BEGIN
            INSERT INTO origin (origin, passed, last) VALUES (NEW.origin, 1, NEW.last)
            ON CONFLICT (origin) DO UPDATE SET
              passed = origin.passed + 1, last = max(origin.last, excluded.last);
          END;
          """)
    }
  }
}

extension StateStore: TripletStore {
  /// Whether the origin passed often enough, as SQL.
  private static let originIsKnown = """
    (:autoPass > 0 AND EXISTS (
      SELECT 1 FROM origin AS o
      WHERE o.origin = :origin AND o.passed >= :autoPass AND o.last + :retain >= :now))
    """

  /// Whether the row begins anew, as SQL; `TripletRule.see` says the same in words.
  private static let isForgotten = """
    (triplet.last + :retain < :now OR (triplet.passed = 0 AND excluded.passed = 0
      AND (triplet.first > :now OR triplet.first + :expire <= :now)))
    """

  /// One statement: two mails at once cannot both read the old row and write the same new one.
  private static let see = """
    INSERT INTO triplet (origin, sender, recipient, first, last, passed, tries)
    VALUES (:origin, :sender, :recipient, :now, :now, :learnOnly OR \(originIsKnown), 1)
    ON CONFLICT (origin, sender, recipient) DO UPDATE SET
      first = CASE WHEN \(isForgotten) THEN :now ELSE triplet.first END,
      last = :now,
      passed = CASE
        WHEN \(isForgotten) THEN excluded.passed
        ELSE triplet.passed + (triplet.passed > 0 OR excluded.passed > 0
          OR :now >= triplet.first + :delay)
      END,
      tries = CASE WHEN \(isForgotten) THEN 1 ELSE triplet.tries + 1 END
    RETURNING first, passed, tries, CASE WHEN passed = 1 THEN \(originIsKnown) ELSE 0 END
    """

  package func see(
    _ triplet: Triplet, at now: Int64, by rule: TripletRule, learnOnly: Bool,
    within limit: Duration
  ) throws -> TripletAnswer {
    let (record, originIsKnown) = try file.writeStatement(within: limit) { db in
      let rows = try Row.fetchAll(
        try db.cachedStatement(sql: Self.see),
        arguments: [
          "origin": triplet.origin, "sender": triplet.sender, "recipient": triplet.recipient,
          "now": now, "delay": rule.delay, "expire": rule.expire, "retain": rule.retain,
          "autoPass": rule.autoPass, "learnOnly": learnOnly,
        ])
      guard let row = rows.first else { throw StoreTrouble.other("nothing about a triplet") }
      let record = TripletRecord(
        triplet: triplet, first: try row.decode(atIndex: 0), last: now,
        passed: try row.decode(atIndex: 1), tries: try row.decode(atIndex: 2))
      return (record, try row.decode(Bool.self, atIndex: 3))
    }
    if record.tries == 1 { countTriplet() }
    return rule.answer(for: record, at: now, originIsKnown: originIsKnown)
  }
}
