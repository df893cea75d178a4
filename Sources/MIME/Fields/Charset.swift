// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Makes text of bytes by the label of a charset, as far as names of files need it: ASCII letters,
/// digits and dots come out right in every charset that mail programs know; of the rest, what
/// cannot be told is U+FFFD.
enum Charset {
  /// The text of `bytes` in the charset `label` as most programs read it; an unknown label is taken
  /// for Latin-1.
  static func text(_ bytes: some Collection<UInt8>, label: String) -> String {
    let family = CharsetFamily.named(label)?.first ?? .latin1
    return text(Array(bytes), family)
  }

  /// What programs can read in `bytes` under the charset `label`, the likeliest first; never empty.
  ///
  /// Nobody knows all labels that some library of charsets has. A label that is not known here is
  /// tried as one of every family of charsets; what has no extension then is no name to anybody.
  static func readings(_ bytes: some Collection<UInt8>, label: String) -> [String] {
    let bytes = Array(bytes)
    let families = CharsetFamily.named(label)
    var readings: [String] = []
    for family in families ?? CharsetFamily.allCases {
      let text = text(bytes, family)
      guard !readings.contains(text) else { continue }
      if families == nil, !readings.isEmpty, !mayBeName(text) { continue }
      readings.append(text)
    }
    return readings
  }

  /// Whether there is something like an extension, without a character that could not be told.
  private static func mayBeName(_ text: String) -> Bool {
    let end = text.unicodeScalars.reversed().prefix { !$0.isFullStop }
    return end.contains(where: \.isLatinLetter) && !end.contains("\u{FFFD}")
  }

  /// The text of `bytes` in a charset of the family.
  static func text(_ bytes: [UInt8], _ family: CharsetFamily) -> String {
    switch family {
    case .utf8: String(decoding: bytes, as: UTF8.self)
    case .latin1: latin1(bytes)
    case .utf7: utf7(bytes)
    case .utf7IMAP: utf7(bytes, shift: UInt8(ascii: "&"))
    case .utf16: utf16(bytes, isLittle: nil)
    case .utf16Big: utf16(bytes, isLittle: false)
    case .utf16Little: utf16(bytes, isLittle: true)
    case .utf32Big: utf32(bytes, isLittle: false)
    case .utf32Little: utf32(bytes, isLittle: true)
    case .ebcdic: EBCDIC.text(bytes, hasKatakana: false)
    case .ebcdicKatakana: EBCDIC.text(bytes, hasKatakana: true)
    case .iso2022: iso2022(bytes)
    case .shiftJIS: doubleByte(bytes, row: shiftJIS)
    case .row3: doubleByte(bytes, row: row3)
    }
  }

  /// The text of bytes without a label: UTF-8 where it is (RFC 6532), else Latin-1.
  static func text(_ bytes: some Collection<UInt8>) -> String {
    String(validating: bytes, as: UTF8.self) ?? latin1(bytes)
  }

  static func latin1(_ bytes: some Collection<UInt8>) -> String {
    // U+0080 to U+00FF take two bytes in UTF-8.
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count)
    for byte in bytes {
      if byte >= 0x80 { text.append(0xC0 | byte >> 6) }
      text.append(byte >= 0x80 ? 0x80 | byte & 0x3F : byte)
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Whether text in this charset looks different from ASCII as bytes.
  static func hidesASCII(_ label: String) -> Bool {
    switch CharsetFamily.named(label)?.first {
    case .utf7, .utf7IMAP, .utf16, .utf16Big, .utf16Little, .utf32Big, .utf32Little, .ebcdic,
      .ebcdicKatakana:
      true
    default: false
    }
  }

  /// `isLittle` is nil where the label says nothing of the order.
  private static func utf16(_ bytes: [UInt8], isLittle: Bool?) -> String {
    var bytes = bytes[...]
    // RFC 2781 §4.3 says big-endian, Windows writes little-endian: Latin text shows which.
    var isLittleHere = isLittle ?? (bytes.dropFirst().first == 0)
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      if isLittle == nil { isLittleHere = bytes.first == 0xFF }
      bytes = bytes.dropFirst(2)
    }
    let units = pairs(bytes).map { high, low in
      isLittleHere ? UInt16(low) << 8 | UInt16(high) : UInt16(high) << 8 | UInt16(low)
    }
    return String(decoding: units, as: UTF16.self)
  }

  private static func utf32(_ bytes: [UInt8], isLittle: Bool) -> String {
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

  // RFC 2152: "+" base64 of UTF-16 "-"; "+-" is a plus sign. RFC 3501 §5.1.3: the same with "&", and
  // a comma for the slash.
  private static func utf7(_ bytes: [UInt8], shift: UInt8 = UInt8(ascii: "+")) -> String {
    var text = ""
    var rest = bytes[...]
    while let byte = rest.popFirst() {
      guard byte == shift else {
        text.unicodeScalars.append(Unicode.Scalar(byte))
        continue
      }
      let run = rest.prefix {
        Base64Alphabet.value(of: $0) != nil || shift != UInt8(ascii: "+") && $0 == UInt8(ascii: ",")
      }
      rest = rest[run.endIndex...]
      let isClosed = rest.first == UInt8(ascii: "-")
      if isClosed { rest = rest.dropFirst() }
      if run.isEmpty {
        text.unicodeScalars.append(Unicode.Scalar(shift))
        continue
      }
      var units: [UInt16] = []
      var bits: UInt32 = 0
      var count = 0
      for digit in run.map({ Base64Alphabet.value(of: $0) ?? 63 }) {
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
}

extension Unicode.Scalar {
  /// Whether it stands before an extension for some system.
  fileprivate var isFullStop: Bool { [0x2E, 0x3002, 0xFF0E, 0xFF61, 0x2024].contains(value) }

  /// Whether it is an ASCII letter, of full width perhaps.
  fileprivate var isLatinLetter: Bool {
    let narrow = (0xFF01...0xFF5E).contains(value) ? value &- 0xFEE0 : value
    return (0x61...0x7A).contains(narrow | 0x20)
  }
}
