// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The path of a file or folder as an option; empty when none is set.
public struct FilePath: Sendable, Hashable {
  /// The path as written.
  public let text: String
  /// The path to open: relative ones start at the folder of the configuration file.
  public let path: String

  /// The path as it is.
  public init(_ path: String) {
    text = path
    self.path = path
  }

  /// Whether no path is set.
  public var isEmpty: Bool { path.isEmpty }
}

extension FilePath: ExpressibleByStringLiteral {
  /// The path as it is.
  public init(stringLiteral value: String) { self.init(value) }
}

extension FilePath: OptionValue {
  /// The name of the kind.
  public static var kind: String { "path" }
  /// How a path is written.
  public static var syntax: String {
    "A file or folder; a relative path starts at the folder of the configuration file."
  }

  /// Takes the path, and resolves it against the configuration's folder.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    if let quote = text.first, quote == "\"" || quote == "'", text.count > 1, text.last == quote {
      throw ValueError("\(text.quotedForFault) is quoted: write the path without quotes")
    }
    if text.hasPrefix("~") {
      throw ValueError("\(text.quotedForFault) starts with '~': write the whole path")
    }
    self.text = text
    path = text.isEmpty ? "" : context.resolve(text)
  }
}

/// The permission bits of a file as an option.
public struct FileMode: Sendable, Hashable {
  /// The bits, 0 to 0o7777.
  public let bits: UInt32

  /// The mode of these bits; bits beyond permissions are dropped.
  public init(_ bits: UInt32) { self.bits = bits & 0o7777 }
}

extension FileMode: ExpressibleByIntegerLiteral {
  /// The mode of these bits; write them as `0o660`.
  public init(integerLiteral value: UInt32) { self.init(value) }
}

extension FileMode: OptionValue {
  /// The name of the kind.
  public static var kind: String { "file mode" }
  /// How a mode is written.
  public static var syntax: String { "Permission bits as an octal number, as in 0660." }

  /// Reads an octal number.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    let digits = text.hasPrefix("0o") ? text.dropFirst(2) : text[...]
    guard
      (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
      let bits = UInt32(digits, radix: 8), bits <= 0o7777
    else {
      throw ValueError(
        "\(text.quotedForFault) is not a file mode: write an octal number like 0660")
    }
    self.bits = bits
  }

  /// The octal number with a leading zero, at least four digits.
  public var text: String {
    let digits = String(bits, radix: 8)
    return String(repeating: "0", count: max(4 - digits.count, 0)) + digits
  }
}

/// A text that is never shown: a key or a password.
public struct Secret: Sendable, Hashable {
  /// What stands for a secret wherever values are shown.
  public static let mask = "********"

  /// The secret itself. Do not log it.
  public let value: String

  /// A secret of this value; empty when none is set.
  public init(_ value: String) { self.value = value }

  /// Whether no secret is set.
  public var isEmpty: Bool { value.isEmpty }
}

extension Secret: OptionValue {
  /// The name of the kind.
  public static var kind: String { "secret" }
  /// How a secret is written.
  public static var syntax: String {
    "Text that is never shown. Let nobody but root and the daemon read the file."
  }
  /// Secrets are masked wherever values are shown.
  public static var isSecret: Bool { true }

  /// Takes the text as it is.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) { value = text }

  /// The secret itself, which reads back as the same value. Do not show it.
  public var text: String { value }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The mask.
  public var description: String { Self.mask }
  /// The mask.
  public var debugDescription: String { Self.mask }
  /// A mirror without children, so that a dump does not show the value either.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
