// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A 4yz or 5yz reply whose class digits agree by construction (RFC 5321 §4.2, RFC 3463 §2).
///
/// libmilter drops a text without a word when the reply code, the enhanced code and the callback's
/// result are not of one class. Here the class is written once.
public struct SMTPReply: Sendable, Equatable {
  /// The first digit of both codes.
  public enum Severity: Int, Sendable {
    /// Try again later.
    case transient = 4
    /// Do not try again.
    case permanent = 5
  }

  /// The class of both codes.
  public let severity: Severity
  /// The last two digits of the reply code: 50 of 550.
  public let basic: Int
  /// The second number of the enhanced code.
  public let subject: Int
  /// The third number of the enhanced code.
  public let detail: Int
  /// The text for the peer, a line each, as written by the module; see `wireLines`.
  public let lines: [String]

  /// The longest reply line that libmilter takes, in bytes after `%` is doubled.
  public static let maximumLineLength = 980
  /// The most lines libmilter takes.
  public static let maximumLines = 32

  /// A 5yz reply; `code` is its last two digits.
  public static func permanent(
    code: Int = 50, _ subject: Int, _ detail: Int, _ lines: String...
  ) -> Self {
    Self(.permanent, code, subject, detail, lines)
  }

  /// A 4yz reply; `code` is its last two digits.
  public static func transient(
    code: Int = 51, _ subject: Int, _ detail: Int, _ lines: String...
  ) -> Self {
    Self(.transient, code, subject, detail, lines)
  }

  /// Numbers outside the grammar's range are brought into it: a reply must never fail to be sent.
  public init(
    _ severity: Severity, _ basic: Int, _ subject: Int, _ detail: Int, _ lines: [String]
  ) {
    self.severity = severity
    self.basic = min(max(basic, 0), 59)
    self.subject = min(max(subject, 0), 999)
    self.detail = min(max(detail, 0), 999)
    self.lines = lines
  }

  /// The three digits: `550`. 421 would make the MTA hang up, so it becomes 451.
  public var code: String {
    let basic = severity == .transient && basic == 21 ? 51 : basic
    return "\(severity.rawValue)\(basic / 10)\(basic % 10)"
  }

  /// The enhanced code: `5.7.1`.
  public var enhancedCode: String { "\(severity.rawValue).\(subject).\(detail)" }

  /// The reply with `note` at the end of the last line, or on a line of its own where it no longer
  /// fits.
  public func appending(_ note: String) -> Self {
    // Lines beyond the limit are not sent, so the note must not stand behind them.
    var lines = self.lines.isEmpty ? [""] : Array(self.lines.prefix(Self.maximumLines))
    let last = lines.removeLast()
    if last.isEmpty {
      lines.append(note)
    } else if 2 * (last.utf8.count + note.utf8.count) < Self.maximumLineLength {
      lines.append("\(last) \(note)")
    } else {
      lines = Array(lines.prefix(Self.maximumLines - 2)) + [last, note]
    }
    return Self(severity, basic, subject, detail, lines)
  }

  /// The lines as libmilter must get them: ASCII without control characters, `%` doubled, at most
  /// 32 lines of 980 bytes; never empty.
  public var wireLines: [[UInt8]] {
    let cleaned = lines.prefix(Self.maximumLines).map { Self.cleaned($0, percent: [0x25, 0x25]) }
    return cleaned.isEmpty ? [Self.cleaned("Refused", percent: [])] : cleaned
  }

  /// One line of ASCII without control characters, with `percent` for each `%`.
  static func cleaned(_ line: String, percent: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    for scalar in line.unicodeScalars {
      let bytes: [UInt8]
      switch scalar.value {
      case 0x25: bytes = percent
      case 0x20...0x7E: bytes = [UInt8(truncatingIfNeeded: scalar.value)]
      case 0x00...0x1F, 0x7F...0x9F: bytes = [0x20]
      default: bytes = [0x3F]
      }
      // Checked before appending, so that a doubled % is never cut in two.
      if out.count + bytes.count > maximumLineLength { break }
      out += bytes
    }
    return out
  }
}

extension SMTPReply: CustomStringConvertible {
  /// What the client sees, lines joined by ` / `: `550 5.7.1 Go away`.
  public var description: String {
    let text = wireLines.map { line in
      String(decoding: line, as: UTF8.self).split(separator: "%%", omittingEmptySubsequences: false)
        .joined(separator: "%")
    }
    return "\(code) \(enhancedCode) \(text.joined(separator: " / "))"
  }
}
