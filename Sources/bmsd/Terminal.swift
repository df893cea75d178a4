// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import DNS
internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Environment
internal import Glibc
internal import Logging
internal import Policy

/// Standard output and error, for people and programs.
enum Terminal {
  /// Whether colours are wanted: only on a terminal and without NO_COLOR.
  static var hasColours: Bool {
    isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil
  }

  /// Writes a line to standard error; what a terminal would act on is escaped, since a file, a peer
  /// or whoever typed a command may have written it.
  static func error(_ line: String) {
    var line = Array((LineHandler.escaped(line) + "\n").utf8)[...]
    while !line.isEmpty {
      let count = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      line = line.dropFirst(count)
    }
  }

  /// Prints lines; on a terminal that they do not fit through $PAGER or less, where there is one. An
  /// empty $PAGER asks for none.
  static func page(_ lines: [String]) {
    var size = winsize()
    let isTerminal =
      isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0
    let pager = getenv("PAGER").map { String(cString: $0) } ?? Self.pager
    guard isTerminal, size.ws_row > 0, lines.count >= Int(size.ws_row), !pager.isEmpty else {
      for line in lines { print(line) }
      return
    }
    fflush(nil)
    // A pager that the reader leaves early must not end us with SIGPIPE.
    signal(SIGPIPE, SIG_IGN)
    guard let pipe = popen(pager, "w") else {
      for line in lines { print(line) }
      return
    }
    for line in lines { fputs(line + "\n", pipe) }
    // What the shell says when there is no such program, or none that may be run.
    let status = pclose(pipe)
    guard [126, 127].contains(status >> 8 & 0xFF) else { return }
    for line in lines { print(line) }
  }

  private static let pager =
    "if command -v less >/dev/null; then exec less -FRX; else exec cat; fi"

  /// The widest cell that others are aligned to: one long address shall not make every line long.
  private static let widest = 60

  /// Columns aligned to their longest cell up to `widest`, the last one free.
  static func table(_ rows: [[String]]) -> [String] {
    var widths: [Int] = []
    for row in rows {
      for (column, cell) in row.enumerated() {
        if column == widths.count { widths.append(0) }
        widths[column] = max(widths[column], min(cell.count, widest))
      }
    }
    return rows.map { row in
      var line = ""
      for (cell, width) in zip(row, widths) {
        line += cell + String(repeating: " ", count: max(0, width - cell.count) + 2)
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  /// One JSON object on a line, keys in the order given.
  static func json(_ fields: [(String, JSONValue)]) -> String {
    JSONValue.object(fields).text
  }
}

/// JSON with the order of keys kept, so that lines of one kind look alike.
indirect enum JSONValue {
  case string(String)
  case number(Int)
  case bool(Bool)
  case array([JSONValue])
  case object([(String, JSONValue)])
  case null

  var text: String {
    switch self {
    case .string(let value): LineHandler.jsonString(value)
    case .number(let value): String(value)
    case .bool(let value): value ? "true" : "false"
    case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
    case .object(let fields):
      "{" + fields.map { "\(LineHandler.jsonString($0.0)):\($0.1.text)" }.joined(separator: ",")
        + "}"
    case .null: "null"
    }
  }

  init(_ value: String?) { self = value.map { .string($0) } ?? .null }
}

extension ConfigFile {
  /// Reads and proves the file without a log; used by every command but `run`. Names are asked of
  /// `resolver`, else of whom the file says.
  ///
  /// - Throws: exit 77 when the caller may not read it.
  func setup(
    trail: any DecisionTrail = MemoryTrail(capacity: 0), resolver: (any Resolver)? = nil
  ) throws -> Setup {
    try requireReadable()
    return Setup(path: path, files: SystemFiles()) { configuration in
      var services = Services.system(
        log: Logger(label: "bmsd") { _ in SwiftLogNoOpLogHandler() }, trail: trail,
        resolver: resolver ?? ConfiguredResolver(configuration))
      services.quarantine = ForgetfulKeeper()
      return services
    }
  }

  /// - Throws: exit 77 when the caller may not read the file.
  func requireReadable() throws {
    guard access(path, R_OK) != 0, errno == EACCES else { return }
    Terminal.error(
      "bmsd: \(path): you may not read it; run the command as root or with sudo, or as a member of "
        + "the file's group")
    throw ExitCode(EX_NOPERM)
  }

  /// The pipeline of a file without errors.
  ///
  /// - Throws: exit 78 after the faults are printed.
  func provedPipeline(
    trail: any DecisionTrail = MemoryTrail(capacity: 0), resolver: (any Resolver)? = nil
  ) throws -> (setup: Setup, pipeline: PolicyPipeline) {
    let setup = try setup(trail: trail, resolver: resolver)
    guard let pipeline = setup.pipeline else {
      for fault in setup.faults { Terminal.error(fault.description) }
      throw ExitCode(EX_CONFIG)
    }
    return (setup, pipeline)
  }
}
