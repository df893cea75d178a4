// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A section of the configuration: its stored `ConfigOption` properties are its table.
public protocol Section: Sendable {
  /// The name between the brackets.
  static var name: String { get }
  /// What the section is about, in one sentence.
  static var summary: String { get }
  /// The table with its defaults.
  init()
}

/// A section of a policy module, which has the options `mode`, `only_to` and `on_error` without
/// declaring them.
public protocol PolicySection: Section {
  /// What happens when the module itself fails and the file does not say.
  static var defaultOnError: OnError { get }
  /// The mode that the shipped file sets; nil leaves the section commented there, so off.
  static var shippedMode: Mode? { get }
}

extension PolicySection {
  /// A module that fails is skipped.
  public static var defaultOnError: OnError { .skip }
  /// The shipped file leaves the section out.
  public static var shippedMode: Mode? { nil }

  /// The option `mode`.
  static var modeOption: ConfigOption<Mode> {
    ConfigOption(
      "mode", default: .observe, shipped: shippedMode,
      help: "Whether the module runs: off, observe (it runs, and what it would do is only "
        + "recorded) or enforce. A module without its section is off.")
  }

  /// The option `only_to`.
  static var onlyToOption: ConfigOption<AddressSet> {
    ConfigOption(
      "only_to", default: [],
      help: "Enforce for mail to these recipients only, and observe for all other mail. "
        + "What concerns a whole message is enforced when all its recipients are among them. "
        + "Blank means all recipients.")
  }

  /// The option `on_error`.
  static var onErrorOption: ConfigOption<OnError> {
    ConfigOption(
      "on_error", default: defaultOnError,
      help: "What happens to mail when the module itself fails: tempfail (the sender is told to "
        + "try again later) or skip (the mail goes on without it).")
  }

  /// The three in the order of `OptionTable.commonKeys`.
  static var commonOptions: [any AnyConfigOption] { [modeOption, onlyToOption, onErrorOption] }
}

/// What the ancestor's file may hold and bmsd will serve later: known, with a warning.
public struct ComingSection: Sendable, Equatable {
  /// The name of the section.
  public let name: String
  /// The keys of the section that are meant; none means the whole section.
  public let keys: [String]
  /// What is coming, or what takes its place: the rest of "... is not served yet: ".
  public let note: String

  /// A section that is coming, or some keys of one.
  public init(_ name: String, keys: [String] = [], note: String) {
    self.name = name
    self.keys = keys
    self.note = note
  }
}

/// Where a value comes from.
public enum Origin: Sendable, Equatable, CustomStringConvertible {
  /// The option's default.
  case `default`
  /// A line of the file, named as it was given.
  case file(name: String, line: Int)

  /// "default", or the last part of the file's name and the line: "bms.conf:12".
  public var description: String {
    switch self {
    case .default: "default"
    case .file(let name, let line): "\(name.split(separator: "/").last ?? "?"):\(line)"
    }
  }
}
