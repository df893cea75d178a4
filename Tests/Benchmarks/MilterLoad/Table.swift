// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation

/// The results for people.
struct Table {
  private var rows: [[String]]

  init(_ heading: String...) { rows = [heading] }

  mutating func add(_ row: [String]) { rows.append(row) }

  /// In columns; the first one flush left.
  var text: String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in
      rows.map { $0.dropFirst(column).first?.count ?? 0 }.max() ?? 0
    }
    return rows.map { row in
      zip(row, widths).enumerated().map { index, cell in
        let padding = String(repeating: " ", count: cell.1 - cell.0.count)
        return index == 0 ? cell.0 + padding : padding + cell.0
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }

  static func number(_ value: Double, _ digits: Int = 0) -> String {
    String(format: "%.\(digits)f", value)
  }
  static func mebibytes(_ kibibytes: Int) -> String { number(Double(kibibytes) / 1024, 1) }
}

extension Results {
  /// Everything, for people.
  var text: String {
    var parts: [String] = []
    if !accepted.isEmpty { parts.append(Self.overview("Accepted mail, unix socket", accepted)) }
    if !inet.isEmpty { parts.append(Self.overview("Accepted mail, inet socket", inet)) }
    if !deferred.isEmpty { parts.append(Self.overview("Deferred mail, unix socket", deferred)) }
    if !warmSenders.isEmpty { parts.append(Self.overview("Known senders", warmSenders)) }
    if !coldSenders.isEmpty { parts.append(Self.overview("Unknown senders", coldSenders)) }
    if !attachments.isEmpty {
      parts.append(Self.overview("Mail of three sizes, attachments", attachments))
    }
    let all = accepted + deferred + inet + warmSenders + coldSenders + attachments
    if !all.isEmpty { parts.append(Self.waits("Waits in microseconds: p50/p99/max", all)) }
    if !growth.isEmpty { parts.append(Self.memory("messages", growth)) }
    if !attachmentGrowth.isEmpty {
      parts.append(Self.memory("messages of three sizes", attachmentGrowth))
    }
    if !openSessions.isEmpty { parts.append(Self.memory("open sessions", openSessions)) }
    if !neighbours.isEmpty { parts.append(Self.waits(of: neighbours)) }
    parts.append(targetText)
    return parts.joined(separator: "\n\n")
  }

  private static func overview(_ title: String, _ measurements: [Measurement]) -> String {
    var table = Table(
      title, "conn", "msg/s", "CPU ms/msg", "ki user", "ki kern", "p50 us", "CPU/answ", "p50/answ",
      "CPU/no-r",
      "p50/no-r", "RSS MiB", "peak", "threads")
    for own in measurements {
      guard let figures = own.summary else { continue }
      var row = [
        own.candidate, "\(own.connections)", Table.number(figures.messagesPerSecond),
        Table.number(figures.processorTime, 3),
      ]
      for figure in [\Instructions.user, \.kernel] {
        let count = figures.instructions.map { $0[keyPath: figure] / 1000 }
        row.append(count.map { Table.number($0) } ?? "-")
      }
      row.append(Table.number(figures.waits[.total]?.p50 ?? 0))
      for yardstick in Yardstick.allCases {
        let other = measurements.first {
          $0.candidate == yardstick.rawValue && $0.connections == own.connections
        }
        for figure in [\Figures.processorTime, \.medianWait] {
          let ratio = other.map { own.ratio(to: $0) { $0[keyPath: figure] } }
          row.append(ratio.map { Table.number($0, 2) } ?? "-")
        }
      }
      row += [
        Table.mebibytes(figures.resident), Table.mebibytes(figures.peak), "\(figures.threads)",
      ]
      table.add(row)
    }
    return table.text
  }

  private static func waits(_ title: String, _ measurements: [Measurement]) -> String {
    var table = Table(title, "conn")
    table = LoadStage.allCases.reduce(into: table) { $0.addColumn($1.rawValue) }
    for own in measurements {
      guard let waits = own.summary?.waits else { continue }
      table.add(
        [own.candidate, "\(own.connections)"]
          + LoadStage.allCases.map { stage in
            guard let wait = waits[stage] else { return "-" }
            return [wait.p50, wait.p99, wait.max].map { Table.number($0) }.joined(separator: "/")
          })
    }
    return table.text
  }

  private static func memory(_ title: String, _ samples: [MemorySample]) -> String {
    var table = Table("bmsd's memory: \(title)", "RSS MiB")
    for sample in samples { table.add(["\(sample.messages)", Table.mebibytes(sample.resident)]) }
    return table.text
  }

  private static func waits(of neighbours: [Neighbour]) -> String {
    var table = Table("Client without DNS work, microseconds", "p50", "p99", "max")
    for neighbour in neighbours {
      let wait = neighbour.wait
      table.add(
        [neighbour.what.rawValue] + [wait.p50, wait.p99, wait.max].map { Table.number($0) })
    }
    return table.text
  }

  private var targetText: String {
    var table = Table("Target", "found", "at most", "")
    for target in targets {
      table.add([
        target.what, Table.number(target.value, 2), Table.number(target.limit, 2),
        target.isMet ? "met" : "MISSED",
      ])
    }
    return table.text
  }
}

extension Table {
  fileprivate mutating func addColumn(_ heading: String) {
    if let first = rows.indices.first { rows[first].append(heading) }
  }
}

extension Figures {
  /// The median wait for a whole message, in microseconds.
  var medianWait: Double { waits[.total]?.p50 ?? 0 }
}
