// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB

/// Numbers of a stretch of the trail.
package struct TrailStats: Sendable, Equatable {
  /// How often something was said.
  package struct Count: Sendable, Equatable {
    package let module: String
    package let verdict: String
    package let code: String
    /// Whether it acted.
    package let isEnforced: Bool
    package let count: Int
  }

  /// How long a module took at a stage, in microseconds.
  package struct Times: Sendable, Equatable {
    package let stage: String
    package let module: String
    package let count: Int
    package let median: Int64
    package let p95: Int64
    package let p99: Int64
    package let maximum: Int64
  }

  /// Milliseconds since 1970 of the first and last entry.
  package var first: Int64 = 0
  package var last: Int64 = 0
  /// The same of the first entry of the whole trail.
  package var oldest: Int64 = 0
  package var entries = 0
  package var acceptedRecipients = 0
  package var refusedRecipients = 0
  package var bytes = 0
  package var endings: [(ending: String, count: Int)] = []
  /// All but `proceed`, the most frequent first.
  package var verdicts: [Count] = []
  package var times: [Times] = []
  /// Senders' domains of entries that enforcing would have refused, the most frequent first.
  package var wouldRefuse: [(domain: String, count: Int)] = []
  package var lost = 0

  package init() {}

  package static func == (left: Self, right: Self) -> Bool {
    left.entries == right.entries && left.verdicts == right.verdicts && left.times == right.times
      && left.endings.elementsEqual(right.endings, by: ==)
      && left.wouldRefuse.elementsEqual(right.wouldRefuse, by: ==)
  }
}

extension TrailReader {
  /// Counts what began at or after `since`, in milliseconds since 1970.
  package func stats(since: Int64) throws(StoreTrouble) -> TrailStats {
    try read { db in
      var stats = TrailStats()
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT count(*) AS entries, coalesce(min(time), 0) AS first, coalesce(max(time), 0) AS last,
            coalesce(sum(accepted), 0) AS accepted, coalesce(sum(refused_recipients), 0) AS refused,
            coalesce(sum(size), 0) AS bytes
          FROM entry WHERE time >= ?
          """, arguments: [since])
      if let row {
        stats.entries = try row.decode(forColumn: "entries")
        stats.first = try row.decode(forColumn: "first")
        stats.last = try row.decode(forColumn: "last")
        stats.acceptedRecipients = try row.decode(forColumn: "accepted")
        stats.refusedRecipients = try row.decode(forColumn: "refused")
        stats.bytes = try row.decode(forColumn: "bytes")
      }
      stats.oldest = try Int64.fetchOne(db, sql: "SELECT min(time) FROM entry") ?? 0
      stats.endings = try Row.fetchAll(
        db,
        sql: """
          SELECT ending, count(*) AS n FROM entry WHERE time >= ?
          GROUP BY ending ORDER BY n DESC, ending
          """, arguments: [since]
      ).map { (try $0.decode(forColumn: "ending"), try $0.decode(forColumn: "n")) }
      stats.verdicts = try Row.fetchAll(
        db,
        sql: """
          SELECT module, verdict, coalesce(code, '') AS code, effect = 'enforced' AS enforced,
            count(*) AS n
          FROM decision JOIN entry ON entry.id = decision.entry
          WHERE time >= ? AND verdict <> 'proceed'
          GROUP BY module, verdict, coalesce(code, ''), effect = 'enforced'
          ORDER BY n DESC, module, verdict, code
          """, arguments: [since]
      ).map {
        TrailStats.Count(
          module: try $0.decode(forColumn: "module"), verdict: try $0.decode(forColumn: "verdict"),
          code: try $0.decode(forColumn: "code"),
          isEnforced: try $0.decode(forColumn: "enforced"), count: try $0.decode(forColumn: "n"))
      }
      stats.times = try TrailTimes.all(db, since)
      stats.wouldRefuse = try Row.fetchAll(
        db,
        sql: """
          SELECT CASE WHEN instr(s, '@') THEN replace(substr(s, instr(s, '@') + 1), '>', '')
            ELSE '<>' END AS domain, count(*) AS n
          FROM (SELECT lower(sender) AS s FROM entry WHERE time >= ? AND id IN (
            SELECT entry FROM decision WHERE effect <> 'enforced'
            AND verdict NOT IN ('proceed', 'accept', 'change')))
          GROUP BY domain ORDER BY n DESC, domain LIMIT 20
          """, arguments: [since]
      ).map {
        (try $0.decode(String?.self, forColumn: "domain") ?? "", try $0.decode(forColumn: "n"))
      }
      stats.lost =
        try Int.fetchOne(
          db, sql: "SELECT coalesce(sum(count), 0) FROM loss WHERE until >= ?",
          arguments: [since]) ?? 0
      return stats
    }
  }
}
