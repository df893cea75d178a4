// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Encodes content for a body, with lines of at most 76 characters (RFC 2045 §6).
package enum ContentEncoder {
  /// The body that decodes to `content`, byte for byte.
  package static func encode(
    _ content: [UInt8], _ encoding: TransferEncoding, lineEnd: [UInt8]
  ) -> [UInt8] {
    switch encoding {
    case .identity: content
    case .base64, .base64UpToPadding: base64(content, lineEnd)
    case .quotedPrintable: quotedPrintable(content, lineEnd)
    case .uuencode: uuencode(content, lineEnd)
    }
  }

  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private static func base64(_ content: [UInt8], _ lineEnd: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(content.count / 3 &* 4 &+ content.count / 57 &* 2 &+ 8)
    var column = 0
    var start = 0
    while start < content.count {
      let group = content[start..<min(start &+ 3, content.count)]
      var bits: UInt32 = 0
      for byte in group { bits = bits << 8 | UInt32(byte) }
      bits <<= 8 &* UInt32(3 &- group.count)
      for digit in 0..<4 {
        // Six bits always are a valid index of the 64 letters.
        let value = Int((bits >> (18 &- 6 &* UInt32(digit))) & 63)
        out.append(digit <= group.count ? alphabet[value] : UInt8(ascii: "="))
      }
      column &+= 4
      start &+= 3
      if column == 76, start < content.count {
        out += lineEnd
        column = 0
      }
    }
    return out
  }

  /// Line ends that are like `lineEnd` stay line ends; all others are encoded.
  private static func quotedPrintable(_ content: [UInt8], _ lineEnd: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(content.count &+ content.count / 8)
    var column = 0
    var rest = content[...]
    while let byte = rest.first {
      if rest.starts(with: lineEnd) {
        out += lineEnd
        rest = rest.dropFirst(lineEnd.count)
        column = 0
        continue
      }
      rest = rest.dropFirst()
      let isAtEnd = rest.isEmpty || rest.starts(with: lineEnd)
      let isPlain = (0x21...0x7E).contains(byte) && byte != 0x3D || byte.isBlank && !isAtEnd
      // At the start of a line a hyphen could make a delimiter, "From" an mbox line, a dot the end.
      let isRisky = column == 0 && [0x2D, 0x2E, 0x46, 0x62].contains(byte)
      let token = isPlain && !isRisky ? [byte] : escape(byte)
      if column &+ token.count > 75 {
        out += [0x3D] + lineEnd
        column = 0
      }
      out += token
      column &+= token.count
    }
    return out
  }

  private static let digits = Array("0123456789ABCDEF".utf8)

  private static func escape(_ byte: UInt8) -> [UInt8] {
    [0x3D, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
  }

  private static func uuencode(_ content: [UInt8], _ lineEnd: [UInt8]) -> [UInt8] {
    func letter(_ value: UInt32) -> UInt8 {
      value & 63 == 0 ? 0x60 : UInt8(truncatingIfNeeded: (value & 63) &+ 0x20)
    }
    var out = Array("begin 644 message".utf8) + lineEnd
    var start = 0
    while start < content.count {
      let line = content[start..<min(start &+ 45, content.count)]
      out.append(letter(UInt32(line.count)))
      var rest = line
      while !rest.isEmpty {
        var bits: UInt32 = 0
        for index in 0..<3 { bits = bits << 8 | UInt32(rest.dropFirst(index).first ?? 0) }
        for shift in [UInt32(18), 12, 6, 0] { out.append(letter(bits >> shift)) }
        rest = rest.dropFirst(3)
      }
      out += lineEnd
      start &+= 45
    }
    return out + [0x60] + lineEnd + Array("end".utf8) + lineEnd
  }
}
