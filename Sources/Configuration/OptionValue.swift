// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A type that the value of an option can have: how it is read, printed and documented.
///
/// An enum of words conforms by declaring `String`, `CaseIterable` and `OptionValue`.
public protocol OptionValue: Sendable, Equatable {
  /// What the documents call this kind of value, such as "duration" or "yes/no".
  static var kind: String { get }
  /// How such a value is written, as sentences for the manual; empty where the kind says it.
  static var syntax: String { get }
  /// Whether values must not be shown.
  static var isSecret: Bool { get }
  /// Reads what stands after `key =`, without white space around it; continuation lines are
  /// joined by one space.
  init(parsing text: String, _ context: ParsingContext) throws(ValueError)
  /// The canonical text, which reads back as the same value.
  var text: String { get }
}

extension OptionValue {
  /// Values may be shown.
  public static var isSecret: Bool { false }
  /// The kind says it all.
  public static var syntax: String { "" }
}

/// Why a value was refused.
public struct ValueError: Error, Equatable {
  /// What is wrong, and what to write instead.
  public let message: String

  /// An error with this message: what is wrong, and what to write instead.
  public init(_ message: String) { self.message = message }
}

/// What reading a value may depend on beside its text.
public struct ParsingContext: Sendable {
  /// The unit of a bare number, such as "s" or "m", where the option has one.
  public var unit: String?
  /// The folder of the configuration file; relative paths start there.
  public var folder: String
  /// Reads a file that a value names.
  public var read: @Sendable (String) throws -> [UInt8]

  /// A context; without arguments one for options without unit, in the current folder.
  public init(
    unit: String? = nil, folder: String = ".",
    read: @escaping @Sendable (String) throws -> [UInt8] = FileReader.read
  ) {
    self.unit = unit
    self.folder = folder
    self.read = read
  }

  /// `path` itself when it is absolute, else the same path below the configuration's folder.
  public func resolve(_ path: String) -> String {
    path.hasPrefix("/") ? path : folder.hasSuffix("/") ? folder + path : folder + "/" + path
  }
}

// MARK: - Words

extension OptionValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  /// The words, separated by bars.
  public static var kind: String { allCases.map(\.rawValue).joined(separator: " | ") }

  /// Reads one of the words in any case.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    let lowered = text.lowercased()
    guard let value = Self.allCases.first(where: { $0.rawValue.lowercased() == lowered }) else {
      let words = Self.allCases.map(\.rawValue)
      let hint = Spelling.nearest(to: text, in: words).map { "did you mean \($0)? " } ?? ""
      throw ValueError(
        "\(text.quotedForFault) is not allowed: \(hint)write \(words.joinedByOr)")
    }
    self = value
  }

  /// The word.
  public var text: String { rawValue }
}

/// How strictly a module acts.
public enum Mode: String, OptionValue, CaseIterable {
  /// The module does not run.
  case off
  /// The module runs and records what it would have done.
  case observe
  /// The module acts.
  case enforce
}

/// What happens to a message when a module itself fails.
public enum OnError: String, OptionValue, CaseIterable {
  /// The message is deferred; the sender tries again.
  case tempfail
  /// The message goes on as if the module were off.
  case skip
}

// MARK: - Standard types

extension Bool: OptionValue {
  /// The name of the kind.
  public static var kind: String { "yes/no" }
  /// How a truth value is written.
  public static var syntax: String { "Also true/false, on/off and 1/0; case does not matter." }

  /// Reads yes, no and their other spellings.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    switch text.lowercased() {
    case "yes", "true", "on", "1": self = true
    case "no", "false", "off", "0": self = false
    default: throw ValueError("\(text.quotedForFault) is neither yes nor no: write one of them")
    }
  }

  /// "yes" or "no".
  public var text: String { self ? "yes" : "no" }
}

extension Int: OptionValue {
  /// The name of the kind.
  public static var kind: String { "number" }
  /// How a number is written.
  public static var syntax: String { "A whole decimal number." }

  /// Reads a decimal number.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    let digits = text.hasPrefix("-") ? text.utf8.dropFirst() : text.utf8[...]
    guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw ValueError("\(text.quotedForFault) is not a number: write a whole decimal number")
    }
    guard let value = Int(text) else {
      throw ValueError("\(text.quotedForFault) is too large: write a smaller number")
    }
    self = value
  }

  /// The decimal number.
  public var text: String { description }
}

extension String: OptionValue {
  /// The name of the kind.
  public static var kind: String { "text" }
  /// How text is written.
  public static var syntax: String {
    "Everything after the equals sign, without the white space around it. Quotes are part of it."
  }

  /// Takes the text as it is.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) { self = text }

  /// The text itself.
  public var text: String { self }
}
