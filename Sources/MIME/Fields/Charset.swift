// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Makes text of bytes by the label of a charset, as far as names of files need it: ASCII letters,
/// digits and dots come out right in every charset that mail programs know; of the rest, what
/// cannot be told is U+FFFD.
enum Charset {
  /// The text of `bytes` in the charset `label`; an unknown label is taken for Latin-1.
  static func text(_ bytes: some Collection<UInt8>, label: String) -> String {
    let bytes = Array(bytes)
    let label = label.lowercased()
    let plain = label.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
    switch plain {
    case "utf8", "unicode11utf8", "unicode20utf8": return String(decoding: bytes, as: UTF8.self)
    case "utf7", "unicode11utf7", "unicode20utf7": return utf7(bytes)
    case "utf16", "utf16be", "utf16le", "ucs2", "ucs2be", "ucs2le", "iso10646ucs2", "unicode",
      "unicodefffe":
      return utf16(bytes, plain)
    case "utf32", "utf32be", "utf32le", "ucs4", "ucs4be", "ucs4le", "iso10646ucs4":
      return utf32(bytes, plain)
    case "ibm037", "cp037", "ibm500", "cp500", "ibm1047", "cp1047", "ebcdiccpus", "ibm1140",
      "cp1140":
      return ebcdic(bytes)
    default: break
    }
    if plain.hasPrefix("iso2022") || plain == "hzgb2312" { return iso2022(bytes) }
    if plain.hasPrefix("shiftjis") || plain.hasPrefix("sjis") || plain == "cp932"
      || plain == "windows31j" || plain == "mskanji"
    {
      return doubleByte(bytes, row: shiftJIS)
    }
    if ["gb", "big5", "euc", "ksc", "ks", "cp936", "cp949", "cp950", "johab", "windows949"]
      .contains(where: plain.hasPrefix)
    {
      return doubleByte(bytes, row: row3)
    }
    return latin1(bytes)
  }

  /// The text of bytes without a label: UTF-8 where it is (RFC 6532), else Latin-1.
  static func text(_ bytes: some Collection<UInt8>) -> String {
    String(validating: bytes, as: UTF8.self) ?? latin1(bytes)
  }

  static func latin1(_ bytes: some Collection<UInt8>) -> String {
    var text = String.UnicodeScalarView()
    for byte in bytes { text.append(Unicode.Scalar(byte)) }
    return String(text)
  }

  /// Whether text in this charset looks different from ASCII as bytes.
  static func hidesASCII(_ label: String) -> Bool {
    let plain = label.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
    return ["utf16", "utf32", "utf7", "ucs", "iso10646", "unicode", "ibm", "cp037", "cp500", "cp1"]
      .contains(where: plain.hasPrefix)
  }

  private static func utf16(_ bytes: [UInt8], _ label: String) -> String {
    var bytes = bytes[...]
    var isLittle = label.hasSuffix("le")
    if bytes.starts(with: [0xFF, 0xFE]) {
      isLittle = true
      bytes = bytes.dropFirst(2)
    } else if bytes.starts(with: [0xFE, 0xFF]) {
      isLittle = false
      bytes = bytes.dropFirst(2)
    } else if !label.hasSuffix("le"), !label.hasSuffix("be") {
      // RFC 2781 §4.3 says big-endian, Windows writes little-endian: Latin text shows which.
      isLittle = bytes.dropFirst().first == 0
    }
    let units = pairs(bytes).map { high, low in
      isLittle ? UInt16(low) << 8 | UInt16(high) : UInt16(high) << 8 | UInt16(low)
    }
    return String(decoding: units, as: UTF16.self)
  }

  private static func utf32(_ bytes: [UInt8], _ label: String) -> String {
    let isLittle =
      label.hasSuffix("le") || bytes.starts(with: [0xFF, 0xFE, 0, 0])
      || (!label.hasSuffix("be") && bytes.first.map { $0 != 0 } == true)
    let halves = pairs(bytes[...]).map { UInt32($0) << 8 | UInt32($1) }
    var text = String.UnicodeScalarView()
    for (first, second) in pairs(halves[...]) {
      let value = isLittle ? (second << 16 | first) : (first << 16 | second)
      let swapped = (value & 0x00FF_00FF) << 8 | (value & 0xFF00_FF00) >> 8
      let scalar = Unicode.Scalar(isLittle ? swapped : value)
      if scalar?.value != 0xFEFF { text.append(scalar ?? "\u{FFFD}") }
    }
    return String(text)
  }

  /// The elements two by two; a last one without partner is left out.
  private static func pairs<T>(_ elements: ArraySlice<T>) -> [(T, T)] {
    var result: [(T, T)] = []
    result.reserveCapacity(elements.count / 2)
    var first: T?
    for element in elements {
      if let waiting = first {
        result.append((waiting, element))
        first = nil
      } else {
        first = element
      }
    }
    return result
  }

  // RFC 2152: "+" base64 of UTF-16 "-"; "+-" is a plus sign.
  private static func utf7(_ bytes: [UInt8]) -> String {
    var text = ""
    var rest = bytes[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "+") else {
        text.unicodeScalars.append(Unicode.Scalar(byte))
        continue
      }
      let run = rest.prefix { Base64Alphabet.value(of: $0) != nil }
      rest = rest[run.endIndex...]
      let isClosed = rest.first == UInt8(ascii: "-")
      if isClosed { rest = rest.dropFirst() }
      if run.isEmpty {
        text += "+"
        continue
      }
      var units: [UInt16] = []
      var bits: UInt32 = 0
      var count = 0
      for digit in run.compactMap({ Base64Alphabet.value(of: $0) }) {
        bits = (bits << 6 | UInt32(digit)) & 0xFF_FFFF
        count &+= 6
        if count >= 16 {
          count &-= 16
          units.append(UInt16(truncatingIfNeeded: bits >> UInt32(count)))
        }
      }
      text += String(decoding: units, as: UTF16.self)
    }
    return text
  }

  // RFC 1468, RFC 1922: ESC and a few bytes switch; the full-width forms are in row 3.
  private static func iso2022(_ bytes: [UInt8]) -> String {
    var text = String.UnicodeScalarView()
    var isWide = false
    var rest = bytes[...]
    while let byte = rest.popFirst() {
      if byte == 0x1B {
        // ESC, intermediate bytes 0x20-0x2F, a final byte; "$" announces two bytes a character.
        let intermediate = rest.prefix { (0x20...0x2F).contains($0) }
        rest = rest[intermediate.endIndex...].dropFirst()
        isWide = intermediate.first == UInt8(ascii: "$")
      } else if byte == UInt8(ascii: "~"), rest.first == UInt8(ascii: "{") {
        rest = rest.dropFirst()
        isWide = true
      } else if isWide, byte == UInt8(ascii: "~"), rest.first == UInt8(ascii: "}") {
        rest = rest.dropFirst()
        isWide = false
      } else if isWide, byte > 0x20, let second = rest.popFirst() {
        text.append(row3(byte | 0x80, second | 0x80))
      } else {
        text.append(Unicode.Scalar(byte))
      }
    }
    return String(text)
  }

  private static func doubleByte(
    _ bytes: [UInt8], row: (UInt8, UInt8) -> Unicode.Scalar
  ) -> String {
    var text = String.UnicodeScalarView()
    var rest = bytes[...]
    while let byte = rest.popFirst() {
      // A lead byte takes the next with it, unless that is a control character or a dot, which no
      // trail byte is.
      if byte >= 0x81, byte != 0xFF, let second = rest.first, second >= 0x30 {
        rest = rest.dropFirst()
        text.append(row(byte, second))
      } else {
        text.append(Unicode.Scalar(byte))
      }
    }
    return String(text)
  }

  /// GB 2312, JIS X 0208 and KS X 1001 in their 8-bit forms have full-width ASCII in row 3, the
  /// full stops in row 1.
  private static func row3(_ lead: UInt8, _ trail: UInt8) -> Unicode.Scalar {
    if lead == 0xA3, trail >= 0xA1, trail != 0xFF {
      return Unicode.Scalar(0xFF01 + UInt32(trail &- 0xA1)) ?? "\u{FFFD}"
    }
    if lead == 0xA1, trail == 0xA3 || trail == 0xA5 { return "\u{FF0E}" }
    return "\u{FFFD}"
  }

  private static func shiftJIS(_ lead: UInt8, _ trail: UInt8) -> Unicode.Scalar {
    switch (lead, trail) {
    case (0x82, 0x4F...0x58): Unicode.Scalar(0xFF10 + UInt32(trail &- 0x4F)) ?? "\u{FFFD}"
    case (0x82, 0x60...0x79): Unicode.Scalar(0xFF21 + UInt32(trail &- 0x60)) ?? "\u{FFFD}"
    case (0x82, 0x81...0x9A): Unicode.Scalar(0xFF41 + UInt32(trail &- 0x81)) ?? "\u{FFFD}"
    case (0x81, 0x42), (0x81, 0x44): "\u{FF0E}"
    default: "\u{FFFD}"
    }
  }

  /// Letters, digits and what names have between them stand at the same places in all of these.
  private static func ebcdic(_ bytes: [UInt8]) -> String {
    var text = String.UnicodeScalarView()
    for byte in bytes {
      switch byte {
      case 0x81...0x89: text.append(Unicode.Scalar(0x61 &+ byte &- 0x81))
      case 0x91...0x99: text.append(Unicode.Scalar(0x6A &+ byte &- 0x91))
      case 0xA2...0xA9: text.append(Unicode.Scalar(0x73 &+ byte &- 0xA2))
      case 0xC1...0xC9: text.append(Unicode.Scalar(0x41 &+ byte &- 0xC1))
      case 0xD1...0xD9: text.append(Unicode.Scalar(0x4A &+ byte &- 0xD1))
      case 0xE2...0xE9: text.append(Unicode.Scalar(0x53 &+ byte &- 0xE2))
      case 0xF0...0xF9: text.append(Unicode.Scalar(0x30 &+ byte &- 0xF0))
      case 0x4B: text.append(".")
      case 0x40: text.append(" ")
      case 0x60: text.append("-")
      case 0x6D: text.append("_")
      default: text.append("\u{FFFD}")
      }
    }
    return String(text)
  }
}
