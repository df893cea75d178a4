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
    case accepted, deferred, inet, growth, sessions, senders, neighbours, attachments
  }

  @Option(help: "The release build of bmsd.") var bmsd = ".build/release/bmsd"
  @Option(help: "The milter that answers every step.") var noOp = ".build/bench/noop"
  @Option(help: "The milter that is silent until end of message.")
  var noReply = ".build/bench/noop-no-reply"
  @Option(help: "The milter that answers every step and copies the body.")
  var noCopy = ".build/bench/noop-copy"
  @Option(help: "Unbound, for the names of the senders.")
  var unbound = ".build/mta/unbound/usr/sbin/unbound"
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
      bmsd: bmsd, noOp: noOp, noReply: noReply, noCopy: noCopy, unbound: unbound,
      rounds: max(rounds, 1),
      messages: max(messages, 1), folder: folder,
      say: { FileHandle.standardError.write(Data("bench: \($0)\n".utf8)) })
    var results = Results()
    for part in Part.allCases where parts.contains(part) {
      switch part {
      case .accepted: results.accepted = try bench.accepted(connections)
      case .deferred: results.deferred = try bench.deferred(connections)
      case .inet: results.inet = try bench.inet()
      case .growth: results.growth = try bench.growth(growth)
      case .sessions: results.openSessions = try bench.openSessions(3000)
      case .senders:
        results.warmSenders = try bench.warmSenders(connections)
        results.coldSenders = try bench.coldSenders(connections)
      case .neighbours: results.neighbours = try bench.neighbours()
      case .attachments:
        results.attachments = try bench.attachments(connections)
        results.attachmentGrowth = try bench.attachmentGrowth(growth / 2)
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
