// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import FoundationEssentials
package import Logging
internal import Mail
package import Policy

/// Renders log events as one line each: `<6>4ZBC...: ref=... module=...` for journald, or JSON.
///
/// Fields stand in the order of `LogField`; whatever came from a peer is escaped, so that no event
/// can look like two.
package struct LineHandler: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?
  package var logLevel: Logger.Level
  private let format: LogOptions.Format
  private let write: @Sendable (String) -> Void

  /// The longest value in bytes; a header field may have a megabyte.
  static let maximumValue = 1000

  package init(
    format: LogOptions.Format, level: Logger.Level, write: @escaping @Sendable (String) -> Void
  ) {
    self.format = format
    logLevel = level
    self.write = write
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let own = event.metadata ?? [:]
    let fields =
      LogFields(own).map { $0.fields.map { (key: $0.key.rawValue, value: Self.clipped($0.value)) } }
      ?? Self.ordered(metadata.isEmpty ? own : metadata.merging(own) { _, new in new })
    switch format {
    case .text: write(Self.text(event.level, event.message.description, fields))
    case .json: write(Self.json(event.level, event.message.description, fields))
    }
  }

  /// The fields in the order of `LogField`, then those of other names.
  private static func ordered(_ metadata: Logger.Metadata) -> [(key: String, value: String)] {
    var fields: [(key: String, value: String)] = []
    fields.reserveCapacity(metadata.count)
    for field in LogField.allCases {
      guard let value = metadata[field.rawValue] else { continue }
      fields.append((key: field.rawValue, value: clipped(value)))
    }
    guard fields.count < metadata.count else { return fields }
    let others = metadata.filter { LogField(rawValue: $0.key) == nil }.sorted { $0.key < $1.key }
    return fields + others.map { (key: $0.key, value: clipped($0.value)) }
  }

  private static func clipped(_ value: Logger.MetadataValue) -> String {
    if case .string(let text) = value { return clipped(text) }
    return clipped(value.description)
  }

  private static func clipped(_ value: String) -> String {
    guard value.utf8.count > maximumValue else { return value }
    return String(decoding: value.utf8.prefix(maximumValue), as: UTF8.self) + "..."
  }

  // MARK: text

  static func text(
    _ level: Logger.Level, _ message: String, _ fields: [(key: String, value: String)]
  ) -> String {
    var line = "<\(level.priority)>\(escaped(message))"
    line.reserveCapacity(512)
    for (index, field) in fields.enumerated() {
      line += index == 0 ? ": " : " "
      line += field.key
      line += "="
      line += quoted(field.value)
    }
    return line
  }

  private static func quoted(_ value: String) -> String {
    let isPlain =
      !value.isEmpty
      && value.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x3D }
    if isPlain { return value }
    var quoted = "\""
    var backslashes = 0
    // Scalar by scalar: a quote with an accent on it is a character of its own to Swift only.
    for scalar in escaped(value).unicodeScalars {
      if scalar == "\"" { quoted += backslashes % 2 == 0 ? "\\" : "\\\\" }
      backslashes = scalar == "\\" ? backslashes + 1 : 0
      quoted.unicodeScalars.append(scalar)
    }
    // What a peer sent has its backslashes doubled; a lone one would keep the value open.
    return quoted + (backslashes % 2 == 0 ? "\"" : "\\\"")
  }

  /// Whatever a terminal would not show, or would act on, as `\\xNN`.
  package static func escaped(_ value: String) -> String {
    if value.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return value }
    guard value.unicodeScalars.contains(where: { !$0.isVisible }) else { return value }
    return value.unicodeScalars.map { scalar in
      scalar.isVisible ? String(scalar) : MailText(String(scalar)).description
    }.joined()
  }

  // MARK: JSON

  private static func json(
    _ level: Logger.Level, _ message: String, _ fields: [(key: String, value: String)]
  ) -> String {
    // A line of a decision begins with the queue id; every other with a sentence.
    let isDecision = fields.first?.key == LogField.ref.rawValue
    let all =
      [
        (
          key: "time",
          value: Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        ),
        (key: "level", value: level.rawValue),
        (key: isDecision ? "queue_id" : "message", value: message),
      ] + fields
    return "{" + all.map { "\(jsonString($0.key)):\(jsonString($0.value))" }.joined(separator: ",")
      + "}"
  }

  /// A JSON string; whatever a terminal would not show is escaped.
  package static func jsonString(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case _ where scalar.isVisible: out.unicodeScalars.append(scalar)
      default:
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16)
          out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
      }
    }
    return out + "\""
  }
}

extension Logger.Level {
  /// The syslog priority that journald reads at a line's start.
  var priority: Int {
    switch self {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }
}
