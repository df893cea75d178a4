// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Charsets in which ASCII letters, digits and dots, and those of full width, are encoded in the same
/// way.
enum CharsetFamily: CaseIterable {
  /// What ASCII letters are themselves in.
  case latin1
  case utf8, utf7, utf7IMAP
  /// UTF-16 in the order that its mark or its text shows.
  case utf16
  case utf16Big, utf16Little, utf32Big, utf32Little
  /// EBCDIC, and that of Japan with the small letters elsewhere.
  case ebcdic, ebcdicKatakana
  case iso2022, shiftJIS
  /// What GB 2312, KS X 1001, Big5 and EUC have in common.
  case row3

  /// Those that one label can mean several of.
  static let ambiguous: [Self] = [
    .utf16Big, .utf16Little, .utf32Big, .utf32Little, .ebcdic, .ebcdicKatakana,
  ]

  /// What programs take the label for, the likeliest first; nil when the label is not known.
  static func named(_ label: String) -> [Self]? {
    let letters = label.utf8.lazy.map(\.lowercasedASCII).filter {
      (0x30...0x39).contains($0) || (0x61...0x7A).contains($0)
    }
    let plain = String(decoding: Array(letters), as: UTF8.self)
    let name =
      prefixes.first { plain.hasPrefix($0) && plain != $0 }
      .map { String(plain.dropFirst($0.count)) } ?? plain
    if let family = unicode(name) { return family }
    if let family = page(name) { return family }
    if occurs("ebcdic", in: name) { return [.ebcdic, .ebcdicKatakana] }
    // ISO-2022-JP, -KR and -CN switch; HZ does within ASCII.
    if name.hasPrefix("iso2022") || name.hasPrefix("hz") { return [.iso2022] }
    if japanese.contains(where: name.hasPrefix) { return [.shiftJIS] }
    if chinese.contains(where: name.hasPrefix) { return [.row3] }
    return name == "ascii" || latin.contains(where: name.hasPrefix) ? [.latin1] : nil
  }

  // RFC 2978 §2.3: the names for C begin so; RFC 6648.
  private static let prefixes = ["cs", "x"]
  private static let japanese = ["shiftjis", "sjis", "windows31j", "mskanji"]
  private static let chinese = ["gb", "big5", "euc", "ksc", "ks", "johab", "windows949"]
  private static let latin = [
    "usascii", "iso8859", "isolatin", "iso646us", "ansix3", "latin", "windows125", "windows874",
    "koi8",
    "mac", "tis620", "viscii", "armscii",
  ]

  private static func occurs(_ word: String, in name: String) -> Bool {
    var rest = name.utf8[...]
    while rest.count >= word.utf8.count {
      if rest.starts(with: word.utf8) { return true }
      rest = rest.dropFirst()
    }
    return false
  }

  /// The family of a label of Unicode.
  private static func unicode(_ name: String) -> [Self]? {
    if occurs("utf8", in: name) { return [.utf8] }
    if occurs("utf7", in: name) { return occurs("imap", in: name) ? [.utf7IMAP] : [.utf7] }
    let isWide = ["utf32", "ucs4", "iso10646ucs4"].contains(where: name.hasPrefix)
    if isWide {
      return name.hasSuffix("le") ? [.utf32Little, .utf32Big] : [.utf32Big, .utf32Little]
    }
    guard ["utf16", "ucs2", "iso10646", "unicode"].contains(where: name.hasPrefix) else {
      return nil
    }
    if name.hasSuffix("le") { return [.utf16Little, .utf16Big] }
    if name.hasSuffix("be") { return [.utf16Big, .utf16Little] }
    return [.utf16, .utf16Big, .utf16Little]
  }

  /// The family of a code page of IBM or Windows by its number.
  private static func page(_ name: String) -> [Self]? {
    guard let prefix = ["windows", "ibm", "cp", "ms"].first(where: name.hasPrefix),
      let number = Int(name.dropFirst(prefix.count))
    else { return nil }
    switch number {
    case 65000: return [.utf7]
    case 65001: return [.utf8]
    case 1200: return [.utf16Little, .utf16Big]
    case 1201: return [.utf16Big, .utf16Little]
    case 12000, 12001: return [.utf32Little, .utf32Big]
    case 932, 943: return [.shiftJIS]
    case 936, 949, 950: return [.row3]
    case 437, 720, 737, 775, 850, 852, 855...869, 874, 1250...1258: return [.latin1]
    case 290, 930, 1390: return [.ebcdicKatakana, .ebcdic]
    case 37, 38, 256, 273...297, 420...424, 500, 870, 871, 875, 880, 905, 918, 924, 1025...1026,
      1047, 1140...1149:
      return [.ebcdic]
    default: return nil
    }
  }
}

/// Text in the EBCDIC of any country, as far as the countries agree.
enum EBCDIC {
  /// The text of `bytes`; `hasKatakana` says that small letters stand where code page 290 has them.
  static func text(_ bytes: [UInt8], hasKatakana: Bool) -> String {
    let scalars = hasKatakana ? withKatakana : withoutKatakana
    var text = String.UnicodeScalarView()
    text.reserveCapacity(bytes.count)
    for byte in bytes { text.append(scalars[Int(byte)]) }
    return String(text)
  }

  private static let withoutKatakana = table(hasKatakana: false)
  private static let withKatakana = table(hasKatakana: true)

  private static func table(hasKatakana: Bool) -> [Unicode.Scalar] {
    (UInt8.min...UInt8.max).map { byte in
      scalar(byte) ?? small(byte, hasKatakana) ?? unseen(byte, hasKatakana) ?? sign(byte)
        ?? "\u{FFFD}"
    }
  }

  /// Capitals, digits and what names have between them stand at the same places everywhere.
  private static func scalar(_ byte: UInt8) -> Unicode.Scalar? {
    switch byte {
    case 0xC1...0xC9: Unicode.Scalar(0x41 &+ byte &- 0xC1)
    case 0xD1...0xD9: Unicode.Scalar(0x4A &+ byte &- 0xD1)
    case 0xE2...0xE9: Unicode.Scalar(0x53 &+ byte &- 0xE2)
    case 0xF0...0xF9: Unicode.Scalar(0x30 &+ byte &- 0xF0)
    case 0x4B: "."
    case 0x40: " "
    case 0x60: "-"
    case 0x6D: "_"
    default: nil
    }
  }

  private static func small(_ byte: UInt8, _ hasKatakana: Bool) -> Unicode.Scalar? {
    guard hasKatakana else {
      switch byte {
      case 0x81...0x89: return Unicode.Scalar(0x61 &+ byte &- 0x81)
      case 0x91...0x99: return Unicode.Scalar(0x6A &+ byte &- 0x91)
      case 0xA2...0xA9: return Unicode.Scalar(0x73 &+ byte &- 0xA2)
      default: return nil
      }
    }
    switch byte {
    case 0x62...0x69: return Unicode.Scalar(0x61 &+ byte &- 0x62)
    case 0x71...0x78: return Unicode.Scalar(0x69 &+ byte &- 0x71)
    case 0x8B: return "q"
    case 0x9B: return "r"
    case 0xAB: return "s"
    case 0xB3...0xB9: return Unicode.Scalar(0x74 &+ byte &- 0xB3)
    default: return nil
    }
  }

  /// What systems drop from names.
  private static func unseen(_ byte: UInt8, _ hasKatakana: Bool) -> Unicode.Scalar? {
    switch byte {
    case 0x00: "\0"
    case 0x05, 0x0B...0x0D, 0x15, 0x25: " "
    case 0x01...0x3F, 0xFF: "\u{1}"
    // A full stop of half width, or a space that does not break.
    case 0x41: hasKatakana ? "\u{FF61}" : "\u{A0}"
    case 0xCA: "\u{AD}"
    default: nil
    }
  }

  private static func sign(_ byte: UInt8) -> Unicode.Scalar? {
    signs.first { $0.byte == byte }?.scalar
  }

  private static let signs: [(byte: UInt8, scalar: Unicode.Scalar)] = [
    (0x4C, "<"), (0x4D, "("), (0x4E, "+"), (0x50, "&"), (0x5C, "*"), (0x5D, ")"), (0x5E, ";"),
    (0x61, "/"), (0x6B, ","), (0x6C, "%"), (0x6E, ">"), (0x6F, "?"), (0x7A, ":"), (0x7D, "'"),
    (0x7E, "="), (0x7F, "\""),
  ]
}
