// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Glibc
internal import Mail
internal import Policy
internal import Store

struct Log: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List decisions from the trail, the newest last.",
    discussion: """
      Times are 2h, 3d (before now), 2026-11-20 or "2026-11-20 14:00". --from and --to take part \
      of an address. One entry in full: bmsd explain REF.
      """)

  @OptionGroup var config: ConfigFile
  @Option(help: "Only what began at or after this time.") var since: String?
  @Option(help: "Only what began before this time.") var until: String?
  @Option(
    help: ArgumentHelp("Only this verdict: \(verdicts.joined(separator: ", "))."),
    completion: .list(verdicts))
  var verdict: String?
  @Option(help: "Only where this module said something.", completion: .list(modules))
  var module: String?
  @Option(help: "Only from senders with this in their address.") var from: String?
  @Option(help: "Only to recipients with this in their address.") var to: String?
  @Flag(help: "Only what would have been refused or changed, had everything been enforced.")
  var would = false
  @Flag(help: "Go on with what comes, until interrupted.") var follow = false
  @Option(help: "At most so many, the newest.") var limit = 100
  @Flag(help: "One JSON object an entry.") var json = false

  func validate() throws {
    guard limit > 0 else { throw ValidationError("--limit must be 1 or more") }
  }

  func run() throws {
    var filter = TrailFilter()
    filter.since = try since.map { try Moment.parse($0, option: "since") }
    try check(verdict, "verdict", Self.verdicts)
    try check(module, "module", Self.modules)
    filter.until = try until.map { try Moment.parse($0, option: "until") }
    filter.verdict = verdict
    filter.module = module
    filter.from = from
    filter.to = to
    filter.would = would
    var (reader, _) = try config.openTrail()
    let path = reader.path
    try Trail.reading {
      let entries = try ProgressLine.during("searching") {
        try reader.entries(filter, limit: limit)
      }
      try show(entries)
      guard follow else { return }
      filter.after = try reader.extent().last
      while true {
        usleep(300_000)
        // A trail that was deleted meanwhile is another file with numbers of its own.
        if !reader.isInPlace, let new = try? TrailReader(path: path) {
          reader = new
          filter.after = 0
        }
        let new = try reader.entries(filter, limit: 10_000)
        try show(new)
        if let last = new.last { filter.after = last.id }
      }
    }
  }

  private static let modules = BMSDaemon.pipelineNames + ["runner"]

  private static let verdicts = [
    "accept", "change", "discard", "hold", "reject", "tempfail", "abandoned", "quarantine",
  ]

  /// A misspelt word must not read as "there was no such mail".
  private func check(_ word: String?, _ option: String, _ known: [String]) throws {
    guard let word, !known.contains(word) else { return }
    throw ValidationError("--\(option) \(word): write one of \(known.joined(separator: ", "))")
  }

  private func show(_ entries: [TrailEntry]) throws {
    if json {
      for entry in entries { print(entry.json) }
    } else {
      let lines = Terminal.table(entries.map(\.row))
      if follow { for line in lines { print(line) } } else { Terminal.page(lines) }
    }
    try BMSD.flushOutput()
  }
}

extension TrailEntry {
  /// Time, reference, verdict, client, from, to, why.
  fileprivate var row: [String] {
    let more = acceptedRecipients + refusedRecipients - 1
    let decided = decisions.first { $0.recipient != nil }?.recipient
    let to = (recipients.first ?? decided)?.description ?? "-"
    return [
      TimeText.local.text(time), reference, ending, client.description,
      sender?.description ?? "-", more > 0 ? "\(to) +\(more)" : to, why,
    ]
  }

  private var why: String {
    let against = decisions.filter { $0.verdict != "proceed" && $0.verdict != "accept" }
    if let decision = against.first(where: { $0.effect == "enforced" }) {
      return "\(decision.module): \(decision.code ?? "")"
    }
    if let release { return "released \(release)" }
    return against.first.map { "would \($0.verdict), \($0.module): \($0.code ?? "")" } ?? ""
  }
}
