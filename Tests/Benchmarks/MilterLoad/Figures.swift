// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What one run of messages over so many connections cost.
struct Figures: Codable {
  /// How long the MTA waited for the steps of one kind, in microseconds.
  struct Wait: Codable {
    var p50: Double
    var p99: Double
    var max: Double
  }

  var messagesPerSecond: Double
  /// Processor time of the milter for a message, in milliseconds: the same number is seconds for
  /// 1,000 messages.
  var processorTime: Double
  /// Instructions of the milter for a message; nil where they cannot be counted.
  var instructions: Instructions?
  var waits: [LoadStage: Wait]
  /// Resident memory behind the run and its peak since the start, in KiB.
  var resident: Int
  var peak: Int
  /// The most threads seen during the run.
  var threads: Int

  /// Sends `load` to `candidate` and measures.
  static func measure(_ candidate: Candidate, _ load: Load, from first: Int) throws -> Figures {
    try candidate.settle()
    let counter = candidate.countInstructions()
    let before = try candidate.processorTime()
    var threads = 0
    let clock = ContinuousClock()
    let began = clock.now
    let latencies = try load.run(from: first) {
      threads = max(threads, try candidate.status("Threads"))
    }
    let seconds = (clock.now - began) / .seconds(1)
    try candidate.settle()
    let spent = try candidate.processorTime() - before
    let count = Double(load.messages)
    return Figures(
      messagesPerSecond: count / seconds, processorTime: Double(spent) / 1e6 / count,
      instructions: counter?.stop().map {
        Instructions(user: $0.user / count, kernel: $0.kernel / count)
      },
      waits: latencies.mapValues { Wait($0.sorted()) },
      resident: try candidate.status("VmRSS"), peak: try candidate.status("VmHWM"),
      threads: threads)
  }

  /// The median of each figure over `rounds`, of maxima the greatest; nil without any.
  static func summary(of rounds: [Figures]) -> Figures? {
    guard let last = rounds.last else { return nil }
    var waits: [LoadStage: Wait] = [:]
    for stage in LoadStage.allCases where last.waits[stage] != nil {
      let of = { (part: (Wait) -> Double) in rounds.compactMap { $0.waits[stage].map(part) } }
      waits[stage] = Wait(
        p50: median(of(\.p50)), p99: median(of(\.p99)), max: of(\.max).max() ?? 0)
    }
    return Figures(
      messagesPerSecond: median(rounds.map(\.messagesPerSecond)),
      processorTime: median(rounds.map(\.processorTime)),
      instructions: Instructions(medianOf: rounds.compactMap(\.instructions)), waits: waits,
      resident: last.resident, peak: last.peak, threads: rounds.map(\.threads).max() ?? 0)
  }

  /// The middle value, 0 without any.
  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.dropFirst(sorted.count / 2).first ?? 0
  }
}

extension Instructions {
  /// The median of each; nil without any.
  init?(medianOf rounds: [Instructions]) {
    guard !rounds.isEmpty else { return nil }
    self.init(
      user: Figures.median(rounds.map(\.user)), kernel: Figures.median(rounds.map(\.kernel)))
  }
}

extension Figures.Wait {
  /// Of nanoseconds in ascending order.
  init(_ sorted: [Int]) {
    let at = { (share: Int) in
      Double(sorted.dropFirst(sorted.count * share / 100).first ?? sorted.last ?? 0) / 1000
    }
    self.init(p50: at(50), p99: at(99), max: at(100))
  }
}

/// One candidate at one number of connections.
struct Measurement: Codable {
  var candidate: String
  var connections: Int
  var messages: Int
  var rounds: [Figures] = []
  var summary: Figures?

  /// The median over rounds of what this one's `figure` has more than that of `other` in the same
  /// round.
  func excess(over other: Measurement, _ figure: (Figures) -> Double) -> Double {
    Figures.median(zip(rounds, other.rounds).map { figure($0) - figure($1) })
  }

  /// What this one's messages took more than those of `other`, round by round, in milliseconds. Told
  /// by the instructions outside the kernel where they were counted: they vary less than time does.
  func excessTimes(over other: Measurement) -> [Double] {
    zip(rounds, other.rounds).map { own, other in
      guard let mine = own.instructions, let theirs = other.instructions,
        mine.user + mine.kernel > 0
      else { return own.processorTime - other.processorTime }
      return (mine.user - theirs.user) * own.processorTime / (mine.user + mine.kernel)
    }
  }

  /// The median over rounds of this one's `figure` divided by that of `other` in the same round.
  func ratio(to other: Measurement, _ figure: (Figures) -> Double) -> Double {
    Figures.median(
      zip(rounds, other.rounds).compactMap { own, other in
        figure(other) > 0 ? figure(own) / figure(other) : nil
      })
  }
}

/// One goal and whether it was reached.
struct Target: Codable {
  var what: String
  var value: Double
  var limit: Double
  var isMet: Bool { value <= limit }

  enum CodingKeys: String, CodingKey { case what, value, limit }
}

/// Memory after so many messages.
struct MemorySample: Codable {
  var messages: Int
  /// VmRSS in KiB.
  var resident: Int
}

/// All that one run of the benchmark found.
struct Results: Codable {
  /// Accepted mail over a unix socket, by connections and candidate.
  var accepted: [Measurement] = []
  /// Accepted mail over TCP, one connection.
  var inet: [Measurement] = []
  /// Mail that greylisting defers, of bmsd alone.
  var deferred: [Measurement] = []
  /// bmsd's memory over very many messages.
  var growth: [MemorySample] = []
  /// bmsd's memory with so many sessions open at MAIL; VmRSS in KiB.
  var openSessions: [MemorySample] = []
  /// bmsd with SPF and without, every answer in its cache.
  var warmSenders: [Measurement] = []
  /// bmsd with SPF, no answer in its cache.
  var coldSenders: [Measurement] = []
  /// What a connection without DNS work waits beside others.
  var neighbours: [Neighbour] = []
  /// The mix of messages, beside a milter that copies them.
  var attachments: [Measurement] = []
  /// bmsd's memory over very many messages of the mix.
  var attachmentGrowth: [MemorySample] = []
  var targets: [Target] = []
}
