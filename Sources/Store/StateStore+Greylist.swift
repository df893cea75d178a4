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
  // The parameters of `see`: 1 to 3 are the triplet's key, 4 the time, 5 whether it is only learned,
  // 6 to 9 auto_pass, time, expire and retain.

  /// Whether the origin passed often enough, as SQL.
  private static let originIsKnown = """
    (?6 > 0 AND EXISTS (
      SELECT 1 FROM origin AS o
      WHERE o.origin = ?1 AND o.passed >= ?6 AND o.last + ?9 >= ?4))
    """

  /// Whether the row begins anew, as SQL; `TripletRule.see` says the same in words.
  private static let isForgotten = """
    (triplet.last + ?9 < ?4 OR (triplet.passed = 0 AND excluded.passed = 0
      AND (triplet.first > ?4 OR triplet.first + ?8 <= ?4)))
    """

  /// One statement: two mails at once cannot both read the old row and write the same new one.
  private static let see = """
    INSERT INTO triplet (origin, sender, recipient, first, last, passed, tries)
    VALUES (?1, ?2, ?3, ?4, ?4, ?5 OR \(originIsKnown), 1)
    ON CONFLICT (origin, sender, recipient) DO UPDATE SET
      first = CASE WHEN \(isForgotten) THEN ?4 ELSE triplet.first END,
      last = ?4,
      passed = CASE
        WHEN \(isForgotten) THEN excluded.passed
        ELSE triplet.passed + (triplet.passed > 0 OR excluded.passed > 0
          OR ?4 >= triplet.first + ?7)
      END,
      tries = CASE WHEN \(isForgotten) THEN 1 ELSE triplet.tries + 1 END
    RETURNING first, passed, tries, CASE WHEN passed = 1 THEN \(originIsKnown) ELSE 0 END
    """

  package func see(
    _ triplet: Triplet, at now: Int64, by rule: TripletRule, learnOnly: Bool,
    within limit: Duration
  ) throws -> TripletAnswer {
    let numbers = try file.writeStatement(within: limit) { db in
      var row = RowInsert(try db.cachedStatement(sql: Self.see))
      for key in [triplet.origin, triplet.sender, triplet.recipient] { row.bind(whole: key) }
      for number in [
        now, learnOnly ? 1 : 0, Int64(rule.autoPass), rule.delay, rule.expire, rule.retain,
      ] {
        row.bind(number)
      }
      return try row.writeReturning(4)
    }
    let record = TripletRecord(
      triplet: triplet, first: numbers[0], last: now, passed: Int(clamping: numbers[1]),
      tries: Int(clamping: numbers[2]))
    if record.tries == 1 { countTriplet() }
    return rule.answer(for: record, at: now, originIsKnown: numbers[3] != 0)
  }
}
