// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// One header field as it stands in the message (RFC 5322 §2.2).
public struct HeaderField: Sendable, Equatable {
  /// The field name as written, without the colon.
  public var name: MailText
  /// All bytes after the colon, the leading space included, folds as LF plus white space, without
  /// the final line end.
  public var rawValue: MailText

  /// A field of `name` whose value, leading space included, is `rawValue`.
  public init(name: MailText, rawValue: MailText) {
    self.name = name
    self.rawValue = rawValue
  }

  /// The value without leading white space.
  public var value: MailText {
    MailText(rawValue.bytes.drop { $0 == 0x20 || $0 == 0x09 })
  }

  /// Whether the field has that name, ASCII case folded, whatever white space stands before its
  /// colon (RFC 5322 §4.5).
  public func isNamed(_ other: String) -> Bool {
    let count = other.utf8.count
    return name.bytes.count >= count
      && zip(name.bytes, other.utf8).allSatisfy { $0.asciiLowercased == $1.asciiLowercased }
      && name.bytes[count...].allSatisfy { $0 == 0x20 || $0 == 0x09 }
  }
}
