// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// All sections and options that a program knows: what the file may say.
public struct OptionTable: Sendable {
  /// A section with its options: those that every policy section has first, then its own in the
  /// order in which they are declared.
  struct SectionTable: Sendable {
    let type: any Section.Type
    let options: [any AnyConfigOption]
    /// The options that only this section declares.
    var ownOptions: ArraySlice<any AnyConfigOption> {
      isPolicy ? options.dropFirst(commonKeys.count) : options[...]
    }
    /// Whether the section has the options of every policy section.
    var isPolicy: Bool { type is any PolicySection.Type }

    var name: String { type.name }
    var summary: String { type.summary }
    var keys: [String] { options.map(\.key) }

    init(_ type: any Section.Type) {
      self.type = type
      let common = (type as? any PolicySection.Type)?.commonOptions ?? []
      let own = Mirror(reflecting: type.init()).children.compactMap {
        $0.value as? any AnyConfigOption
      }
      options = common + own
    }

    func option(_ key: String) -> (any AnyConfigOption)? { options.first { $0.key == key } }
  }

  let sections: [SectionTable]
  let coming: [ComingSection]
  /// The option that an old name, "section.key", now is.
  let formerNames: [String: Name]

  /// An option by section and key.
  struct Name: Sendable, Hashable, CustomStringConvertible {
    let section: String
    let key: String

    var description: String { "\(section).\(key)" }
  }

  /// The table of these sections, and of what is known but not served yet.
  public init(_ sections: [any Section.Type], coming: [ComingSection] = []) {
    self.sections = sections.map { SectionTable($0) }
    self.coming = coming
    var formerNames: [String: Name] = [:]
    for section in self.sections {
      for option in section.options {
        for old in option.formerly {
          formerNames[Self.fullName(old, in: section)] = Name(
            section: section.name, key: option.key)
        }
      }
    }
    self.formerNames = formerNames
  }

  private static func fullName(_ old: String, in section: SectionTable) -> String {
    old.contains(".") ? old : "\(section.name).\(old)"
  }

  /// What is wrong with the declarations themselves: keys declared twice, defaults that do not
  /// read back, missing help. A test of the program asserts that there is nothing.
  public var faults: [String] {
    var faults: [String] = []
    var names: Set<String> = []
    for section in sections {
      if !names.insert(section.name).inserted { faults.append("[\(section.name)] is there twice") }
      if section.summary.isEmpty { faults.append("[\(section.name)]: the summary is missing") }
      var keys: Set<String> = []
      for option in section.options {
        if !keys.insert(option.key).inserted {
          faults.append("\(section.name).\(option.key) is declared twice")
        }
        faults += option.faults.map { "[\(section.name)] \($0)" }
      }
      for option in section.options {
        for old in option.formerly {
          let name = Self.fullName(old, in: section)
          if formerNames[name] != Name(section: section.name, key: option.key) {
            faults.append("\(name) is the old name of two options")
          }
          if section.keys.contains(where: { "\(section.name).\($0)" == name }) {
            faults.append("\(name) is both an option and an old name")
          }
        }
      }
    }
    return faults
  }

  func section(_ name: String) -> SectionTable? { sections.first { $0.name == name } }

  /// The note on a whole section that is coming.
  func comingSection(_ name: String) -> ComingSection? {
    coming.first { $0.name == name && $0.keys.isEmpty }
  }

  /// The note on one key that is coming.
  func comingKey(_ key: String, in section: String) -> ComingSection? {
    coming.first { $0.name == section && $0.keys.contains(key) }
  }

  /// Whether keys of a section that is none of ours are known: old names, or coming ones.
  func knowsKeys(of section: String) -> Bool {
    coming.contains { $0.name == section }
      || formerNames.keys.contains { $0.hasPrefix(section + ".") }
  }

  /// The hint for an unknown section, empty or ending in a question mark.
  func hint(forSection name: String) -> String {
    let names = sections.map(\.name) + coming.map(\.name)
    if let other = names.first(where: { $0.lowercased() == name.lowercased() }) {
      return ": case matters here, did you mean [\(other)]?"
    }
    return Spelling.nearest(to: name, in: names).map { ": did you mean [\($0)]?" }
      ?? ": known are \(sections.map { "[\($0.name)]" }.joined(separator: ", "))"
  }

  /// The keys that every policy section has.
  static let commonKeys = ["mode", "only_to", "on_error"]

  /// The hint for an unknown key of a section.
  func hint(forKey key: String, in name: String) -> String {
    guard let section = section(name) else { return "" }
    if Self.commonKeys.contains(key) {
      return ": only sections of policy modules have it"
    }
    if let other = sections.first(where: { $0.option(key) != nil }) {
      return ": it belongs into [\(other.name)]"
    }
    return Spelling.nearest(to: key, in: section.keys).map { ": did you mean '\($0)'?" }
      ?? ": see bms.conf(5) for the keys of this section"
  }
}
