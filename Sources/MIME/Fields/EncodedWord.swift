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

  /// How programs put together words that have nothing but white space between them (§6.2) and the
  /// same charset.
  private enum Joining: CaseIterable {
    /// The bytes, so that a character may begin in one and end in the next.
    case bytes
    /// The encoded text: the decoder goes on, so that a group of base64 may be split.
    case encoded
    /// Each is decoded by itself, as RFC 2047 §5 says.
    case none
  }

  /// The text with all encoded words decoded; what is none stays.
  package static func decode(_ text: ArraySlice<UInt8>) -> String {
    decoded(pieces(of: text), .bytes, nil)
  }

  /// Bytes of a text that is decoded in every way; no file system has longer names.
  static let longest = 4 &* PartName.longest

  /// The text in every way in which programs decode it, the commonest first; at most 3 ways to join
  /// words times the families of charsets. Adds to `cost` what all of them come to, in bytes read.
  static func readings(_ text: ArraySlice<UInt8>, cost: inout Int) -> [String] {
    let pieces = pieces(of: text)
    var readings: [String] = []
    var families: [CharsetFamily?] = [nil]
    // A label that is not known is tried as one of every family, the same for all such words.
    if pieces.contains(where: { $0.word.map { $0.families == nil } == true }) {
      families += CharsetFamily.allCases
    } else if pieces.contains(where: { ($0.word?.families?.count ?? 0) > 1 }) {
      families += CharsetFamily.ambiguous
    }
    let hasNeighbours = zip(pieces, pieces.dropFirst()).contains {
      $0.word != nil && $1.word != nil
    }
    let joinings = hasNeighbours ? Joining.allCases : [.bytes]
    // To decode a byte again is cheap beside reading a parameter.
    let more = joinings.count &* families.count &- 1
    cost &+= (text.count &+ pieces.count &* 16) &* more / 2
    for joining in joinings {
      for family in families {
        let reading = decoded(pieces, joining, family)
        if !readings.contains(reading) { readings.append(reading) }
      }
    }
    return readings
  }

  /// Plain text, or an encoded word.
  private struct Piece {
    var plain = ""
    var word: Word?
  }

  /// The text taken apart, without the white space between two words.
  private static func pieces(of text: ArraySlice<UInt8>) -> [Piece] {
    var pieces: [Piece] = []
    var plain: [UInt8] = []
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
      let isBetween = pieces.last?.word != nil && plain.allSatisfy(\.isSpace)
      if !isBetween, !plain.isEmpty { pieces.append(Piece(plain: Charset.text(plain))) }
      plain = []
      pieces.append(Piece(word: word))
    }
    if !plain.isEmpty { pieces.append(Piece(plain: Charset.text(plain))) }
    return pieces
  }

  /// The text of pieces; `family` takes the place of labels that are not known, or that can mean
  /// several families of which it is one.
  private static func decoded(
    _ pieces: [Piece], _ joining: Joining, _ family: CharsetFamily?
  ) -> String {
    var result = ""
    var run: [Word] = []
    func flush() {
      guard let first = run.first else { return }
      let isTogether = joining == .encoded
      let bytes =
        isTogether
        ? Word.decode(run.flatMap(\.encoded), first.encoding) : run.flatMap { $0.decoded }
      run = []
      let known = first.families
      if let family, known?.contains(family) ?? true {
        result += Charset.text(bytes, family)
      } else {
        result += Charset.text(bytes, known?.first ?? .latin1)
      }
    }
    for piece in pieces {
      guard let word = piece.word else {
        flush()
        result += piece.plain
        continue
      }
      let goesOn =
        joining != .none && run.last?.charset == word.charset
        && (joining == .bytes || run.last?.encoding == word.encoding)
      if !goesOn { flush() }
      run.append(word)
    }
    flush()
    return result
  }

  private static let equals = UInt8(ascii: "=")
  private static let question = UInt8(ascii: "?")

  // RFC 2047 §2: "=?" charset "?" encoding "?" encoded-text "?="; RFC 2231 §5: charset "*" language.
  private final class Word {
    let charset: String
    /// What programs take the charset for, nil when it is not known.
    let families: [CharsetFamily]?
    /// `b` or `q`.
    let encoding: UInt8
    let encoded: ArraySlice<UInt8>
    let decoded: [UInt8]
    let end: Int

    /// The encoded word that begins `text`, nil when there is none.
    init?(_ text: ArraySlice<UInt8>, searched: inout Int) {
      let rest = text.dropFirst()
      guard rest.first == question else { return nil }
      // The next word begins behind the question mark: no byte is looked at twice.
      let label = rest.dropFirst().prefix { $0 != question && !$0.isSpace }
      var behind = rest[label.endIndex...].dropFirst()
      guard !label.isEmpty, let encoding = behind.popFirst()?.lowercasedASCII,
        behind.popFirst() == question,
        encoding == UInt8(ascii: "b") || encoding == UInt8(ascii: "q"),
        let close = Self.end(of: behind, &searched)
      else { return nil }
      self.encoding = encoding
      encoded = behind[..<close]
      decoded = Self.decode(encoded, encoding)
      charset = String(
        decoding: label.prefix { $0 != UInt8(ascii: "*") }.map(\.lowercasedASCII), as: UTF8.self)
      families = CharsetFamily.named(charset)
      end = close &+ 2
    }

    /// Where `?=` ends the encoded text. RFC 2047 §2 allows 75 bytes; some programs write and read
    /// much more.
    private static func end(of text: ArraySlice<UInt8>, _ searched: inout Int) -> Int? {
      var index = max(text.startIndex, searched)
      while index &+ 1 < text.endIndex {
        if text[index] == question, text[index &+ 1] == equals { return index }
        index &+= 1
      }
      searched = max(searched, index)
      return nil
    }

    static func decode(_ text: some Collection<UInt8>, _ encoding: UInt8) -> [UInt8] {
      encoding == UInt8(ascii: "b") ? Base64Alphabet.decode(text) : decodeQ(text)
    }

    // RFC 2047 §4.2.
    private static func decodeQ(_ text: some Collection<UInt8>) -> [UInt8] {
      var bytes: [UInt8] = []
      var rest = Array(text)[...]
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
    var digitsLeft = 0
    var high: UInt8 = 0
    for byte in text {
      bytes.append(byte)
      if byte == UInt8(ascii: "%") {
        digitsLeft = 2
      } else if digitsLeft > 0, let digit = digit(byte) {
        digitsLeft &-= 1
        guard digitsLeft == 0 else {
          high = digit
          continue
        }
        bytes.removeLast(3)
        bytes.append(high << 4 | digit)
      } else {
        digitsLeft = 0
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
