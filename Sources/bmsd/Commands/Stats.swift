// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Environment
internal import Glibc
internal import Mail
internal import Store

struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Count what was decided, and how long it took.",
    discussion: """
      --would: what enforcing everything would have refused, by module and by sender domain.
      """)

  @OptionGroup var config: ConfigFile
  @Option(help: "Count from this time on: 2h, 3d, 2026-11-20.") var since = "1d"
  @Flag(help: "What enforcing would refuse.") var would = false
  @Flag(help: "One JSON object a count.") var json = false

  func run() throws {
    let start = try Moment.parse(since, option: "since")
    let (reader, _) = try config.openTrail()
    try Trail.reading {
      let stats = try ProgressLine.during("counting") { try reader.stats(since: start) }
      let report = StatsReport(stats, since: start, until: SystemTime().milliseconds)
      let lines =
        json
        ? report.json(would: would)
        : report.text(would: would, hasBars: isatty(STDOUT_FILENO) == 1)
      Terminal.page(lines)
    }
  }
}

/// The numbers of `bmsd stats`, as tables or JSON.
struct StatsReport {
  private let stats: TrailStats
  private let since: Int64
  private let until: Int64

  /// Numbers from `since` to `until`, in milliseconds since 1970.
  init(_ stats: TrailStats, since: Int64, until: Int64) {
    self.stats = stats
    self.since = since
    self.until = until
  }

  func text(would: Bool, hasBars: Bool) -> [String] {
    guard stats.entries > 0 else { return ["No mail came in that time."] }
    var lines = [
      "\(stats.entries) messages from \(TimeText.local.text(stats.first)) to "
        + "\(TimeText.local.text(stats.last)), \(Self.rounded(rate)) an hour"
    ]
    if stats.lost > 0 { lines.append("\(stats.lost) records were lost and are not counted") }
    let verdicts = stats.verdicts.filter { !would || !$0.isEnforced && $0.verdict != "accept" }
    if !would {
      lines += [""] + table("VERDICT", stats.endings.map { ([$0.ending], $0.count) }, hasBars)
    }
    if !verdicts.isEmpty {
      let rows = verdicts.map { count in
        (
          [(count.isEnforced ? "" : "would ") + count.verdict, count.module, count.code],
          count.count
        )
      }
      lines += [""] + table("ANSWER", "MODULE", "REASON", rows, hasBars)
    } else if would {
      lines += ["", "Enforcing everything would have refused nothing."]
    }
    if would, !stats.wouldRefuse.isEmpty {
      let rows = stats.wouldRefuse.map { ([MailText($0.domain).description], $0.count) }
      lines += [""] + table("SENDER DOMAIN", rows, hasBars)
    }
    if !would, !stats.times.isEmpty {
      var rows = [["STAGE", "MODULE", "CALLS", "MEDIAN", "95%", "99%", "MAX"]]
      for time in stats.times {
        rows.append(
          [time.stage, time.module, "\(time.count)"]
            + [time.median, time.p95, time.p99, time.maximum].map(Self.duration))
      }
      lines += [""] + Terminal.table(rows)
    }
    return lines
  }

  /// Messages an hour of the time that was asked for, or of that which the trail covers where that is
  /// less.
  private var rate: Double {
    Double(stats.entries) * 3_600_000 / Double(max(1, until - max(since, stats.oldest)))
  }

  private func count(_ endings: String...) -> Int {
    stats.endings.filter { endings.contains($0.ending) }.map(\.count).reduce(0, +)
  }

  private func table(
    _ heads: String..., rows: [([String], Int)], hasBars: Bool
  ) -> [String] {
    let largest = rows.map(\.1).max() ?? 1
    let body = rows.map { cells, count in
      let share = Double(count) / Double(max(1, stats.entries))
      let bar = hasBars ? String(repeating: "█", count: max(1, 30 * count / max(1, largest))) : ""
      return cells.map { MailText($0).description }
        + ["\(count)", "\(Self.rounded(100 * share))%", bar]
    }
    return Terminal.table([heads + ["COUNT", "SHARE"]] + body)
  }

  private func table(_ head: String, _ rows: [([String], Int)], _ hasBars: Bool) -> [String] {
    table(head, rows: rows, hasBars: hasBars)
  }

  private func table(
    _ first: String, _ second: String, _ third: String, _ rows: [([String], Int)], _ hasBars: Bool
  ) -> [String] {
    table(first, second, third, rows: rows, hasBars: hasBars)
  }

  private static func rounded(_ number: Double) -> String {
    let tenths = Int((number * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  private static func duration(_ microseconds: Int64) -> String {
    switch microseconds {
    case ..<1000: "\(microseconds) us"
    case ..<1_000_000: "\(rounded(Double(microseconds) / 1000)) ms"
    default: "\(rounded(Double(microseconds) / 1_000_000)) s"
    }
  }

  func json(would: Bool) -> [String] {
    var lines = [
      Terminal.json([
        ("kind", .string("total")), ("messages", .number(stats.entries)),
        ("first", .number(Int(stats.first))), ("last", .number(Int(stats.last))),
        ("since", .number(Int(max(since, stats.oldest)))), ("until", .number(Int(until))),
        ("accepted", .number(count("accept", "discard", "hold", "quarantine"))),
        ("refused", .number(count("reject"))), ("deferred", .number(count("tempfail"))),
        ("abandoned", .number(count("abandoned"))),
        ("accepted_recipients", .number(stats.acceptedRecipients)),
        ("refused_recipients", .number(stats.refusedRecipients)), ("bytes", .number(stats.bytes)),
        ("lost", .number(stats.lost)),
      ])
    ]
    if !would {
      lines += stats.endings.map {
        Terminal.json([
          ("kind", .string("ending")), ("verdict", .string($0.ending)),
          ("count", .number($0.count)),
        ])
      }
      lines += stats.times.map {
        Terminal.json([
          ("kind", .string("time")), ("stage", .string($0.stage)), ("module", .string($0.module)),
          ("count", .number($0.count)), ("median_us", .number(Int($0.median))),
          ("p95_us", .number(Int($0.p95))), ("p99_us", .number(Int($0.p99))),
          ("max_us", .number(Int($0.maximum))),
        ])
      }
    }
    lines += stats.verdicts.filter { !would || !$0.isEnforced && $0.verdict != "accept" }.map {
      Terminal.json([
        ("kind", .string("answer")), ("module", .string($0.module)),
        ("verdict", .string($0.verdict)), ("reason", .string($0.code)),
        ("enforced", .bool($0.isEnforced)), ("count", .number($0.count)),
      ])
    }
    if would {
      lines += stats.wouldRefuse.map {
        Terminal.json([
          ("kind", .string("domain")), ("domain", .string($0.domain)), ("count", .number($0.count)),
        ])
      }
    }
    return lines
  }
}
