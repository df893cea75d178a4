// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Digests
internal import FoundationEssentials
internal import Glibc
internal import Mail
internal import Store

/// A short note that brings an original, or a part of one, as an attachment.
struct ReleaseLetter {
  let mail: KeptMail
  /// Who sends it: `postmaster@example.org`.
  let from: String
  let recipients: [MailText]
  /// Milliseconds since 1970.
  let time: Int64
  /// Randomness for names and boundaries, that no content can hold.
  let nonce: String
  let reason: String

  /// The note with the whole original as message/rfc822 (RFC 2046 §5.2.1).
  func attaching(_ original: [UInt8]) -> [UInt8] {
    let encoding = original.contains { $0 > 0x7F } ? "8bit" : "7bit"
    let head = """
      Content-Type: message/rfc822
      Content-Disposition: attachment; filename="\(mail.reference).eml"
      Content-Transfer-Encoding: \(encoding)


      """
    return letter(Self.lines(head) + original)
  }

  /// The note with one part of the original, in base64.
  func attaching(_ part: DecodedPart, number: String) -> [UInt8] {
    let name = SafeName.file("\(mail.reference)-\(number)-", part.name)
    let head = """
      Content-Type: application/octet-stream
      Content-Disposition: attachment; \(Self.parameter("filename", name))
      Content-Transfer-Encoding: base64


      """
    let text = Data(part.content).base64EncodedString(
      options: [.lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed])
    return letter(Self.lines(head) + Array(text.utf8) + [0x0D, 0x0A])
  }

  private func letter(_ attachment: [UInt8]) -> [UInt8] {
    let host = from.split(separator: "@").last.map(String.init) ?? "localhost"
    let head = """
      From: \(from)
      To: \(addressees)
      Subject: Released from the quarantine: \(mail.reference)
      Date: \(Self.date(time))
      Message-ID: <\(mail.reference).\(nonce)@\(host)>
      MIME-Version: 1.0
      Auto-Submitted: auto-generated
      Content-Type: multipart/mixed; boundary="\(boundary)"

      --\(boundary)
      Content-Type: text/plain; charset=utf-8
      Content-Transfer-Encoding: 8bit

      \(note)

      --\(boundary)

      """
    return Self.lines(head) + attachment + Self.lines("\n--\(boundary)--\n")
  }

  private var boundary: String { "=_\(mail.reference)_\(nonce)" }

  private var note: String {
    var text = """
      A message to you was kept back (\(mail.reason)) and was released on request.
      It is attached as it came.

      Reference: \(mail.reference)
      From: \(mail.sender)
      """
    if let subject = mail.subject { text += "\nSubject: \(subject)" }
    if !reason.isEmpty { text += "\n" + Self.folded("Released because: \(MailText(reason))") }
    return text
  }

  /// The width of text, in characters (RFC 5322 §2.1.1 recommends at most 78).
  private static let width = 76

  /// A line as several, between words or, where one is too long, within it; lines that follow begin
  /// with two spaces.
  static func folded(_ line: String) -> String {
    var lines: [String] = []
    var rest = line[...]
    while rest.count > width {
      let end = rest.index(rest.startIndex, offsetBy: width)
      // Not at the spaces that a folded line begins with.
      let words = rest[..<end].dropFirst(lines.isEmpty ? 1 : 3)
      let cut = rest[end] == " " ? end : words.lastIndex(of: " ") ?? end
      lines.append(String(rest[..<cut]))
      rest = "  " + rest[cut...].drop { $0 == " " }
    }
    lines.append(String(rest))
    return lines.joined(separator: "\n")
  }

  /// What can stand in a field without quoting; nobody else is told.
  private var addressees: String {
    let plain = recipients.filter { recipient in
      recipient.bytes.allSatisfy {
        (0x21...0x7E).contains($0) && !"<>(),;:\"\\[]".utf8.contains($0)
      }
    }.prefix(20).map(\.description)
    return plain.isEmpty ? "undisclosed-recipients:;" : plain.joined(separator: ",\n ")
  }

  /// `filename="x"`, or by RFC 2231 §4 where it is not ASCII.
  private static func parameter(_ name: String, _ value: String) -> String {
    if value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) { return "\(name)=\"\(value)\"" }
    let encoded = value.utf8.map { byte in
      let isPlain =
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
        || (0x61...0x7A).contains(byte) || byte == 0x2E || byte == 0x2D || byte == 0x5F
      return isPlain
        ? String(UnicodeScalar(byte)) : "%" + Hexadecimal.text([byte]).uppercased()
    }
    return "\(name)*=UTF-8''\(encoded.joined())"
  }

  /// RFC 5322 §3.3, in UTC.
  private static func date(_ milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text = [CChar](repeating: 0, count: 64)
    // No locale was set, so the names are English.
    let count = strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S +0000", &parts)
    return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func lines(_ text: String) -> [UInt8] {
    Array(text.replacing("\n", with: "\r\n").utf8)
  }
}
