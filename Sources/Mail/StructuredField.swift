// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Reads a structured field value from left to right (RFC 5322 §3.2): comments, quoted strings and
/// words. Never goes back, so its work is linear in the length of the value.
struct StructuredField {
  private let bytes: [UInt8]
  private(set) var index = 0

  /// Comments may be nested so deep; deeper ones are not closed.
  static let maximumNesting = 50

  init(_ text: MailText) { bytes = text.bytes }

  var isAtEnd: Bool { index >= bytes.count }
  /// The byte that comes next.
  var next: UInt8? { bytes.indices.contains(index) ? bytes[index] : nil }

  /// Skips `byte` if it is the next one.
  mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    index += 1
    return true
  }

  static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  /// Skips white space and comments; the text of the comments, nil when one is not closed.
  mutating func skipSpace() -> [MailText]? {
    var comments: [MailText] = []
    while let byte = next {
      if Self.isSpace(byte) {
        index += 1
      } else if byte == UInt8(ascii: "(") {
        guard let comment = comment() else { return nil }
        comments.append(comment)
      } else {
        break
      }
    }
    return comments
  }

  /// The text of a comment with those nested in it; nil when it is not closed.
  mutating func comment() -> MailText? {
    guard take(UInt8(ascii: "(")) else { return nil }
    var text: [UInt8] = []
    var depth = 1
    while let byte = next {
      index += 1
      if byte == UInt8(ascii: "\\"), let escaped = next {
        text.append(escaped)
        index += 1
        continue
      }
      if byte == UInt8(ascii: "(") { depth += 1 }
      if byte == UInt8(ascii: ")") { depth -= 1 }
      guard depth <= Self.maximumNesting else { return nil }
      if depth == 0 { return MailText(text) }
      text.append(byte)
    }
    return nil
  }

  /// The text within quotes; nil when they are not closed.
  mutating func quotedString() -> MailText? {
    guard take(UInt8(ascii: "\"")) else { return nil }
    var text: [UInt8] = []
    while let byte = next {
      index += 1
      if byte == UInt8(ascii: "\"") { return MailText(text) }
      if byte == UInt8(ascii: "\\"), let escaped = next {
        text.append(escaped)
        index += 1
      } else if byte != 0x0D, byte != 0x0A {
        text.append(byte)
      }
    }
    return nil
  }

  /// Bytes up to white space, a comment, a quote or one of `ends`; empty when there are none.
  mutating func word(until ends: Set<UInt8>) -> MailText {
    let start = index
    while let byte = next, !Self.isSpace(byte), byte != UInt8(ascii: "("),
      byte != UInt8(ascii: "\""), !ends.contains(byte)
    {
      index += 1
    }
    return MailText(bytes[start..<index])
  }
}
