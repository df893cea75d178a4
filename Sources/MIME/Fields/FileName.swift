// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The names under which a file can come to lie on a disk when a program is given `text` to name it.
///
/// Programs and systems change names in their own ways: they cut at NUL, drop what cannot be seen,
/// take the last segment of a path, drop dots and spaces at the end. Each form is compared.
package enum FileName {
  /// Names longer than this are cut to their end; no file system has longer ones.
  static let longest = PartName.longest

  /// All forms of a name in lower case, without repetitions.
  package static func forms(of text: String) -> [String] {
    if let simple = simpleForm(of: text) { return simple.isEmpty ? [] : [simple] }
    let scalars = Array(text.unicodeScalars.suffix(longest))
    var forms: [String] = []
    var readings = [scalars]
    if let end = scalars.firstIndex(where: { $0.value == 0 }) {
      // A program in C sees the name up to the NUL, others skip it.
      readings.append(Array(scalars[..<end]))
    }
    for reading in readings {
      var plain: [Unicode.Scalar] = []
      plain.reserveCapacity(reading.count)
      for scalar in reading { fold(scalar, into: &plain) }
      for segment in segments(of: plain) {
        let form = String(String.UnicodeScalarView(trimmed(segment)))
        if !form.isEmpty, !forms.contains(form) { forms.append(form) }
      }
    }
    return forms
  }

  /// The one form of a name of nothing but letters, digits and harmless signs, nil for others. Nearly
  /// every name is one of these.
  private static func simpleForm(of text: String) -> String? {
    guard text.utf8.count <= 255 else { return nil }
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "-"),
        UInt8(ascii: "_"), UInt8(ascii: "="):
        continue
      default: return nil
      }
    }
    guard text.utf8.last != UInt8(ascii: ".") else { return nil }
    return text.lowercased()
  }

  /// Adds what becomes of a character: nothing of one that cannot be seen; ASCII of one that looks
  /// like it and that systems turn into it; else lower case.
  private static func fold(_ scalar: Unicode.Scalar, into plain: inout [Unicode.Scalar]) {
    let value = scalar.value
    switch value {
    case 0x41...0x5A: plain.append(Unicode.Scalar(UInt8(value | 0x20)))
    case 0x20...0x7E: plain.append(scalar)
    case 0x09...0x0D, 0x85: plain.append(" ")
    case 0xFF01...0xFF5E:  // full-width ASCII
      if let narrow = Unicode.Scalar(value &- 0xFEE0) { fold(narrow, into: &plain) }
    case 0x3002, 0xFF61, 0x2024, 0xFE52, 0x06D4, 0x0701, 0x0702, 0xA60E:
      plain.append(".")  // full stops of other scripts and sizes
    case 0x2044, 0x2215, 0x29F8: plain.append("/")
    case 0x2216, 0x29F5, 0xFE68, 0x20E5: plain.append("\\")
    case 0xA789, 0x2236, 0xFE55, 0xFE13: plain.append(":")
    case 0x017F: plain.append("s")
    case 0x0131: plain.append("i")
    default: foldOther(scalar, into: &plain)
    }
  }

  private static func foldOther(_ scalar: Unicode.Scalar, into plain: inout [Unicode.Scalar]) {
    let properties = scalar.properties
    if properties.isWhitespace {
      plain.append(" ")
      return
    }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return
    default: break
    }
    // Variation selectors, fillers, tags.
    if properties.isDefaultIgnorableCodePoint { return }
    plain += properties.lowercaseMapping.unicodeScalars
  }

  /// The pieces of a name any of which may name the file.
  private static func segments(of name: [Unicode.Scalar]) -> [ArraySlice<Unicode.Scalar>] {
    var rest = name[...]
    // A path that ends in separators names what is before them.
    while let last = rest.last, separators.contains(last) || isDropped(last) {
      rest = rest.dropLast()
    }
    let start = rest.lastIndex { separators.contains($0) }.map { $0 &+ 1 } ?? rest.startIndex
    let base = rest[start...]
    var segments = [withoutVersion(base)]
    // `name.txt:other.exe` and `name.exe::$DATA`: alternate data streams of NTFS; `C:name`.
    let pieces = base.split(separator: ":")
    guard pieces.count > 1, let last = pieces.last else { return segments }
    // The name is before the first colon or, of a path, behind the last. What stands between two is
    // a stream only where a type of streams follows; else it is prose: `RE: setup.exe: a question`.
    let count = last.first == "$" ? 3 : 1
    segments += (pieces.prefix(1) + pieces.dropFirst().suffix(count)).map(withoutVersion)
    return segments
  }

  private static let separators: [Unicode.Scalar] = ["/", "\\"]

  /// `name.exe;1`: VMS and ISO 9660 number versions.
  private static func withoutVersion(
    _ name: ArraySlice<Unicode.Scalar>
  ) -> ArraySlice<Unicode.Scalar> {
    let name = trimmed(name)
    guard let semicolon = name.lastIndex(of: ";"),
      name[(semicolon &+ 1)...].allSatisfy({ ("0"..."9").contains($0) })
    else { return name }
    return name[..<semicolon]
  }

  /// The name without what systems drop at its end, and without quotes and white space before it.
  private static func trimmed(_ name: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
    var rest = name
    while let last = rest.last, isDropped(last) { rest = rest.dropLast() }
    while let first = rest.first, first == " " || quotes.contains(first) { rest = rest.dropFirst() }
    return rest
  }

  private static let quotes: [Unicode.Scalar] = ["\"", "'", "<", ">", "`"]

  /// Whether a character at the end of a name is lost: Windows drops dots and spaces and does not
  /// allow the others, which programs then leave out.
  private static func isDropped(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case ".", " ", "\"", "'", "<", ">", "|", "?", "*", "`", ",", ";", ")", "]": true
    default: false
    }
  }
}
