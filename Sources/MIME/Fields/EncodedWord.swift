// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Decodes the encoded words of RFC 2047 wherever they stand, as mail programs do: inside quotes, in
/// the middle of a word, with spaces in them, without a space between them.
///
///     =?utf-8?Q?caf=C3=A9?=
package enum EncodedWord {
  /// Whether there can be one.
  package static func occurs(in text: some Collection<UInt8>) -> Bool {
    zip(text, text.dropFirst()).contains { $0 == equals && $1 == question }
  }

  /// The text with all encoded words decoded; what is none stays.
  ///
  /// White space between two of them goes (§6.2); two in the same charset are decoded together, so
  /// that a character may begin in one and end in the next.
  package static func decode(_ text: ArraySlice<UInt8>) -> String {
    var result = ""
    var pending: (charset: String, bytes: [UInt8])?
    var plain: [UInt8] = []
    func flush() {
      if let word = pending { result += Charset.text(word.bytes, label: word.charset) }
      pending = nil
    }
    var rest = text
    // Up to where no end of a word was found: to look there again for each beginning would be
    // quadratic.
    var searched = text.startIndex
    while let byte = rest.first {
      guard byte == equals, let word = Word(rest, searched: &searched) else {
        plain.append(byte)
        rest = rest.dropFirst()
        continue
      }
      rest = rest[word.end...]
      let isBetween = pending != nil && plain.allSatisfy(\.isSpace)
      if !isBetween {
        flush()
        result += Charset.text(plain)
      }
      plain = []
      if pending?.charset == word.charset {
        pending?.bytes += word.bytes
      } else {
        flush()
        pending = (word.charset, word.bytes)
      }
    }
    flush()
    return result + Charset.text(plain)
  }

  private static let equals = UInt8(ascii: "=")
  private static let question = UInt8(ascii: "?")

  // RFC 2047 §2: "=?" charset "?" encoding "?" encoded-text "?="; RFC 2231 §5: charset "*" language.
  private struct Word {
    var charset: String
    var bytes: [UInt8]
    var end: Int

    /// The encoded word that begins `text`, nil when there is none.
    init?(_ text: ArraySlice<UInt8>, searched: inout Int) {
      let rest = text.dropFirst()
      guard rest.first == question else { return nil }
      // A charset has a short name: looking far for the question mark would be quadratic.
      let label = rest.dropFirst().prefix(80).prefix { $0 != question && !$0.isSpace }
      var behind = rest[label.endIndex...].dropFirst()
      guard !label.isEmpty, let encoding = behind.popFirst(), behind.popFirst() == question else {
        return nil
      }
      guard let close = Self.end(of: behind, &searched) else { return nil }
      let encoded = behind[..<close]
      switch encoding.lowercasedASCII {
      case UInt8(ascii: "b"): bytes = Base64Alphabet.decode(encoded)
      case UInt8(ascii: "q"): bytes = Self.decodeQ(encoded)
      default: return nil
      }
      charset = String(
        decoding: label.prefix { $0 != UInt8(ascii: "*") }.map(\.lowercasedASCII), as: UTF8.self)
      end = close &+ 2
    }

    /// Where `?=` ends the encoded text. RFC 2047 §2 allows 75 bytes; some programs write and read
    /// much more.
    private static func end(of text: ArraySlice<UInt8>, _ searched: inout Int) -> Int? {
      let window = text.prefix(4096)
      var index = max(window.startIndex, searched)
      while index &+ 1 < window.endIndex {
        if window[index] == question, window[index &+ 1] == equals { return index }
        index &+= 1
      }
      searched = max(searched, index)
      return nil
    }

    // RFC 2047 §4.2.
    private static func decodeQ(_ text: ArraySlice<UInt8>) -> [UInt8] {
      var bytes: [UInt8] = []
      var rest = text
      while let byte = rest.popFirst() {
        if byte == equals, let value = HexDigits.value(rest) {
          bytes.append(value)
          rest = rest.dropFirst(2)
        } else {
          bytes.append(byte == UInt8(ascii: "_") ? 0x20 : byte)
        }
      }
      return bytes
    }
  }
}

/// Two hexadecimal digits.
enum HexDigits {
  /// The value of the two digits that begin `text`, nil when they are none.
  static func value(_ text: ArraySlice<UInt8>) -> UInt8? {
    guard let high = text.first.flatMap(digit), let low = text.dropFirst().first.flatMap(digit)
    else { return nil }
    return high << 4 | low
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte &- 0x30
    case 0x41...0x46: byte &- 0x37
    case 0x61...0x66: byte &- 0x57
    default: nil
    }
  }

  /// The bytes with every `%XX` decoded (RFC 2231 §4); a percent sign without digits stays.
  static func percentDecoded(_ text: some Collection<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var rest = Array(text)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let value = value(rest) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return bytes
  }
}

/// The alphabet of base64 (RFC 4648 §4), for short texts.
enum Base64Alphabet {
  static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case 0x41...0x5A: byte &- 0x41
    case 0x61...0x7A: byte &- 0x47
    case 0x30...0x39: byte &+ 4
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }

  /// The bytes of a short base64 text; what is not in the alphabet is skipped, padding ends a group.
  static func decode(_ text: some Collection<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for byte in text {
      if byte == UInt8(ascii: "=") { count = 0 }
      guard let digit = value(of: byte) else { continue }
      bits = (bits << 6 | UInt32(digit)) & 0xFF_FFFF
      count &+= 6
      if count >= 8 {
        count &-= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return bytes
  }
}
