// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import FoundationEssentials

// One JSON object a line in both directions. The server greets; the client sends one request; the
// server answers with any number of rows and one end. Then the connection is closed.

/// How an operation ended.
package struct ControlEnd: Codable, Sendable, Equatable, Error {
  /// An exit status of sysexits(3), or 0, or 1.
  package var status: Int32
  /// Sentences for people, for standard error.
  package var messages: [String]
  /// Whether nothing was done, because the daemon has too much to do at the moment.
  package var isBusy: Bool?

  package init(_ status: Int32, _ messages: [String] = []) {
    self.status = status
    self.messages = messages
  }

  /// All went well.
  package static let well = ControlEnd(0)
}

/// Takes one row of an answer.
///
/// - Throws: when nobody reads on; the operation shall stop.
package typealias ControlRows = (any Encodable) throws -> Void

/// The first line of a server.
struct Greeting: Codable {
  var bmsd: Int
  /// The protocol's version; a command of another version says so.
  static let version = 1
}

/// One line of an answer.
enum AnswerLine {
  static func row(_ row: some Encodable) throws -> [UInt8] {
    Array(#"{"row":"#.utf8) + Array(try JSONEncoder().encode(row)) + Array("}\n".utf8)
  }

  static func end(_ end: ControlEnd) -> [UInt8] {
    let body = (try? JSONEncoder().encode(end)).map(Array.init) ?? Array(#"{"status":70}"#.utf8)
    return Array(#"{"end":"#.utf8) + body + Array("}\n".utf8)
  }

  private struct EndLine: Decodable { var end: ControlEnd }
  private static let rowPrefix = Array(#"{"row":"#.utf8)

  /// The JSON of a row.
  static func row(in line: [UInt8]) -> [UInt8]? {
    guard line.starts(with: rowPrefix), line.last == UInt8(ascii: "}") else { return nil }
    return Array(line.dropFirst(rowPrefix.count).dropLast())
  }

  static func end(in line: [UInt8]) -> ControlEnd? {
    (try? JSONDecoder().decode(EndLine.self, from: Data(line)))?.end
  }
}
