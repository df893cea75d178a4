// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Something that is wrong with a configuration file, or looks wrong.
public struct ConfigurationFault: Sendable, Equatable, CustomStringConvertible {
  /// Whether the file can be used all the same.
  public enum Severity: Sendable, Equatable {
    /// The file cannot be used.
    case error
    /// The file can be used, but probably does not mean what was intended.
    case warning
  }

  /// Whether the file can be used all the same.
  public let severity: Severity
  /// The file as it was named.
  public let file: String
  /// The line, counted from 1; nil when the fault is one of the whole file.
  public let line: Int?
  /// What is wrong, and what to do.
  public let message: String

  /// A fault of a file.
  public init(_ severity: Severity, file: String, line: Int?, message: String) {
    self.severity = severity
    self.file = file
    self.line = line
    self.message = message
  }

  /// "file:line: what" or "file:line: warning: what".
  public var description: String {
    let place = line.map { "\(file):\($0)" } ?? file
    return severity == .error ? "\(place): \(message)" : "\(place): warning: \(message)"
  }
}

/// Collects faults up to a limit for each severity and counts the rest.
struct FaultCollector {
  static let limit = 100

  let file: String
  private var errors: [ConfigurationFault] = []
  private var warnings: [ConfigurationFault] = []
  private var omitted: [ConfigurationFault.Severity: Int] = [:]

  init(file: String) { self.file = file }

  /// Notes an error. The message is made only when it is kept: looking for the nearest name costs
  /// more than parsing the line.
  mutating func error(_ line: Int?, _ message: @autoclosure () -> String) {
    guard errors.count < Self.limit else { return omitted[.error, default: 0] += 1 }
    errors.append(ConfigurationFault(.error, file: file, line: line, message: message()))
  }

  mutating func warning(_ line: Int?, _ message: @autoclosure () -> String) {
    guard warnings.count < Self.limit else { return omitted[.warning, default: 0] += 1 }
    warnings.append(ConfigurationFault(.warning, file: file, line: line, message: message()))
  }

  /// All that was kept in the order of lines, then how many more there were.
  var faults: [ConfigurationFault] {
    // The sort is not stable, so the order of finding decides between faults of one line.
    let kept = (errors + warnings).enumerated().sorted {
      ($0.element.line ?? 0, $0.offset) < ($1.element.line ?? 0, $1.offset)
    }
    var faults = kept.map(\.element)
    for (severity, noun) in [(ConfigurationFault.Severity.error, "error"), (.warning, "warning")] {
      guard let count = omitted[severity] else { continue }
      let message = "and \(count) more \(noun)\(count == 1 ? "" : "s")"
      faults.append(ConfigurationFault(severity, file: file, line: nil, message: message))
    }
    return faults
  }
}
