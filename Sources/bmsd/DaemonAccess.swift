// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Control
internal import Environment
internal import FoundationEssentials
internal import Glibc
internal import Policy
internal import Store

/// How a command reaches state: through the running daemon or, where none runs, on the files.
struct DaemonAccess {
  let configuration: Configuration

  /// Reads the file for where things are; its faults matter only where it cannot be read at all.
  init(_ config: ConfigFile) throws {
    configuration = config.setup().configuration
    guard configuration.faults.contains(where: { $0.line == nil && $0.severity == .error }) else {
      return
    }
    for fault in configuration.faults { Terminal.error(fault.description) }
    throw ExitCode(EX_CONFIG)
  }

  /// Performs a request, handing on each row of the answer, decoded.
  ///
  /// - Throws: the exit status after its messages are printed; status 1 is returned.
  @discardableResult
  func ask<Row: Codable>(
    _ request: AdministrationRequest, needsDaemon: Bool = false, rows: Row.Type,
    _ row: (Row) throws -> Void
  ) throws -> Int32 {
    let take = { (data: Data) in try row(try JSONDecoder().decode(Row.self, from: data)) }
    let end: ControlEnd
    do {
      let client = try ControlClient(path: socketPath)
      end = try client.ask(request, row: take)
    } catch let unreachable as ControlClient.Unreachable {
      switch unreachable {
      case .silent(let why):
        throw Self.failure(EX_UNAVAILABLE, "\(why); see `systemctl status bmsd`")
      case .notAllowed:
        throw Self.failure(
          EX_NOPERM,
          "you may not talk to the daemon at \(socketPath): ask root, or the group of [control] "
            + "socket_group")
      case .notRunning:
        end = needsDaemon ? Administration.notRunning : try withoutDaemon(request, take)
      }
    }
    for message in end.messages { Terminal.error("bmsd: \(message)") }
    if end.status > 1 { throw ExitCode(end.status) }
    return end.status
  }

  /// Performs a request whose answer is its end.
  func ask(_ request: AdministrationRequest, needsDaemon: Bool = false) throws -> Int32 {
    try ask(request, needsDaemon: needsDaemon, rows: NoRow.self) { _ in }
  }

  private struct NoRow: Codable {}

  private var socketPath: String { configuration.settings(ControlOptions.self).socket.path }

  private func withoutDaemon(
    _ request: AdministrationRequest, _ take: (Data) throws -> Void
  ) throws -> ControlEnd {
    let options = configuration.settings(StoreOptions.self)
    guard options.isPresent else { return Administration.noStore }
    let path = options.path.path
    if ProcessLock.isHeld(path: path) {
      throw Self.failure(
        EX_UNAVAILABLE,
        "a daemon uses \(path), but nothing listens at \(socketPath): is --config its file?")
    }
    let time = SystemTime()
    do {
      _ = try Privileges.becomeOwner(ofFolderOf: path)
      let memory = try Memory.open(configuration, time: time)
      return Administration(memory, time).perform(request) { row in
        try take(try JSONEncoder().encode(row))
      }
    } catch let trouble as Privileges.Trouble {
      throw Self.failure(EX_NOPERM, trouble.description)
    } catch let trouble as StoreTrouble {
      throw Self.failure(
        trouble == .readOnly ? EX_NOPERM : EX_UNAVAILABLE,
        "\(path): \(trouble)"
          + (trouble == .readOnly && geteuid() != 0 ? "; root and bmsd's user may" : ""))
    }
  }

  private static func failure(_ status: Int32, _ message: String) -> ExitCode {
    Terminal.error("bmsd: \(message)")
    return ExitCode(status)
  }
}

/// Dates of lists.
enum ListDate {
  /// UTC, `2026-11-21 10:00`; `-` for none. `milliseconds` are since 1970.
  static func text(_ milliseconds: Int64?) -> String {
    guard let milliseconds else { return "-" }
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    guard gmtime_r(&seconds, &parts) != nil else { return "?" }
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min))"
  }

  /// The end of the day `2026-12-31`, or the minute `2026-12-31 10:00`, in UTC; nil when it is
  /// neither.
  static func parse(_ text: String) -> Int64? {
    let halves = text.split(whereSeparator: { $0 == " " || $0 == "T" })
    let date = numbers(halves.first, separator: "-")
    guard (1...2).contains(halves.count), date.count == 3 else { return nil }
    var parts = tm()
    parts.tm_year = date[0] - 1900
    parts.tm_mon = date[1] - 1
    parts.tm_mday = date[2]
    if halves.count == 2 {
      let clock = numbers(halves.last, separator: ":")
      guard clock.count == 2, (0...23).contains(clock[0]), (0...59).contains(clock[1]) else {
        return nil
      }
      parts.tm_hour = clock[0]
      parts.tm_min = clock[1]
    } else {
      parts.tm_mday += 1
    }
    let wanted = parts
    let seconds = timegm(&parts)
    // What timegm had to put right was no date: 2026-02-30.
    guard (1970...9999).contains(date[0]), (1...12).contains(date[1]), (1...31).contains(date[2]),
      halves.count == 1 || (parts.tm_mday == wanted.tm_mday && parts.tm_mon == wanted.tm_mon)
    else { return nil }
    return Int64(seconds) * 1000
  }

  private static func numbers(_ text: Substring?, separator: Character) -> [Int32] {
    let parts = text?.split(separator: separator, omittingEmptySubsequences: false) ?? []
    let numbers = parts.compactMap { Int32($0) }
    return numbers.count == parts.count && numbers.allSatisfy { (0...9999).contains($0) }
      ? numbers : []
  }
}
