// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB

/// Counts how long modules took at their stages: percentiles by the nearest rank.
struct TrailTimes {
  private struct Key: Hashable {
    var stage: String
    var module: String
  }

  /// How often each duration occurred, in microseconds: there are few different ones, however many
  /// messages.
  private struct Durations {
    /// Of the short ones, by duration.
    private var short = [Int](repeating: 0, count: 2048)
    private var long: [Int64: Int] = [:]
    private(set) var count = 0

    mutating func add(_ duration: Int64) {
      count += 1
      if let index = Int(exactly: duration), short.indices.contains(index) {
        short[index] += 1
      } else {
        long[duration, default: 0] += 1
      }
    }

    /// The durations at these ranks, which are counted from 1 and grow.
    func at(_ ranks: [Int]) -> [Int64] {
      var rest = ranks[...]
      var found: [Int64] = []
      var seen = 0
      func take(_ duration: Int64, _ times: Int) {
        seen += times
        while let rank = rest.first, rank <= seen {
          found.append(duration)
          rest = rest.dropFirst()
        }
      }
      let sorted = long.sorted { $0.key < $1.key }
      for (duration, times) in sorted where duration < 0 { take(duration, times) }
      for (duration, times) in short.enumerated() where times > 0 { take(Int64(duration), times) }
      for (duration, times) in sorted where duration >= 0 { take(duration, times) }
      return found
    }
  }

  private var durations: [Durations] = []
  private var places: [Key: Int] = [:]

  private init() {}

  /// What entries took that began at or after `since`, by stage and module.
  static func all(_ db: Database, _ since: Int64) throws -> [TrailStats.Times] {
    var times = TrailTimes()
    try times.addRows(db, since)
    try times.addProceeded(db, since)
    return times.places.compactMap { key, place in
      let durations = times.durations[place]
      let ranks = [50, 95, 99, 100].map { max(1, (durations.count * $0 + 99) / 100) }
      let found = durations.at(ranks)
      guard found.count == ranks.count else { return nil }
      return TrailStats.Times(
        stage: key.stage, module: key.module, count: durations.count, median: found[0],
        p95: found[1], p99: found[2], maximum: found[3])
    }.sorted { ($0.stage, $0.module) < ($1.stage, $1.module) }
  }

  private mutating func place(_ stage: String, _ module: String) -> Int {
    let key = Key(stage: stage, module: module)
    if let place = places[key] { return place }
    places[key] = durations.count
    durations.append(Durations())
    return durations.count - 1
  }

  /// Decisions that have rows of their own.
  private mutating func addRows(_ db: Database, _ since: Int64) throws {
    let rows = try Row.fetchCursor(
      db,
      sql: """
        SELECT stage, module, duration FROM decision JOIN entry ON entry.id = decision.entry
        WHERE time >= ?
        """, arguments: [since])
    while let row = try rows.next() {
      let place = place(try row.decode(atIndex: 0), try row.decode(atIndex: 1))
      durations[place].add(try row.decode(atIndex: 2))
    }
  }

  private mutating func addProceeded(_ db: Database, _ since: Int64) throws {
    let steps = try TrailSteps(db)
    var known: [Int64: Int] = [:]
    for (number, step) in steps.steps { known[number] = place(step.stage, step.module) }
    let rows = try Row.fetchCursor(
      db, sql: "SELECT proceeded FROM entry WHERE time >= ? AND proceeded IS NOT NULL",
      arguments: [since])
    while let row = try rows.next() {
      try TrailSchema.bytes(row, "proceeded") { bytes in
        ProceedList.read(bytes) { item in
          guard let place = known[item.step] else { return }
          durations[place].add(item.duration)
        }
      }
    }
  }
}
