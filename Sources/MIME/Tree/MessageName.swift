// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension PartName {
  /// Whether the name says that the content is a message, `.eml` or `.mht`, once programs and
  /// systems have left out what they leave out of names.
  var saysMessage: Bool {
    var plain: [UInt8] = []
    for scalar in text.unicodeScalars {
      // A program in C sees the name up to the NUL, others skip it.
      if scalar.value == 0, Self.endsAsMessage(plain[...]) { return true }
      if let byte = Self.plain(scalar) { plain.append(byte) }
    }
    // `name.eml::$DATA`, `name.txt:name.eml`: alternate data streams of NTFS.
    return Self.endsAsMessage(plain[...])
      || plain.contains(UInt8(ascii: ":"))
        && plain.split(separator: UInt8(ascii: ":")).contains(where: Self.endsAsMessage)
  }

  private static let messageExtensions = [".eml", ".mht", ".mhtml", ".nws"].map { Array($0.utf8) }

  /// What becomes of a character: ASCII in lower case, nil of one that cannot be seen, 0xFF of
  /// others.
  private static func plain(_ scalar: Unicode.Scalar) -> UInt8? {
    switch scalar.value {
    case 0x09...0x0D, 0x20, 0x85: return UInt8(ascii: " ")
    case 0x21...0x7E: return UInt8(truncatingIfNeeded: scalar.value).lowercasedASCII
    case 0xFF01...0xFF5E:  // full-width ASCII
      return UInt8(truncatingIfNeeded: scalar.value &- 0xFEE0).lowercasedASCII
    case 0x3002, 0xFF61, 0x2024, 0xFE52, 0x06D4, 0x0701, 0x0702, 0xA60E:
      return UInt8(ascii: ".")  // full stops of other scripts and sizes
    case 0xA789, 0x2236, 0xFE55, 0xFE13: return UInt8(ascii: ":")
    default: break
    }
    let properties = scalar.properties
    if properties.isWhitespace { return UInt8(ascii: " ") }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return nil
    default: return properties.isDefaultIgnorableCodePoint ? nil : 0xFF
    }
  }

  private static func endsAsMessage(_ name: ArraySlice<UInt8>) -> Bool {
    var name = trimmed(name)
    // `name.eml;1`: VMS and ISO 9660 number versions.
    if let semicolon = name.lastIndex(of: UInt8(ascii: ";")),
      name[(semicolon &+ 1)...].allSatisfy({ (0x30...0x39).contains($0) })
    {
      name = trimmed(name[..<semicolon])
    }
    return messageExtensions.contains { name.suffix($0.count).elementsEqual($0) }
  }

  /// The name without what systems drop at its end, or do not allow there.
  private static func trimmed(_ name: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = name
    while let last = rest.last, dropped.contains(last) { rest = rest.dropLast() }
    return rest
  }

  private static let dropped = Set(". \"'<>|?*`,;)]/\\".utf8)
}
