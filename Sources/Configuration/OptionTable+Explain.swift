// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension OptionTable {
  /// The section and option of a full name such as "helo.require"; the key in any case.
  func option(named name: String) -> (section: SectionTable, option: any AnyConfigOption)? {
    let parts = name.split(separator: ".", maxSplits: 1).map { String($0) }
    guard let first = parts.first, let last = parts.last, parts.count == 2 else { return nil }
    guard let section = section(first), let option = section.option(last.lowercased()) else {
      return nil
    }
    return (section, option)
  }

  /// Explains an option, or a section: what it does, its kind, default and old names, and with a
  /// configuration its value there.
  ///
  /// `key` is a full name (`helo.require`), a key that only one section has, an old name, or the
  /// name of a section. For anything else the error's message lists candidates.
  public func explain(_ key: String, in configuration: Configuration? = nil) throws(ValueError)
    -> String
  {
    let key = key.trimmed
    if let found = option(named: key) {
      return text(of: found.option, in: found.section, configuration)
    }
    if let section = section(key) { return text(of: section) }
    if let new = formerNames[key], let found = option(named: new.description) {
      return "\(key) is now \(new).\n\n" + text(of: found.option, in: found.section, configuration)
    }
    let candidates = sections.flatMap { section in
      section.options.filter { $0.key == key.lowercased() }.map { (section, $0) }
    }
    if let (section, option) = candidates.first, candidates.count == 1 {
      return text(of: option, in: section, configuration)
    }
    if !candidates.isEmpty {
      let names = candidates.map { "\($0.name).\($1.key)" }
      throw ValueError(
        "\(key.quotedForFault) stands in several sections: name one of \(names.joinedByOr)")
    }
    if let coming = comingNote(key) { return "\(key) is not served yet: \(coming.note)\n" }
    throw ValueError(unknown(key))
  }

  private func comingNote(_ key: String) -> ComingSection? {
    if let whole = comingSection(key) { return whole }
    let parts = key.split(separator: ".", maxSplits: 1).map { String($0) }
    guard let first = parts.first, let last = parts.last, parts.count == 2 else { return nil }
    return comingKey(last, in: first) ?? comingSection(first)
  }

  private func unknown(_ key: String) -> String {
    let names = sections.flatMap { section in section.keys.map { "\(section.name).\($0)" } }
    let known = key.contains(".") ? names : sections.map(\.name) + sections.flatMap(\.keys)
    let hint = Spelling.nearest(to: key, in: known) ?? Spelling.nearest(to: key, in: names)
    return "there is no option \(key.quotedForFault)"
      + (hint.map { ": did you mean \($0)?" } ?? ": 'bmsd config doc' lists all")
  }

  private func text(
    of option: any AnyConfigOption, in section: SectionTable, _ configuration: Configuration?
  ) -> String {
    let name = "\(section.name).\(option.key)"
    var rows = [("kind", option.kind), ("default", option.shownDefault)]
    if let allowed = option.allowed { rows.append(("allowed", allowed)) }
    if let unit = option.unit { rows.append(("bare number", "counts \(unit)")) }
    if let shipped = option.shippedText, shipped != option.defaultText {
      rows.append(("shipped file", shipped))
    }
    if !option.formerly.isEmpty {
      rows.append(("formerly", option.formerly.joined(separator: ", ")))
    }
    if option.needsRestart { rows.append(("takes effect", "when the daemon is started again")) }
    if let entry = configuration?.entries.first(where: { $0.name == name }) {
      rows.append(
        ("value now", "\(entry.text.isEmpty ? "(blank)" : entry.text)  (\(entry.origin))"))
    }
    let width = rows.map(\.0.count).max() ?? 0
    let lines = rows.map { label, value in
      "  \(label):\(String(repeating: " ", count: width - label.count + 2))\(value)"
    }
    let syntax = option.syntax.isEmpty ? [] : [""] + option.syntax.wrapped(to: 76, indent: "  ")
    return ([name, ""] + option.help.wrapped(to: 76, indent: "  ") + [""] + lines + syntax)
      .joined(separator: "\n") + "\n"
  }

  private func text(of section: SectionTable) -> String {
    let keys = section.options.map { "  \(section.name).\($0.key) (\($0.kind))" }
    return
      (["[\(section.name)]", ""] + section.summary.wrapped(to: 76, indent: "  ") + [""] + keys)
      .joined(separator: "\n") + "\n"
  }
}

extension AnyConfigOption {
  /// The default for people: masked if secret, and visible if blank.
  var shownDefault: String {
    if defaultText.isEmpty { return "(blank)" }
    return isSecret ? Secret.mask : defaultText
  }
}

extension String {
  /// The words in lines of at most `width` columns, each after `indent`.
  func wrapped(to width: Int, indent: String) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in split(whereSeparator: { $0 == " " || $0.isNewline }) {
      if !line.isEmpty, indent.count + line.count + 1 + word.count > width {
        lines.append(indent + line)
        line = ""
      }
      line += line.isEmpty ? String(word) : " \(word)"
    }
    return line.isEmpty ? lines : lines + [indent + line]
  }
}
