// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing

/// The records of a zone file: one a line, `NAME TYPE DATA`.
///
///     example.org        TXT      "v=spf1 mx " "-all"
///     example.org        MX       10 mail.example.org
///     mail.example.org   A        192.0.2.1
///     slow.example.org   TIMEOUT
///
/// Names are absolute, a final dot may be left out. In names and strings `\DDD` is the byte of
/// that decimal value and a backslash takes the meaning from the byte after it (RFC 1035 §5.1).
/// The strings of a TXT record are quoted and joined. `SERVFAIL`, `TIMEOUT` and `BOGUS` instead
/// of a type are what happens to questions for types that the name does not have. Empty lines
/// and lines that begin with `#` or `;` mean nothing.
struct ZoneFile: Sendable {
  /// What happens to a question instead of an answer.
  enum Trouble: String, CaseIterable {
    case serverFailure = "SERVFAIL"
    case timeout = "TIMEOUT"
    case bogus = "BOGUS"
  }

  /// What a name has.
  struct Node: Sendable {
    var records: [RecordType: [RecordData]] = [:]
    var trouble: Trouble?
  }

  private(set) var nodes: [DomainName: Node] = [:]

  /// - Throws: every line that is wrong.
  init(_ text: [UInt8]) throws(ZoneFaults) {
    var faults: [ZoneFaults.Fault] = []
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      do {
        try read(line)
      } catch {
        faults.append(ZoneFaults.Fault(line: index + 1, message: error.message))
      }
    }
    guard faults.isEmpty else { throw ZoneFaults(faults: faults) }
  }

  private mutating func read(_ line: ArraySlice<UInt8>) throws(ZoneLineFault) {
    var reader = ZoneLine(line)
    guard let name = try reader.word() else { return }
    let owner = try ZoneLine.name(name)
    guard let word = try reader.word() else { throw ZoneLineFault("the type is missing") }
    let typeName = String(decoding: word, as: UTF8.self).uppercased()
    if let trouble = Trouble(rawValue: typeName) {
      try reader.end()
      nodes[owner, default: Node()].trouble = trouble
      return
    }
    guard let type = RecordType(name: typeName) else {
      let known = RecordType.allCases.map(\.name) + Trouble.allCases.map(\.rawValue)
      throw ZoneLineFault("'\(typeName)' is not one of \(known.joined(separator: ", "))")
    }
    let data = try reader.data(of: type)
    try reader.end()
    nodes[owner, default: Node()].records[type, default: []].append(data)
  }
}

/// The lines of a zone file that are wrong.
package struct ZoneFaults: Error, CustomStringConvertible, Equatable {
  /// One of them; the number of the first line is 1.
  package struct Fault: Sendable, Equatable {
    package let line: Int
    package let message: String
  }

  package let faults: [Fault]

  /// A line for each, `line 3: what is wrong`, the first twenty.
  package var description: String {
    var lines = faults.prefix(20).map { "line \($0.line): \($0.message)" }
    if faults.count > lines.count { lines.append("and \(faults.count - lines.count) more") }
    return lines.joined(separator: "\n")
  }
}

/// What is wrong with one line.
struct ZoneLineFault: Error {
  let message: String

  init(_ message: String) { self.message = message }
}
