// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// A header field as it stands in a buffer (RFC 5322 §2.2): the bytes are in the buffer, here are
/// the positions.
package struct FieldPosition: Sendable, Equatable {
  /// The name, without the colon and white space before it.
  package var name: Range<Int>
  /// All after the colon, folds included, without the final line end.
  package var value: Range<Int>
  /// From the name to the final line end, that included.
  package var whole: Range<Int>
}

/// The fields that tell what a part is (RFC 2045 §8, RFC 2183, RFC 2557).
package enum ContentFieldName: String, Sendable, CaseIterable {
  case type = "Content-Type"
  case transferEncoding = "Content-Transfer-Encoding"
  case disposition = "Content-Disposition"
  case location = "Content-Location"
  case description = "Content-Description"
  case id = "Content-ID"
  /// Thunderbird names a file by it where no parameter does.
  case name = "Content-Name"
  /// The same of Sun's Mailtool, which Thunderbird reads.
  case sunName = "X-Sun-Data-Name"

  /// The field of that name, ASCII case folded.
  package init?(_ name: ArraySlice<UInt8>) {
    // All but the first letters of the rest differ in length, which is cheaper to ask.
    let found: Self
    switch name.count {
    case 10: found = .id
    case 12: found = name.dropFirst(8).first.map { $0 | 0x20 == 0x6E } == true ? .name : .type
    case 15: found = .sunName
    case 16: found = .location
    case 19:
      found =
        name.last.map { $0 | 0x20 == 0x6E } == true
          && name.dropFirst(9).first
            .map { $0 | 0x20 == 0x69 } == true
        ? .disposition : .description
    case 25: found = .transferEncoding
    default: return nil
    }
    guard name.elementsEqual(found.rawValue.utf8, by: { $0.lowercasedASCII == $1.lowercasedASCII })
    else { return nil }
    self = found
  }
}

/// A field that tells what a part is, and where it stands.
package struct ContentField: Sendable, Equatable {
  /// Which field it is.
  package var name: ContentFieldName
  /// Where it stands.
  package var position: FieldPosition
}

extension UInt8 {
  /// An ASCII letter in lower case; any other byte as it is.
  var lowercasedASCII: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }

  /// Space or TAB.
  var isBlank: Bool { self == 0x20 || self == 0x09 }

  /// Space, TAB, CR or LF, also VT and FF, which some programs skip.
  var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}

extension MessageBytes {
  /// The value of a field on one line: folds become nothing but the white space they begin with
  /// (RFC 5322 §2.2.3), line ends that bare CR or LF make as well.
  package func unfolded(_ field: FieldPosition) -> ArraySlice<UInt8> {
    let value = self[field.value]
    guard value.contains(where: { $0 == 0x0A || $0 == 0x0D }) else { return value }
    return value.filter { $0 != 0x0A && $0 != 0x0D }[...]
  }

  /// A copy of the field.
  package func field(at position: FieldPosition) -> HeaderField {
    HeaderField(
      name: MailText(self[position.name]),
      rawValue: MailText(self[position.value].filter { $0 != 0x0D }))
  }
}
