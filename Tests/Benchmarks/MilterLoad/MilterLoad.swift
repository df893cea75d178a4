// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import ArgumentParser
import Foundation

/// The command of `make bench`.
@main
struct MilterLoad: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure what bmsd costs beside milters that do nothing.",
    discussion: "Exit status 1 when a target is missed.")

  /// What can be measured.
  enum Part: String, CaseIterable, ExpressibleByArgument {
    case accepted, deferred, inet, growth, sessions
  }

  @Option(help: "The release build of bmsd.") var bmsd = ".build/release/bmsd"
  @Option(help: "The milter that answers every step.") var noOp = ".build/bench/noop"
  @Option(help: "The milter that is silent until end of message.")
  var noReply = ".build/bench/noop-no-reply"
  @Option(help: "Rounds; of most figures the median over them is told.") var rounds = 7
  @Option(help: "Messages in a run.") var messages = 2000
  @Option(help: "Messages of the measurement of memory.") var growth = 200_000
  @Option(parsing: .upToNextOption, help: "Numbers of connections.")
  var connections = [1, 8, 64]
  @Option(parsing: .upToNextOption, help: "What to measure.") var parts = Part.allCases
  @Option(help: "Where to write the results as JSON.") var json: String?

  func run() throws {
    try allowDescriptors(8192)
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "bmsd-bench-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    let bench = Bench(
      bmsd: bmsd, noOp: noOp, noReply: noReply, rounds: max(rounds, 1), messages: max(messages, 1),
      folder: folder, say: { FileHandle.standardError.write(Data("bench: \($0)\n".utf8)) })
    var results = Results()
    for part in Part.allCases where parts.contains(part) {
      switch part {
      case .accepted: results.accepted = try bench.accepted(connections)
      case .deferred: results.deferred = try bench.deferred(connections)
      case .inet: results.inet = try bench.inet()
      case .growth: results.growth = try bench.growth(growth)
      case .sessions: results.openSessions = try bench.openSessions(3000)
      }
    }
    results.judge()
    print(results.text)
    if let json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      try encoder.encode(results).write(to: URL(filePath: json))
    }
    guard results.targets.allSatisfy(\.isMet) else { throw ExitCode(1) }
  }

  /// Each session costs this process a descriptor, and the milter, which inherits the limit.
  private func allowDescriptors(_ count: Int) throws {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = min(max(limit.rlim_cur, rlim_t(count)), limit.rlim_max)
    guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      throw BenchmarkError("no descriptors for the sessions")
    }
  }
}

extension Results {
  /// Compares what was measured with what was promised.
  mutating func judge() {
    let mebibyte = 1024.0
    for own in accepted where own.candidate == Bench.daemon {
      let other = accepted.first {
        $0.candidate == Yardstick.answering.rawValue && $0.connections == own.connections
      }
      guard let other, let summary = own.summary else { continue }
      let at = "at \(own.connections) connection\(own.connections == 1 ? "" : "s")"
      targets.append(
        Target(
          what: "CPU a message \(at), to the answering no-op's",
          value: own.ratio(to: other, \.processorTime), limit: 1.0))
      if own.connections == 1 {
        targets.append(
          Target(
            what: "p50 of a message \(at), to the answering no-op's",
            value: own.ratio(to: other, \.medianWait), limit: 0.8))
      }
      if own.connections == 64 {
        targets.append(
          Target(
            what: "RSS \(at), MiB, peak", value: Double(summary.peak) / mebibyte, limit: 60))
      }
    }
    for own in inet where own.candidate == Bench.daemon {
      targets.append(
        Target(
          what: "p50 of a message over inet, ms (Nagle: 44)",
          value: (own.summary?.medianWait ?? 0) / 1000, limit: 10))
    }
    if let first = growth.first, let last = growth.last {
      targets.append(
        Target(
          what: "RSS after \(last.messages) messages to that after \(first.messages)",
          value: Double(last.resident) / Double(max(first.resident, 1)), limit: 1.1))
    }
    if let full = openSessions.last {
      targets.append(
        Target(
          what: "RSS with \(full.messages) open sessions, MiB",
          value: Double(full.resident) / mebibyte, limit: 120))
    }
  }
}
