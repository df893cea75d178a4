// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Turns the entries of a file into values, and collects what is wrong with them.
struct Resolver {
  let name: String
  let table: OptionTable
  let context: ParsingContext
  var faults: FaultCollector
  var values: [OptionTable.Name: Configuration.StoredValue] = [:]
  /// The lines on which the sections begin.
  var headers: [String: Int] = [:]
  /// Which entry set an option, by what name.
  private var setters: [OptionTable.Name: (name: String, line: Int)] = [:]

  init(
    name: String, table: OptionTable, read: @escaping @Sendable (String) throws -> [UInt8]
  ) {
    self.name = name
    self.table = table
    let folder = name.lastIndex(of: "/").map { name[...$0] } ?? "."
    context = ParsingContext(folder: String(folder), read: read)
    faults = FaultCollector(file: name)
  }

  mutating func resolve(_ bytes: [UInt8]) {
    let file = INIFile(bytes, &faults)
    for section in file.sections { addHeader(section) }
    // Old names look at which sections the file has, so headers come before entries.
    for section in file.sections where isServed(section.name) {
      for entry in section.entries { add(entry, in: section.name) }
    }
  }

  private mutating func addHeader(_ section: INIFile.Section) {
    let name = section.name
    if let first = headers[name] {
      faults.error(
        section.line, "[\(name)] stands twice, first on line \(first): move these lines there")
    } else if isServed(name) {
      headers[name] = section.line
      if table.section(name) == nil, let coming = table.comingSection(name) {
        faults.warning(
          section.line, "[\(name)] is not served yet and does nothing: \(coming.note)")
      }
    } else if name.isEmpty {
      faults.error(section.line, "the section has no name: write it between the brackets")
    } else {
      let hint = table.hint(forSection: name)
      faults.error(section.line, "there is no section [\(name.prefix(60))]\(hint)")
    }
  }

  /// Whether the section, or a key of it by an old name, is known.
  private func isServed(_ section: String) -> Bool {
    table.section(section) != nil || table.knowsKeys(of: section)
  }

  private mutating func add(_ entry: INIFile.Entry, in section: String) {
    let fullName = "\(section).\(entry.key)"
    if let option = table.section(section)?.option(entry.key) {
      set(.init(section: section, key: entry.key), option, entry, in: section)
    } else if let new = table.formerNames[fullName],
      let option = table.section(new.section)?.option(new.key)
    {
      set(new, option, entry, in: section)
    } else if let coming = table.comingKey(entry.key, in: section) {
      faults.warning(
        entry.line, "\(fullName) is not served yet and does nothing: \(coming.note)")
    } else if table.comingSection(section) == nil {
      let hint = table.hint(forKey: entry.key, in: section)
      faults.error(entry.line, "[\(section)] has no key \(entry.key.quotedForFault)\(hint)")
    }
  }

  private mutating func set(
    _ name: OptionTable.Name, _ option: any AnyConfigOption, _ entry: INIFile.Entry,
    in section: String
  ) {
    let written = "\(section).\(entry.key)"
    if let first = setters[name] {
      faults.error(entry.line, Self.duplicate(name, written, entry.line, first))
      return
    }
    setters[name] = (written, entry.line)
    if written != name.description {
      let isOff =
        table.section(name.section)?.isPolicy == true
        && headers[name.section] == nil
      let off = isOff ? "; without a section [\(name.section)] that module is off" : ""
      faults.warning(
        entry.line,
        "\(written) is now \(name): write '\(name.key) = ...' in [\(name.section)]\(off)")
    }
    warn(of: entry, in: section)
    do {
      let value = try option.resolve(entry.value, context)
      values[name] = .init(value: value, origin: .file(name: self.name, line: entry.line))
    } catch {
      faults.error(entry.line, "\(written): \(error.message)")
    }
  }

  private static func duplicate(
    _ name: OptionTable.Name, _ written: String, _ line: Int, _ first: (name: String, line: Int)
  ) -> String {
    first.name == written
      ? "\(written) is set twice, on lines \(first.line) and \(line): keep one"
      : "\(first.name) (line \(first.line)) and \(written) (line \(line)) are the same option: "
        + "keep \(name)"
  }

  // MARK: What is legal but probably a mistake

  private mutating func warn(of entry: INIFile.Entry, in section: String) {
    for piece in entry.pieces {
      if Self.holdsComment(piece.text) {
        faults.warning(
          piece.line,
          "'#' or ';' after a value begins no comment, it is part of the value: "
            + "comments stand on their own line")
      }
      if piece.text.contains("%%") || piece.text.contains("%(") {
        faults.warning(
          piece.line, "'%' has no special meaning here: write one '%' where one is meant")
      }
      if piece.line != entry.line, let key = hiddenKey(piece.text, in: section) {
        faults.warning(
          piece.line,
          "the line starts with white space, so it continues the value of \(entry.key) on line "
            + "\(entry.line) and does not set \(key): move it left if it shall")
      }
    }
  }

  /// Whether `#` or `;` stands where a comment would: at the start, or after white space.
  private static func holdsComment(_ text: String) -> Bool {
    let marks: [Character] = ["#", ";"]
    if let first = text.first, marks.contains(first) { return true }
    return zip(text, text.dropFirst()).contains {
      ($0 == " " || $0 == "\t") && marks.contains($1)
    }
  }

  /// The known key that a continuation line seems to set.
  private func hiddenKey(_ text: String, in section: String) -> String? {
    guard let equals = text.firstIndex(of: "=") else { return nil }
    let key = String(text[..<equals]).trimmed.lowercased()
    return table.section(section)?.option(key)?.key
  }
}
