// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// What a server answered to a command (RFC 5321 §4.2).
package struct SMTPServerReply: Sendable, Equatable, CustomStringConvertible {
  /// 200 to 599.
  package let code: Int
  /// The text of each line, as it came.
  package let lines: [MailText]

  /// 2yz or, for DATA, 3yz.
  package var isPositive: Bool { code < 400 }
  package var isTransient: Bool { (400...499).contains(code) }

  /// `550 5.1.1 no such user`, safe for people to read, cut to 500 characters.
  package var description: String {
    let text = lines.map(\.description).joined(separator: " / ")
    return "\(code)\(text.isEmpty ? "" : " ")\(text.prefix(500))"
  }
}

/// Puts the lines of a reply together.
struct ReplyReader {
  /// Longer lines (RFC 5321 §4.5.3.1.5 has 512) and more of them are no reply.
  static let longestLine = 4096
  static let mostLines = 128

  private var code: Int?
  private var lines: [MailText] = []

  /// Takes a line without its end.
  ///
  /// - Returns: the reply when it was the last line; nil when more are to come.
  /// - Throws: `garbage` for what is no line of a reply, or not of this one.
  mutating func take(_ line: [UInt8]) throws(Garbage) -> SMTPServerReply? {
    let digits = line.prefix(3)
    guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int(String(decoding: digits, as: UTF8.self)), (200...599).contains(number),
      code == nil || code == number, lines.count < Self.mostLines
    else { throw Garbage() }
    code = number
    let rest = line.dropFirst(3)
    switch rest.first {
    case nil, UInt8(ascii: " "):
      lines.append(MailText(rest.dropFirst()))
      return SMTPServerReply(code: number, lines: lines)
    case UInt8(ascii: "-"):
      lines.append(MailText(rest.dropFirst()))
      return nil
    default: throw Garbage()
    }
  }

  struct Garbage: Error {}
}

/// What a server offers (RFC 1869, RFC 1870, RFC 6152, RFC 6531).
struct SMTPExtensions {
  var isEightBit = false
  var isUTF8 = false
  /// Whether it wants to know the size, and the largest that it takes; 0 for no limit.
  var size: Int?

  init() {}

  /// Reads the answer to EHLO, whose first line is a greeting.
  init(_ reply: SMTPServerReply) {
    for line in reply.lines.dropFirst() {
      let words = line.bytes.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 })
      guard let keyword = words.first else { continue }
      switch String(decoding: keyword, as: UTF8.self).uppercased() {
      case "8BITMIME": isEightBit = true
      case "SMTPUTF8": isUTF8 = true
      case "SIZE":
        let limit = words.dropFirst().first.flatMap { Int(String(decoding: $0, as: UTF8.self)) }
        size = max(0, limit ?? 0)
      default: break
      }
    }
  }
}
