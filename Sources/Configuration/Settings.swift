// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The values of one section: what the file sets, and the defaults for the rest.
///
/// An option is read by its property in the section: `settings.reject_numeric` cannot be misspelt,
/// and has the type that the table says. A read costs a look-up in a dictionary; modules keep what
/// they need on every message.
@dynamicMemberLookup
public struct Settings<S: Section>: Sendable {
  /// A value that the file sets.
  struct Value: Sendable {
    let value: any OptionValue
    let origin: Origin
  }

  private let schema = S()
  private let values: [String: Value]
  /// Whether the section stands in the file.
  public let isPresent: Bool

  /// The defaults, as when the section does not stand in the file.
  public init() { self.init(values: [:], isPresent: false) }

  init(values: [String: Value], isPresent: Bool) {
    self.values = values
    self.isPresent = isPresent
  }

  /// The value of an option.
  public subscript<V>(dynamicMember path: KeyPath<S, ConfigOption<V>>) -> V {
    value(of: schema[keyPath: path])
  }

  /// Where the value of an option comes from.
  public func origin<V>(of path: KeyPath<S, ConfigOption<V>>) -> Origin {
    origin(ofKey: schema[keyPath: path].key)
  }

  /// Where the value of a key comes from; for keys like `mode` that no property declares.
  public func origin(ofKey key: String) -> Origin { values[key]?.origin ?? .default }

  /// The full name of an option: "helo.reject_numeric".
  public func optionName<V>(of path: KeyPath<S, ConfigOption<V>>) -> String {
    "\(S.name).\(schema[keyPath: path].key)"
  }

  func value<V>(of option: ConfigOption<V>) -> V {
    values[option.key]?.value as? V ?? option.default
  }
}

extension Settings where S: PolicySection {
  /// How strictly the module acts: off without its section, else observe unless the file says.
  public var mode: Mode { isPresent ? value(of: S.modeOption) : .off }

  /// For which recipients the module enforces; empty means all.
  public var onlyTo: AddressSet { value(of: S.onlyToOption) }

  /// What happens when the module itself fails.
  public var onError: OnError { value(of: S.onErrorOption) }
}
