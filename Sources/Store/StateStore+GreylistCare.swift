// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
package import Greylisting
internal import GRDB

/// Which triplets a person asks for; nil is any.
package struct TripletFilter: Sendable, Equatable {
  /// Only of this origin.
  package var origin: String?
  /// Only with one of these sender keys.
  package var senders: [String]?
  /// Only with one of these recipient keys.
  package var recipients: [String]?
  /// Only those that passed, or only those that wait.
  package var hasPassed: Bool?

  package init(
    origin: String? = nil, senders: [String]? = nil, recipients: [String]? = nil,
    hasPassed: Bool? = nil
  ) {
    self.origin = origin
    self.senders = senders
    self.recipients = recipients
    self.hasPassed = hasPassed
  }

  var condition: (sql: String, arguments: StatementArguments) {
    var terms = ["1"]
    var arguments = StatementArguments()
    if let origin {
      terms.append("origin = ?")
      arguments += [origin]
    }
    for (column, keys) in [("sender", senders), ("recipient", recipients)] {
      guard let keys else { continue }
      let marks = keys.map { _ in "?" }.joined(separator: ",")
      terms.append("\(column) IN (\(marks))")
      arguments += StatementArguments(keys)
    }
    if let hasPassed { terms.append(hasPassed ? "passed > 0" : "passed = 0") }
    return (terms.joined(separator: " AND "), arguments)
  }
}

/// What is known of an origin.
package struct OriginRecord: Sendable, Equatable {
  package let origin: String
  /// How many of its triplets passed after they had waited.
  package let passed: Int
  /// When it passed last, about, in milliseconds since 1970.
  package let last: Int64
}

/// The greylist in numbers.
package struct GreylistCounts: Sendable, Equatable {
  /// All triplets.
  package var triplets = 0
  /// Those that have not passed yet.
  package var waiting = 0
  /// Those that passed after they had waited.
  package var passed = 0
  /// Those that never had to wait: learned in observe mode, vouched for, or of a known origin.
  package var learned = 0
  /// Mails that were let through.
  package var mails = 0
  /// Origins of which a triplet passed.
  package var origins = 0
  /// Origins that wait no more.
  package var knownOrigins = 0

  package init() {}
}

extension StateStore {
  /// How many rows one step of long work reads or writes, so that mail is never kept waiting.
  package static let greylistStep = 500

  private static let columns = "origin, sender, recipient, first, last, passed, tries"
  private static let key = "(origin, sender, recipient)"

  private static func record(_ row: Row) throws -> TripletRecord {
    TripletRecord(
      triplet: try triplet(row), first: try row.decode(atIndex: 3),
      last: try row.decode(atIndex: 4), passed: try row.decode(atIndex: 5),
      tries: try row.decode(atIndex: 6))
  }

  private static func triplet(_ row: Row) throws -> Triplet {
    Triplet(
      origin: try row.decode(atIndex: 0), sender: try row.decode(atIndex: 1),
      recipient: try row.decode(atIndex: 2))
  }

  // MARK: ask

  /// Triplets, the last seen first: at most `limit` after the first `offset`.
  package func triplets(
    _ filter: TripletFilter, limit: Int, offset: Int = 0
  ) throws(StoreTrouble) -> [TripletRecord] {
    let (condition, arguments) = filter.condition
    return try file.read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT \(Self.columns) FROM triplet WHERE \(condition)
          ORDER BY last DESC, origin, sender, recipient LIMIT ? OFFSET ?
          """,
        arguments: arguments + [max(limit, 0), max(offset, 0)]
      ).map(Self.record)
    }
  }

  /// How many triplets there are of a kind.
  package func countTriplets(_ filter: TripletFilter) throws(StoreTrouble) -> Int {
    let (condition, arguments) = filter.condition
    return try file.read { db in
      try Int.fetchOne(
        db, sql: "SELECT count(*) FROM triplet WHERE \(condition)", arguments: arguments) ?? 0
    }
  }

  /// Triplets in the order of the key, at most `limit` after that one, or from the first on.
  package func triplets(
    after place: Triplet?, limit: Int
  ) throws(StoreTrouble) -> [TripletRecord] {
    let after = place ?? Triplet(origin: "", sender: "", recipient: "")
    return try file.read { db in
      try Row.fetchAll(
        try db.cachedStatement(
          sql: """
            SELECT \(Self.columns) FROM triplet WHERE \(Self.key) > (?, ?, ?)
            ORDER BY origin, sender, recipient LIMIT ?
            """), arguments: [after.origin, after.sender, after.recipient, max(limit, 0)]
      ).map(Self.record)
    }
  }

  /// Hands out every triplet in the order of the key, a step at a time, so that neither memory nor
  /// the write-ahead log grows with the table.
  package func eachTriplet(_ body: (TripletRecord) throws -> Void) throws {
    var place: Triplet?
    while true {
      let records = try triplets(after: place, limit: Self.greylistStep)
      for record in records { try body(record) }
      guard let last = records.last, records.count == Self.greylistStep else { return }
      place = last.triplet
    }
  }

  /// An origin; nil when none of its triplets passed.
  package func origin(_ origin: String) throws(StoreTrouble) -> OriginRecord? {
    try file.read { db in
      try Row.fetchOne(
        db, sql: "SELECT passed, last FROM origin WHERE origin = ?", arguments: [origin]
      ).map {
        OriginRecord(
          origin: origin, passed: try $0.decode(atIndex: 0), last: try $0.decode(atIndex: 1))
      }
    }
  }

  /// The whole in numbers; reads every row.
  package func greylistCounts(autoPass: Int) throws(StoreTrouble) -> GreylistCounts {
    try file.read { db in
      var counts = GreylistCounts()
      let triplets = try Row.fetchOne(
        db,
        sql: """
          SELECT count(*), total(passed = 0), total(passed > 0 AND tries > passed),
            total(passed > 0 AND tries <= passed), total(passed) FROM triplet
          """)
      if let triplets {
        counts.triplets = try triplets.decode(atIndex: 0)
        counts.waiting = try triplets.decode(atIndex: 1)
        counts.passed = try triplets.decode(atIndex: 2)
        counts.learned = try triplets.decode(atIndex: 3)
        counts.mails = try triplets.decode(atIndex: 4)
      }
      let origins = try Row.fetchOne(
        db, sql: "SELECT count(*), total(? > 0 AND passed >= ?) FROM origin",
        arguments: [autoPass, autoPass])
      if let origins {
        counts.origins = try origins.decode(atIndex: 0)
        counts.knownOrigins = try origins.decode(atIndex: 1)
      }
      return counts
    }
  }

  // MARK: change

  /// Lets triplets through from now on, as if they had waited; `limit` is for each step.
  ///
  /// Their origins are not counted for it. Returns how many triplets that concerns.
  package func passTriplets(
    _ filter: TripletFilter, at now: Int64, within limit: Duration
  ) throws -> Int {
    try change(
      filter, within: limit,
      """
      UPDATE triplet SET passed = 1, tries = 1, last = \(now)
      WHERE \(Self.key) = (?, ?, ?) AND passed = 0
      """)
  }

  /// Forgets triplets, and the origin's record where only an origin is named; returns how many
  /// triplets went. `limit` is for each step.
  ///
  /// `progress` gets how many of how many are done.
  package func dropTriplets(
    _ filter: TripletFilter, within limit: Duration,
    progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> Int {
    let count = try change(
      filter, within: limit, "DELETE FROM triplet WHERE \(Self.key) = (?, ?, ?)", progress)
    if let origin = filter.origin, filter == TripletFilter(origin: origin) {
      try file.writeStatement(within: limit) { db in
        try db.execute(sql: "DELETE FROM origin WHERE origin = ?", arguments: [origin])
      }
    }
    return count
  }

  /// Finds the rows outside of any lock, then changes them in small transactions.
  private func change(
    _ filter: TripletFilter, within limit: Duration, _ statement: String,
    _ progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> Int {
    let (condition, arguments) = filter.condition
    let total = try countTriplets(filter)
    var found = 0
    var cursor = Triplet(origin: "", sender: "", recipient: "")
    while true {
      let after = cursor
      let step = try file.read { db in
        try Row.fetchAll(
          db,
          sql: """
            SELECT origin, sender, recipient FROM triplet
            WHERE \(condition) AND \(Self.key) > (?, ?, ?)
            ORDER BY origin, sender, recipient LIMIT \(Self.greylistStep)
            """, arguments: arguments + [after.origin, after.sender, after.recipient]
        ).map(Self.triplet)
      }
      guard let last = step.last else { break }
      cursor = last
      found += step.count
      let began = time.monotonic
      defer { letMailIn(after: time.monotonic - began) }
      try file.write(within: limit) { db in
        for key in step {
          try db.execute(sql: statement, arguments: [key.origin, key.sender, key.recipient])
        }
      }
      try progress(found, max(found, total))
    }
    return found
  }

  /// Forgets what no rule needs: triplets that may no longer retry, those not seen for `retain`,
  /// and origins not seen for as long. `limit` is for each step of 500 rows.
  ///
  /// `progress` gets how many rows were looked at and how many went.
  @discardableResult
  package func purgeGreylist(
    by rule: TripletRule, at now: Int64, within limit: Duration,
    progress: (_ seen: Int, _ gone: Int) throws -> Void = { _, _ in }
  ) throws -> GreylistPurge {
    var sum = GreylistPurge()
    let before = estimatedTriplets
    var start: Triplet? = Triplet(origin: "", sender: "", recipient: "")
    let isOver = "(last + ? < ? OR (passed = 0 AND first + ? <= ?))"
    let times: StatementArguments = [rule.retain, now, rule.expire, now]
    while let from = start {
      let (rows, end) = try file.read { db in
        let rows = try Row.fetchAll(
          try db.cachedStatement(
            sql: """
              SELECT \(Self.columns), \(isOver) FROM triplet
              WHERE \(Self.key) > (?, ?, ?)
              ORDER BY origin, sender, recipient LIMIT \(Self.greylistStep)
              """), arguments: times + [from.origin, from.sender, from.recipient])
        return (
          try rows.map {
            (record: try Self.record($0), isOver: try $0.decode(Bool.self, atIndex: 7))
          },
          try rows.last.map(Self.triplet)
        )
      }
      guard let end else { break }
      for row in rows where !row.isOver { sum.ages.count(row.record, at: now) }
      if rows.contains(where: \.isOver) {
        let began = time.monotonic
        defer { letMailIn(after: time.monotonic - began) }
        // Asked again under the lock: a row may have been seen meanwhile.
        sum.gone += try file.writeStatement(within: limit) { db in
          try db.execute(
            sql: """
              DELETE FROM triplet
              WHERE \(Self.key) > (?, ?, ?) AND \(Self.key) <= (?, ?, ?) AND \(isOver)
              """,
            arguments: [
              from.origin, from.sender, from.recipient, end.origin, end.sender, end.recipient,
            ] + times)
          return db.changesCount
        }
      }
      sum.seen += rows.count
      try progress(sum.seen, sum.gone)
      start = rows.count == Self.greylistStep ? end : nil
    }
    // Those that came meanwhile are counted twice at most.
    countTriplet(sum.seen - sum.gone - before)
    try purgeOrigins(notSince: now &- rule.retain, within: limit)
    return sum
  }

  private func purgeOrigins(
    notSince oldest: Int64, within limit: Duration
  ) throws(StoreTrouble) {
    var cursor = ""
    while true {
      let after = cursor
      let (end, isLast, hasOld) = try file.read { db in
        let rows = try Row.fetchAll(
          try db.cachedStatement(
            sql: """
              SELECT origin, last < ? FROM origin WHERE origin > ?
              ORDER BY origin LIMIT \(Self.greylistStep)
              """), arguments: [oldest, after])
        return (
          try rows.last.map { try $0.decode(String.self, atIndex: 0) },
          rows.count < Self.greylistStep,
          try rows.contains { try $0.decode(Bool.self, atIndex: 1) }
        )
      }
      guard let end else { return }
      if hasOld {
        let began = time.monotonic
        defer { letMailIn(after: time.monotonic - began) }
        try file.writeStatement(within: limit) { db in
          try db.execute(
            sql: "DELETE FROM origin WHERE origin > ? AND origin <= ? AND last < ?",
            arguments: [after, end, oldest])
        }
      }
      guard !isLast else { return }
      cursor = end
    }
  }
}
