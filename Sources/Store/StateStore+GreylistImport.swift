// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
package import Greylisting
internal import GRDB

/// What came of an import so far.
package struct GreylistImport: Sendable, Equatable {
  /// Lines or rows that were read.
  package var read = 0
  /// Triplets that are in the greylist now.
  package var taken = 0
  /// Triplets that were last seen too long ago.
  package var forgotten = 0
  /// Lines that say nothing; they cost only themselves.
  package var faulty = 0
  /// The first faults.
  package var faults: [String] = []

  /// How many faults are told one by one.
  package static let toldFaults = 10
}

/// One line of an import.
package enum ImportedLine: Sendable, Equatable {
  case record(TripletRecord)
  /// Where it is, and what is wrong with it: `12: a time is not in seconds since 1970`.
  case fault(String)
}

extension StateStore {
  /// Adds triplets that `next` hands out, until it returns nil.
  ///
  /// A triplet that is known already keeps the earlier beginning and the higher counts, so an
  /// import can be repeated. Commits every 500 lines, each within `limit`, and calls `progress`
  /// after each; lets mail in between; what was committed stays when a later step fails.
  package func importTriplets(
    by rule: TripletRule, at now: Int64, within limit: Duration,
    progress: (GreylistImport) -> Void = { _ in }, _ next: () throws -> ImportedLine?
  ) throws -> GreylistImport {
    var sum = GreylistImport()
    var batch: [TripletRecord] = []
    var isAtEnd = false
    while !isAtEnd {
      batch.removeAll(keepingCapacity: true)
      var lines = 0
      while lines < Self.greylistStep {
        guard let line = try next() else {
          isAtEnd = true
          break
        }
        lines += 1
        sum.read += 1
        switch line {
        case .record(let record):
          if record.last < now - rule.retain {
            sum.forgotten += 1
          } else {
            batch.append(record)
          }
        case .fault(let text):
          sum.faulty += 1
          if sum.faults.count < GreylistImport.toldFaults { sum.faults.append(text) }
        }
      }
      try insert(batch, at: now, within: limit)
      sum.taken += batch.count
      progress(sum)
    }
    return sum
  }

  private func insert(
    _ records: [TripletRecord], at now: Int64, within limit: Duration
  ) throws(StoreTrouble) {
    guard !records.isEmpty else { return }
    let began = time.monotonic
    defer { letMailIn(after: time.monotonic - began) }
    try file.write(within: limit) { db in
      let statement = try db.cachedStatement(
        sql: """
          INSERT INTO triplet (origin, sender, recipient, first, last, passed, tries)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (origin, sender, recipient) DO UPDATE SET
            first = min(first, excluded.first), last = max(last, excluded.last),
            passed = max(passed, excluded.passed), tries = max(tries, excluded.tries)
          """)
      for record in records {
        // No time lies ahead: it would keep the triplet for longer than the rule says.
        let last = min(record.last, now)
        try statement.execute(arguments: [
          record.triplet.origin, record.triplet.sender, record.triplet.recipient,
          min(record.first, last), last, record.passed, record.tries,
        ])
      }
    }
  }
}

/// The ancestor's SQLite greylist: its table `greylist` with the columns ip, sender, recipient,
/// firstseen, lastseen, cnt and umis. Only read.
package final class AncestorGreylist {
  private let queue: DatabaseQueue
  private let reader: TripletCSV
  private var rows: [Row] = []
  private var place: Int64 = .min

  /// How many rows there are, for progress.
  package let count: Int

  /// Opens it; addresses are made keys of the kind that `keys` says.
  ///
  /// - Throws: `damaged` for what is no database, `other` where there is no such table.
  package init(path: String, keys: TripletKeys) throws(StoreTrouble) {
    reader = TripletCSV(keys: keys)
    do {
      var configuration = Configuration()
      configuration.readonly = true
      queue = try DatabaseQueue(path: path, configuration: configuration)
      guard try queue.read({ try $0.tableExists("greylist") }) else {
        throw StoreTrouble.other("that it has no table greylist: it is not the ancestor's")
      }
      count = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM greylist") ?? 0 }
    } catch {
      throw StoreTrouble(error)
    }
  }

  /// The next row, nil after the last.
  package func next() throws(StoreTrouble) -> ImportedLine? {
    if rows.isEmpty {
      do {
        rows = try queue.read { db in
          try Row.fetchAll(
            db,
            sql: """
              SELECT rowid, ip, sender, recipient, firstseen, lastseen, cnt FROM greylist
              WHERE rowid > ? ORDER BY rowid LIMIT \(StateStore.greylistStep)
              """, arguments: [place])
        }.reversed()
      } catch {
        throw StoreTrouble(error)
      }
    }
    guard let row = rows.popLast() else { return nil }
    do { place = try row.decode(atIndex: 0) } catch { throw StoreTrouble(error) }
    guard let first = Self.number(row, 4), let last = Self.number(row, 5),
      let count = Self.number(row, 6)
    else { return .fault("row \(place): a time or count is not a number") }
    do {
      return .record(
        try reader.ancestorRecord(
          origin: Self.bytes(row, 1), sender: Self.bytes(row, 2), recipient: Self.bytes(row, 3),
          first: first, last: last, count: count))
    } catch {
      return .fault("row \(place): \(error.message)")
    }
  }

  /// Any column may hold any type there.
  private static func number(_ row: Row, _ index: Int) -> Double? {
    switch (row[index] as DatabaseValue).storage {
    case .int64(let value): Double(value)
    case .double(let value): value
    case .string(let text): Double(text)
    case .blob, .null: nil
    }
  }

  private static func bytes(_ row: Row, _ index: Int) -> [UInt8] {
    switch (row[index] as DatabaseValue).storage {
    case .string(let text): Array(text.utf8)
    case .blob(let data): Array(data)
    case .int64(let value): Array(String(value).utf8)
    case .double, .null: []
    }
  }
}
