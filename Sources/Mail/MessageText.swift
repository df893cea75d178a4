// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension EditedMessage {
  /// Reads the text of a message; the envelope stays empty.
  ///
  /// Lines end in LF or CRLF, also mixed. A first line `From ...` of an mbox is skipped. A line
  /// that cannot be a header field starts the body, so a file without header is all body. Body
  /// lines come out ended by CRLF, the last one too, as they would from SMTP.
  public init(parsing bytes: some Collection<UInt8>) {
    var rest = Array(bytes)[...]
    if rest.starts(with: "From ".utf8) {
      var behind = rest
      // `From : x` is a field, which a line of an mbox never is: it holds a space in its name.
      if let line = behind.takeLine(), HeaderField(line: line) == nil { rest = behind }
    }
    self.init(rest) { HeaderField(line: $0) }
  }

  /// Reads a message that an MTA handed over in fields and body, and that was put together of them:
  /// whatever stands before the first empty line is a field, also the ones that no standard knows.
  public init(collected bytes: some Collection<UInt8>) {
    self.init(Array(bytes)[...]) { line in
      guard let colon = line.firstIndex(of: 0x3A) else { return nil }
      return HeaderField(
        name: MailText(line[..<colon]), rawValue: MailText(line[(colon + 1)...]))
    }
  }

  private init(_ text: ArraySlice<UInt8>, _ field: (ArraySlice<UInt8>) -> HeaderField?) {
    self.init()
    var rest = text
    var ahead = rest
    while let line = ahead.takeLine() {
      if line.isEmpty {  // the empty line between header and body belongs to neither
        rest = ahead
        break
      }
      if line.first == 0x20 || line.first == 0x09, let last = headers.indices.last {
        headers[last].rawValue.bytes += [0x0A] + line
      } else if let field = field(line) {
        headers.append(field)
      } else {
        break
      }
      rest = ahead
    }
    body.reserveCapacity(rest.count)
    while let line = rest.takeLine() { body += line + [0x0D, 0x0A] }
  }

  /// The text of the message: header fields, empty line, body; lines end in CRLF.
  public var bytes: [UInt8] {
    var text: [UInt8] = []
    for field in headers {
      text += field.name.bytes + [0x3A]
      for byte in field.rawValue.bytes {
        if byte == 0x0A { text.append(0x0D) }
        text.append(byte)
      }
      text += [0x0D, 0x0A]
    }
    return text + [0x0D, 0x0A] + body
  }
}

extension HeaderField {
  // RFC 5322 §2.2: field-name ":" field-body; §4.5 (obsolete) white space before the colon.
  /// The field that begins on `line`, nil when no field can begin so.
  fileprivate init?(line: ArraySlice<UInt8>) {
    guard let colon = line.firstIndex(of: 0x3A) else { return nil }
    let name = line[..<colon]
    var trimmed = name
    while trimmed.last == 0x20 || trimmed.last == 0x09 { trimmed.removeLast() }
    // RFC 5322 §3.6.8: ftext is printable ASCII but for the colon. 8-bit names are not RFC, but
    // MTAs pass them on as fields.
    guard !trimmed.isEmpty, trimmed.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return nil }
    self.init(name: MailText(name), rawValue: MailText(line[(colon + 1)...]))
  }
}

extension ArraySlice<UInt8> {
  /// Removes the first line and gives it without its line end; nil at the end.
  fileprivate mutating func takeLine() -> ArraySlice<UInt8>? {
    guard !isEmpty else { return nil }
    var line = prefix { $0 != 0x0A }
    self = self[line.endIndex...].dropFirst()
    if line.last == 0x0D { line.removeLast() }
    return line
  }
}
