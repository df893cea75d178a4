// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import BMSDaemon
package import Logging
package import Policy
internal import Synchronization

/// One log event, as fields and as the lines that the daemon would write.
package struct LogEntry: Sendable {
  package let level: Logger.Level
  /// The queue id, `NOQUEUE`, or a sentence.
  package let message: String
  package let fields: [String: String]
  package let text: String
  package let json: String

  /// The value of a field.
  package subscript(_ field: LogField) -> String? { fields[field.rawValue] }
}

/// Keeps what is logged, and renders it as the daemon does, in both formats.
package final class LogCollector: Sendable {
  private let kept = Mutex<[LogEntry]>([])

  package init() {}

  /// Everything so far, oldest first.
  package var entries: [LogEntry] { kept.withLock { $0 } }

  /// A logger that writes here.
  package func logger(_ level: LogOptions.Level = .debug) -> Logger {
    let level = Logger.Level(rawValue: level.rawValue) ?? .info
    let handler = Handler(collector: self, logLevel: level)
    return Logger(label: "test") { _ in handler }
  }

  private struct Handler: LogHandler {
    let collector: LogCollector
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level

    init(collector: LogCollector, logLevel: Logger.Level) {
      self.collector = collector
      self.logLevel = logLevel
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let metadata = event.metadata ?? [:]
      let fields = LogFields(metadata)?.fields.map { ($0.key.rawValue, $0.value) }
      let entry = LogEntry(
        level: event.level, message: event.message.description,
        fields: fields.map { Dictionary($0) { first, _ in first } }
          ?? metadata.mapValues { "\($0)" },
        text: rendered(event, .text), json: rendered(event, .json))
      collector.kept.withLock { $0.append(entry) }
    }

    private func rendered(_ event: LogEvent, _ format: LogOptions.Format) -> String {
      let lines = Lines()
      LineHandler(format: format, level: logLevel) { line in lines.add(line) }.log(event: event)
      // More than one would be two events to whoever reads them.
      return lines.all.joined(separator: "\n")
    }
  }

  private final class Lines: Sendable {
    private let kept = Mutex<[String]>([])
    func add(_ line: String) { kept.withLock { $0.append(line) } }
    var all: [String] { kept.withLock { $0 } }
  }
}
