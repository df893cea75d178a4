// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask the running daemon how it is.",
    discussion: "Exit status 0 well, 1 degraded with a line for each fault, 69 not running.")

  @OptionGroup var config: ConfigFile
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    let status = try DaemonAccess(config).ask(
      .status, needsDaemon: true, rows: StatusRow.self
    ) { row in
      for line in json ? [Self.json(row)] : Self.text(row) { print(line) }
    }
    if status != 0 { throw ExitCode(status) }
  }

  private static func text(_ row: StatusRow) -> [String] {
    let modules = row.modules.map { "\($0.name)=\($0.mode)" }.joined(separator: " ")
    var lines = Terminal.table([
      ["bmsd", "\(row.version), process \(row.pid)" + (row.isDraining ? ", stopping" : "")],
      ["up", span(row.uptime)],
      ["file", "\(row.configuration), read \(span(row.configured)) ago"],
      ["sessions", "\(row.sessions) open, \(row.turnedAway) turned away"],
      ["messages", "\(row.messages) under way"],
      ["modules", modules.isEmpty ? "none" : modules],
      ["lists", "\(row.bans) bans, \(row.allowed) allowed"],
    ])
    lines += row.faults.map { "FAULT: \($0)" }
    return lines
  }

  /// `3d 4h`, `12m 5s`: the two largest units.
  private static func span(_ seconds: Int64) -> String {
    let parts = [
      (seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"),
      (seconds % 60, "s"),
    ]
    let known = parts.drop { $0.0 == 0 }.prefix(2)
    return known.isEmpty ? "0s" : known.map { "\($0.0)\($0.1)" }.joined(separator: " ")
  }

  private static func json(_ row: StatusRow) -> String {
    Terminal.json([
      ("version", .string(row.version)), ("pid", .number(Int(row.pid))),
      ("configuration", .string(row.configuration)), ("uptime", .number(Int(row.uptime))),
      ("configured", .number(Int(row.configured))), ("sessions", .number(row.sessions)),
      ("messages", .number(row.messages)), ("turned_away", .number(row.turnedAway)),
      ("draining", .bool(row.isDraining)),
      ("modules", .object(row.modules.map { ($0.name, .string($0.mode)) })),
      ("bans", .number(row.bans)), ("allowed", .number(row.allowed)),
      ("faults", .array(row.faults.map { .string($0) })),
    ])
  }
}

struct Reload: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let the running daemon read its file again, and wait for the outcome.",
    discussion: """
      Exit status 0 done, 69 not running, 78 with file:line when the file is broken: then the \
      running configuration stays. Keys that need a restart are named.
      """)

  @OptionGroup var config: ConfigFile

  func run() throws {
    let status = try DaemonAccess(config).ask(.reload, needsDaemon: true)
    if status != 0 { throw ExitCode(status) }
  }
}
