// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A configuration file that was read and checked against the table of all options.
///
/// Nothing is thrown: all faults are collected, so that one run shows them all. Where a value is
/// faulty the default stands in; a configuration that `hasErrors` is not to be used.
public struct Configuration: Sendable {
  /// The largest file that is parsed: 10 MB.
  public static let largestFile = 10 << 20

  /// The file as it was named.
  public let name: String
  /// Errors and warnings in the order of lines.
  public let faults: [ConfigurationFault]
  /// All known sections and options.
  public let table: OptionTable

  let values: [OptionTable.Name: StoredValue]
  private let presentSections: Set<String>

  /// A value as the file sets it.
  struct StoredValue: Sendable {
    let value: any OptionValue
    let origin: Origin
  }

  /// Reads and checks the file at `path`.
  public static func load(
    path: String, sections: [any Section.Type], coming: [ComingSection] = [],
    read: @escaping @Sendable (String) throws -> [UInt8] = FileReader.read
  ) -> Configuration {
    let table = OptionTable(sections, coming: coming)
    do {
      return Configuration(bytes: try read(path), name: path, table: table, read: read)
    } catch {
      let fault = ConfigurationFault(
        .error, file: path, line: nil, message: "cannot be read: \(error)")
      return Configuration(name: path, faults: [fault], table: table)
    }
  }

  /// Checks a file's bytes; relative paths in it start at the folder of `name`.
  public init(
    bytes: [UInt8], name: String = "bms.conf", sections: [any Section.Type],
    coming: [ComingSection] = [],
    read: @escaping @Sendable (String) throws -> [UInt8] = FileReader.read
  ) {
    self.init(bytes: bytes, name: name, table: OptionTable(sections, coming: coming), read: read)
  }

  /// Checks a file's text; relative paths in it start at the folder of `name`.
  public init(
    text: String, name: String = "bms.conf", sections: [any Section.Type],
    coming: [ComingSection] = [],
    read: @escaping @Sendable (String) throws -> [UInt8] = FileReader.read
  ) {
    self.init(
      bytes: Array(text.utf8), name: name, sections: sections, coming: coming, read: read)
  }

  private init(
    bytes: [UInt8], name: String, table: OptionTable,
    read: @escaping @Sendable (String) throws -> [UInt8]
  ) {
    guard bytes.count <= Self.largestFile else {
      let fault = ConfigurationFault(
        .error, file: name, line: nil,
        message: "is larger than \(Self.largestFile >> 20) MB: this is not a configuration file; "
          + "long lists of addresses go to a file of their own (file:PATH)")
      self.init(name: name, faults: [fault], table: table)
      return
    }
    var resolver = Resolver(name: name, table: table, read: read)
    resolver.resolve(bytes)
    self.init(
      name: name, faults: resolver.faults.faults, table: table, values: resolver.values,
      presentSections: Set(resolver.headers.keys))
  }

  private init(
    name: String, faults: [ConfigurationFault], table: OptionTable,
    values: [OptionTable.Name: StoredValue] = [:], presentSections: Set<String> = []
  ) {
    self.name = name
    self.faults = faults
    self.table = table
    self.values = values
    self.presentSections = presentSections
  }

  /// Whether the file cannot be used.
  public var hasErrors: Bool { faults.contains { $0.severity == .error } }

  /// The values of a section; defaults where the file sets none.
  public func settings<S: Section>(_ type: S.Type) -> Settings<S> {
    var own: [String: Settings<S>.Value] = [:]
    for (name, stored) in values where name.section == S.name {
      own[name.key] = .init(value: stored.value, origin: stored.origin)
    }
    return Settings(values: own, isPresent: presentSections.contains(S.name))
  }

  /// Where the value of an option such as "helo.require" comes from; nil when there is no such
  /// option.
  public func location(of optionName: String) -> Origin? {
    guard let (section, option) = table.option(named: optionName) else { return nil }
    return values[.init(section: section.name, key: option.key)]?.origin ?? .default
  }
}

// MARK: - Effective values

extension Configuration {
  /// One option with its effective value.
  public struct Entry: Sendable, Equatable {
    /// The section's name.
    public let section: String
    /// The option's key.
    public let key: String
    /// The value in canonical form; secrets are masked.
    public let text: String
    /// Where the value comes from.
    public let origin: Origin
    /// Whether a change takes effect only when the daemon is started again.
    public let needsRestart: Bool

    /// The full name: "helo.require".
    public var name: String { "\(section).\(key)" }
  }

  /// Every option of every section with its effective value, in the order of the table.
  public var entries: [Entry] {
    table.sections.flatMap { section in
      section.options.map { option in
        let stored = values[.init(section: section.name, key: option.key)]
        var text = stored?.value.text ?? option.defaultText
        if option.key == "mode", section.isPolicy, !isPresent(section) {
          text = Mode.off.text
        }
        if option.isSecret, !text.isEmpty { text = Secret.mask }
        return Entry(
          section: section.name, key: option.key, text: text, origin: stored?.origin ?? .default,
          needsRestart: option.needsRestart)
      }
    }
  }

  /// The names of the options whose effective values differ from those of `other`, with the
  /// secrets and the content of files compared too.
  public func changes(since other: Configuration) -> [Entry] {
    zip(entries, other.entries).filter { mine, theirs in
      let name = OptionTable.Name(section: mine.section, key: mine.key)
      if mine.text != theirs.text { return true }
      switch (values[name]?.value, other.values[name]?.value) {
      case (let mine?, let theirs?): return !mine.equals(theirs)
      case (nil, nil): return false
      // One file sets the default that the other leaves out; only secrets may hide a difference.
      case (let value?, nil), (nil, let value?):
        return value.text != table.section(name.section)?.option(name.key)?.defaultText
      }
    }.map(\.0)
  }

  private func isPresent(_ section: OptionTable.SectionTable) -> Bool {
    presentSections.contains(section.name)
  }
}

extension OptionValue {
  fileprivate func equals(_ other: any OptionValue) -> Bool { (other as? Self) == self }
}
