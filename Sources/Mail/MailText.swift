// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Bytes that came from a peer: a HELO name, an address, a header value.
///
/// SMTP text is bytes, not Unicode: turning 0xE9 into a `String` and back makes three other bytes
/// of it, and the MTA would no longer recognise the recipient to delete or the header to change.
/// So the bytes are kept as they came, and `description` is for people only.
public struct MailText: Codable, Sendable, Hashable {
  /// The bytes as they came, without a terminating NUL.
  public var bytes: [UInt8]

  /// Keeps `bytes` as they are.
  public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  /// The UTF-8 bytes of `text`.
  public init(_ text: String) { bytes = Array(text.utf8) }

  /// Whether there is no byte at all.
  public var isEmpty: Bool { bytes.isEmpty }

  /// The text with ASCII letters in lower case; other bytes stay.
  public var lowercased: MailText {
    // Nearly every name is already.
    bytes.contains { $0.isASCIIUpperCase } ? MailText(bytes.map(\.asciiLowercased)) : self
  }

  /// The name by which a domain is compared and looked up: in lower case, and without the final dot
  /// that MTAs accept though an address must have none (RFC 5321 §2.3.5).
  public var domainKey: MailText { withoutFinalDots.lowercased }

  /// Without dots at the end, unless it is nothing but dots.
  var withoutFinalDots: MailText {
    guard bytes.last == UInt8(ascii: "."),
      let end = bytes.lastIndex(where: { $0 != UInt8(ascii: ".") })
    else { return self }
    return MailText(bytes[...end])
  }
}

extension MailText {
  /// Hashes all bytes at once: an array would hash one after the other.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(bytes.count)
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}

extension UInt8 {
  /// Whether this is one of `A` to `Z`.
  var isASCIIUpperCase: Bool { (0x41...0x5A).contains(self) }

  /// An ASCII letter in lower case; any other byte as it is.
  var asciiLowercased: UInt8 { isASCIIUpperCase ? self | 0x20 : self }
}

extension MailText: CustomStringConvertible {
  /// The text for people, safe in a log or on a terminal: bytes that are not UTF-8, control
  /// characters and invisible or direction-changing ones stand as `\xNN` for each byte, a
  /// backslash as `\\`.
  public var description: String {
    // Nearly every HELO name and address is plain ASCII.
    if bytes.allSatisfy({ (0x20...0x7E).contains($0) && $0 != 0x5C }) {
      return String(decoding: bytes, as: UTF8.self)
    }
    var out = ""
    var index = 0
    while index < bytes.count {
      guard let (scalar, length) = Self.scalar(in: bytes[index...]) else {
        out += Self.escaped(bytes[index..<index + 1])
        index += 1
        continue
      }
      if scalar == "\\" {
        out += "\\\\"
      } else if scalar.isVisible {
        out.unicodeScalars.append(scalar)
      } else {
        out += Self.escaped(bytes[index..<index + length])
      }
      index += length
    }
    return out
  }

  /// The text that `description` shows as `shown`; what is no escape of its stands as it is.
  public init(shown: String) {
    let source = Array(shown.utf8)
    var bytes: [UInt8] = []
    var index = 0
    while index < source.count {
      let rest = source[index...]
      if rest.starts(with: #"\\"#.utf8) {
        bytes.append(source[index])
        index += 2
      } else if rest.starts(with: #"\x"#.utf8), rest.count >= 4,
        let byte = UInt8(String(decoding: rest.dropFirst(2).prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(byte)
        index += 4
      } else {
        bytes.append(source[index])
        index += 1
      }
    }
    self.init(bytes)
  }

  /// The character that begins `bytes` and how many bytes it takes, nil when they are no UTF-8.
  private static func scalar(in bytes: ArraySlice<UInt8>) -> (Unicode.Scalar, Int)? {
    guard let lead = bytes.first else { return nil }
    let length: Int
    switch lead {
    case 0x00...0x7F: length = 1
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF: length = 3
    case 0xF0...0xF4: length = 4
    default: return nil
    }
    guard bytes.count >= length,
      let text = String(validating: bytes.prefix(length), as: UTF8.self),
      let scalar = text.unicodeScalars.first
    else { return nil }
    return (scalar, length)
  }

  private static func escaped(_ bytes: ArraySlice<UInt8>) -> String {
    let digits = Array("0123456789ABCDEF")
    // A nibble always is a valid index of 16 digits.
    return bytes.map { "\\x\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined()
  }
}

extension Unicode.Scalar {
  /// Whether a terminal shows it and nothing else happens: no control character, no invisible one,
  /// none that turns the direction of what follows.
  public var isVisible: Bool {
    // Without the tables of Unicode: nearly all text that is written is ASCII.
    if isASCII { return value >= 0x20 && value != 0x7F }
    return switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
      .unassigned:
      false
    default: true
    }
  }
}

extension MailText: ExpressibleByStringLiteral {
  /// The UTF-8 bytes of the literal.
  public init(stringLiteral value: String) { self.init(value) }
}
