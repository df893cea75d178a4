// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Glibc

struct GreylistCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "greylist", abstract: "Look at the greylist, and change it.",
    discussion: """
      A triplet is an origin (the authenticated domain, or the client's network), a sender and a \
      recipient; the recipient is * where [greylist] scope = message. Addresses may be given as \
      they stand in a mail or as the list shows them.
      """,
    subcommands: [
      List.self, Show.self, Pass.self, Drop.self, Stats.self, Export.self, Import.self,
      Purge.self,
    ])
}

extension DaemonAccess {
  /// Asks about the greylist; status 1 is returned.
  @discardableResult
  func ask(_ request: GreylistRequest, _ row: (GreylistRow) throws -> Void) throws -> Int32 {
    try ask(.greylist(request), rows: GreylistRow.self, row)
  }

  /// Asks for a change and shows how far it is.
  ///
  /// - Returns: the exit status, and how many triplets changed of how many.
  func change(_ request: GreylistRequest) throws -> (status: Int32, changed: Int, of: Int) {
    var bar: ProgressLine?
    defer { bar?.finish() }
    var result = (0, 0)
    let status = try ask(request) { row in
      switch row {
      case .progress(let done, let total):
        if bar == nil { bar = ProgressLine(total: total) }
        bar?.show(done)
      case .changed(let count, let total): result = (count, total)
      default: break
      }
    }
    return (status, result.0, result.1)
  }
}

/// How triplets are printed.
struct GreylistReport {
  private static let heading = ["LAST SEEN", "ORIGIN", "SENDER", "RECIPIENT", "STATE"]

  private let isJSON: Bool
  private var rows: [[String]] = []

  init(json: Bool) { isJSON = json }

  /// Prints a triplet, or keeps it for `lines`.
  mutating func take(_ row: TripletRow) {
    if isJSON {
      print(Self.json(row))
    } else {
      rows.append([
        Self.time(row.last), row.origin, row.sender.isEmpty ? "<>" : row.sender, row.recipient,
        row.state,
      ])
    }
  }

  /// The table of what was kept; nothing without a triplet.
  var lines: [String] { rows.isEmpty ? [] : Terminal.table([Self.heading] + rows) }

  static func json(_ row: TripletRow) -> String {
    Terminal.json([
      ("origin", .string(row.origin)), ("sender", .string(row.sender)),
      ("recipient", .string(row.recipient)), ("first", .string(time(row.first))),
      ("last", .string(time(row.last))), ("passed", .number(row.passed)),
      ("tries", .number(row.tries)), ("state", .string(row.state)),
    ])
  }

  /// `2026-11-21T02:55:02Z`.
  static func time(_ milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    guard gmtime_r(&seconds, &parts) != nil else { return "-" }
    var text = [CChar](repeating: 0, count: 64)
    let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
