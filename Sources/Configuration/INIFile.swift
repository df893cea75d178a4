// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The text of a configuration file, split into sections and entries but not yet understood.
///
/// `[section]`; `key = value`; lines that start with white space continue the value above, also
/// across blank lines and comments, as in the ancestor; `#` and `;` begin a comment on a line of
/// its own. Lines end in LF or CRLF; a byte order mark is skipped.
struct INIFile {
  /// A line of a value; the first stands after the equals sign.
  struct Piece {
    let line: Int
    let text: String
  }

  struct Entry {
    /// The key in lower case.
    let key: String
    let line: Int
    var pieces: [Piece]

    /// The pieces that hold anything, joined by one space.
    var value: String {
      pieces.map(\.text).filter { !$0.isEmpty }.joined(separator: " ")
    }
  }

  struct Section {
    let name: String
    let line: Int
    var entries: [Entry] = []
  }

  private(set) var sections: [Section] = []
  /// What a continuation line belongs to.
  private var continued = Continued.nothing

  private enum Continued { case nothing, skippedEntry, entry }

  /// Parses `bytes`; what cannot be understood goes to `faults`.
  init(_ bytes: [UInt8], _ faults: inout FaultCollector) {
    var rest = bytes[...]
    if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
    if rest.starts(with: [0xFF, 0xFE]) || rest.starts(with: [0xFE, 0xFF]) {
      faults.error(1, "the file is UTF-16, not UTF-8: save it as UTF-8")
      return
    }
    var number = 0
    for var line in rest.split(separator: 0x0A, omittingEmptySubsequences: false) {
      number += 1
      if line.last == 0x0D { line = line.dropLast() }
      if let text = Self.decode(line, number, &faults) {
        add(text, number, &faults)
      } else if line.first != 0x20, line.first != 0x09 {
        // What the line would have begun is unknown; what continues it must not go elsewhere.
        continued = .skippedEntry
      }
    }
  }

  private static func decode(
    _ line: ArraySlice<UInt8>, _ number: Int, _ faults: inout FaultCollector
  ) -> String? {
    if line.contains(0) {
      faults.error(number, "the line holds a NUL byte: remove it")
      return nil
    }
    guard let text = String(validating: line, as: UTF8.self) else {
      faults.error(number, "the line is not UTF-8: save the file as UTF-8")
      return nil
    }
    if line.contains(where: { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }) {
      faults.error(number, "the line holds a control character: remove it")
      return nil
    }
    return text
  }

  private mutating func add(_ text: String, _ number: Int, _ faults: inout FaultCollector) {
    let content = text.trimmed
    guard let first = content.first, first != "#", first != ";" else { return }
    if text.hasPrefix(" ") || text.hasPrefix("\t") {
      continueEntry(content, number, &faults)
    } else if first == "[" {
      addSection(content, number, &faults)
    } else {
      addEntry(content, number, &faults)
    }
  }

  private mutating func continueEntry(
    _ content: String, _ number: Int, _ faults: inout FaultCollector
  ) {
    switch continued {
    case .skippedEntry: break
    case .nothing:
      faults.error(
        number, "the line starts with white space but there is no value to continue: move it left")
    case .entry:
      guard var section = sections.popLast() else { return }
      if var entry = section.entries.popLast() {
        entry.pieces.append(Piece(line: number, text: content))
        section.entries.append(entry)
      }
      sections.append(section)
    }
  }

  private mutating func addSection(
    _ content: String, _ number: Int, _ faults: inout FaultCollector
  ) {
    continued = .nothing
    let inner = content.dropFirst()
    let name = String(inner.prefix { $0 != "]" }).trimmed
    let after = String(inner.drop { $0 != "]" }.dropFirst()).trimmed
    if !inner.contains("]") {
      faults.error(number, "the ']' is missing: write [\(name.prefix(40))]")
    } else if !after.isEmpty {
      faults.error(
        number, "\(after.quotedForFault) follows the section's name: move it to a line of its own")
    }
    sections.append(Section(name: name, line: number))
  }

  private mutating func addEntry(
    _ content: String, _ number: Int, _ faults: inout FaultCollector
  ) {
    continued = .skippedEntry
    let equals = content.firstIndex(of: "=")
    let head = equals.map { content[..<$0] } ?? content[...]
    let key = String(head).trimmed.lowercased()
    if Self.isInclude(content, key) {
      faults.error(
        number, "other files cannot be included, there is one file: copy the lines here")
      return
    }
    if let colon = head.firstIndex(of: ":") {
      let name = String(content[..<colon]).trimmed
      let value = String(content[content.index(after: colon)...]).trimmed
      faults.error(
        number, "a colon does not set a value: write \("\(name) = \(value)".quotedForFault)")
      return
    }
    guard let equals else {
      faults.error(
        number,
        "\(content.quotedForFault) is neither a section, nor key = value, nor a comment: "
          + "write '\(content.prefix(40)) = ...', or # before it")
      return
    }
    guard !key.isEmpty else {
      faults.error(number, "there is no key before '='")
      return
    }
    guard var section = sections.popLast() else {
      faults.error(
        number, "\(key.quotedForFault) stands before the first section: put [...] above it")
      return
    }
    let value = String(content[content.index(after: equals)...]).trimmed
    section.entries.append(
      Entry(key: key, line: number, pieces: [Piece(line: number, text: value)]))
    sections.append(section)
    continued = .entry
  }

  private static func isInclude(_ content: String, _ key: String) -> Bool {
    let words = ["include", ".include", "!include", "@include", "include_dir"]
    if words.contains(key) { return true }
    let first = content.lowercased().prefix { $0 != " " && $0 != "\t" && $0 != "=" }
    return !content.contains("=") && words.contains(String(first))
  }
}
