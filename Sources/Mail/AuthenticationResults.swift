// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The value of an Authentication-Results field (RFC 8601 §2.2): who checked, and what came of it.
public struct AuthenticationResults: Sendable, Equatable {
  /// What a method looked at: `smtp.mailfrom=user@example.org`.
  public struct Property: Sendable, Equatable {
    /// `smtp`, `header`, `body` or `policy`.
    public var type: String
    /// `mailfrom`, `d`, `iprev` …
    public var name: String
    /// What was looked at.
    public var value: MailText

    /// A property; write `type` and `name` in lower case.
    public init(_ type: String, _ name: String, _ value: MailText) {
      self.type = type
      self.name = name
      self.value = value
    }
  }

  /// The result of one method: `spf=pass (comment) smtp.mailfrom=user@example.org`.
  public struct Entry: Sendable, Equatable {
    /// `spf`, `dkim`, `auth`, `iprev` … in lower case.
    public var method: String
    /// `pass`, `fail`, `none` … in lower case.
    public var result: String
    /// Why, where the method says so.
    public var reason: MailText?
    /// For people.
    public var comment: MailText?
    /// What was looked at.
    public var properties: [Property]

    /// A result; write `method` and `result` in lower case.
    public init(
      _ method: String, _ result: String, reason: MailText? = nil, comment: MailText? = nil,
      _ properties: [Property] = []
    ) {
      self.method = method
      self.result = result
      self.reason = reason
      self.comment = comment
      self.properties = properties
    }
  }

  /// The authserv-id: the name of the host that checked.
  public var server: MailText
  /// Empty for `none`: nothing was checked.
  public var entries: [Entry]

  /// Results of `server`.
  public init(server: MailText, entries: [Entry]) {
    self.server = server
    self.entries = entries
  }
}

// MARK: writing

extension AuthenticationResults {
  /// The longest value of a property, a reason or a comment in bytes; more is cut off.
  public static let maximumValue = 512
  /// Where lines are folded.
  private static let lineWidth = 76

  /// The value of the field, folded by LF and TAB. Whatever the values hold, it reads back as these
  /// entries: what may not stand in a header field is replaced by `?`.
  public var value: MailText {
    var text: [UInt8] = []
    text.reserveCapacity(64 + 160 * entries.count)
    Self.write(server, to: &text)
    if entries.isEmpty { text += "; none".utf8 }
    for entry in entries { Self.write(entry, to: &text) }
    return MailText(text)
  }

  private static func write(_ entry: Entry, to text: inout [UInt8]) {
    text += ";\n\t".utf8
    text += entry.method.utf8
    text.append(UInt8(ascii: "="))
    text += entry.result.utf8
    var width = 8 + entry.method.utf8.count + entry.result.utf8.count
    /// Writes a space and `part`, on a line of its own where it is too long for this one.
    func add(_ part: (inout [UInt8]) -> Void) {
      let start = text.count
      text.append(0x20)
      part(&text)
      let length = text.count - start - 1
      if width + length >= lineWidth {
        text.replaceSubrange(start...start, with: [0x0A, 0x09])
        width = 8
      }
      width += length + 1
    }
    if let comment = entry.comment {
      add { text in
        text.append(UInt8(ascii: "("))
        writeEscaped(comment, to: &text) { $0 == UInt8(ascii: "(") || $0 == UInt8(ascii: ")") }
        text.append(UInt8(ascii: ")"))
      }
    }
    if let reason = entry.reason {
      add { text in
        text += "reason=".utf8
        writeQuoted(reason, to: &text)
      }
    }
    for property in entry.properties {
      add { text in
        text += property.type.utf8
        text.append(UInt8(ascii: "."))
        text += property.name.utf8
        text.append(UInt8(ascii: "="))
        write(property.value, to: &text)
      }
    }
  }

  /// As it is where it is a token or an address of plain atoms, else quoted.
  private static func write(_ value: MailText, to text: inout [UInt8]) {
    if !value.isEmpty, value.bytes.count <= maximumValue, value.bytes.allSatisfy(isPlain) {
      text += value.bytes
    } else {
      writeQuoted(value, to: &text)
    }
  }

  /// Of what may stand in a token (RFC 2045 §5.1), what no reader takes for something else, and
  /// the `@` of an address.
  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x30...0x39, 0x40...0x5A, 0x5E...0x7E: true
    default: false
    }
  }

  private static func writeQuoted(_ value: MailText, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    writeEscaped(value, to: &text) { $0 == UInt8(ascii: "\"") }
    text.append(UInt8(ascii: "\""))
  }

  /// With a backslash before each byte that is `special`, and before a backslash.
  private static func writeEscaped(
    _ value: MailText, to text: inout [UInt8], where isSpecial: (UInt8) -> Bool
  ) {
    func mustBeEscaped(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\\") || isSpecial(byte) }
    // Nearly every text is a name or an address: as it is.
    if value.bytes.count <= maximumValue,
      value.bytes.allSatisfy({ (0x20...0x7E).contains($0) && !mustBeEscaped($0) })
    {
      text += value.bytes
      return
    }
    let known = String(decoding: value.bytes.prefix(maximumValue), as: UTF8.self)
    for scalar in known.unicodeScalars {
      guard scalar.isVisible, scalar != "\u{FFFD}" else {
        text.append(UInt8(ascii: "?"))
        continue
      }
      if scalar.isASCII, mustBeEscaped(UInt8(truncatingIfNeeded: scalar.value)) {
        text.append(UInt8(ascii: "\\"))
      }
      text += Array(String(scalar).utf8)
    }
  }
}

// MARK: reading

extension AuthenticationResults {
  /// The longest field value, and the most entries and properties, that are read.
  public static let maximumLength = 65_536
  private static let maximumEntries = 200
  private static let maximumProperties = 100
  private static let semicolon = UInt8(ascii: ";")

  /// Reads what any producer wrote; nil where it makes no sense.
  public init?(parsing value: MailText) {
    guard value.bytes.count <= Self.maximumLength else { return nil }
    var field = StructuredField(value)
    guard let server = Self.server(&field) else { return nil }
    self.init(server: server, entries: [])
    // The version of the field.
    _ = field.word(until: [Self.semicolon])
    guard field.skipSpace() != nil else { return nil }
    while !field.isAtEnd {
      guard field.take(Self.semicolon), field.skipSpace() != nil else { return nil }
      // What ends in a semicolon is met, though not allowed.
      if field.isAtEnd { break }
      guard entries.count < Self.maximumEntries else { return nil }
      switch Self.entry(&field) {
      case .entry(let entry): entries.append(entry)
      case .nothing: break
      case nil: return nil
      }
    }
  }

  /// Whether a field names one of `servers`, in lower case, as who checked. One that cannot be read
  /// does if such a name stands before its first semicolon: some reader may see it so.
  public static func claims(_ servers: Set<MailText>, in value: MailText) -> Bool {
    var field = StructuredField(MailText(value.bytes.prefix(maximumLength)))
    if let server = server(&field) {
      if servers.contains(server.domainKey) { return true }
      // `mx.example.org/1`, `mx.example.org=`: whoever reads only the host name sees ours.
      let host = server.lowercased.bytes.prefix(while: isHostByte)
      if servers.contains(MailText(host).domainKey) { return true }
      if field.isAtEnd || field.next == semicolon || isDigit(field.next) { return false }
    }
    let head = MailText(value.bytes.prefix(maximumLength).prefix { $0 != semicolon }).lowercased
    let words = head.bytes.split { !isHostByte($0) }
    return words.contains { servers.contains(MailText($0).domainKey) }
  }

  /// Whether a byte, in lower case, can be part of a host name.
  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x80...0xFF: true
    default: false
    }
  }

  private static func isDigit(_ byte: UInt8?) -> Bool {
    byte.map { (0x30...0x39).contains($0) } ?? false
  }

  /// The authserv-id with the white space around it.
  private static func server(_ field: inout StructuredField) -> MailText? {
    guard field.skipSpace() != nil else { return nil }
    let name =
      field.next == UInt8(ascii: "\"") ? field.quotedString() : field.word(until: [semicolon])
    guard let name, !name.isEmpty, field.skipSpace() != nil else { return nil }
    return name
  }

  private enum Part {
    case entry(Entry)
    /// `none`: nothing was checked.
    case nothing
  }

  private static func entry(_ field: inout StructuredField) -> Part? {
    let equals = UInt8(ascii: "=")
    let method = field.word(until: [semicolon, equals, UInt8(ascii: "/")])
    guard !method.isEmpty, field.skipSpace() != nil else { return nil }
    if field.isAtEnd || field.next == semicolon {
      return method.lowercased == "none" ? .nothing : nil
    }
    if field.take(UInt8(ascii: "/")) {
      guard field.skipSpace() != nil else { return nil }
      _ = field.word(until: [semicolon, equals])
      guard field.skipSpace() != nil else { return nil }
    }
    guard field.take(equals), field.skipSpace() != nil else { return nil }
    let result = field.word(until: [semicolon, equals])
    guard !result.isEmpty, let comments = field.skipSpace() else { return nil }
    var entry = Entry(
      String(decoding: method.lowercased.bytes, as: UTF8.self),
      String(decoding: result.lowercased.bytes, as: UTF8.self), comment: comments.first)
    while !field.isAtEnd, field.next != semicolon {
      guard entry.properties.count < maximumProperties, detail(&field, &entry) else { return nil }
    }
    return .entry(entry)
  }

  /// `reason=...` or `ptype.property=value`.
  private static func detail(_ field: inout StructuredField, _ entry: inout Entry) -> Bool {
    let equals = UInt8(ascii: "=")
    let dot = UInt8(ascii: ".")
    let type = field.word(until: [semicolon, equals, dot]).lowercased
    guard !type.isEmpty, field.skipSpace() != nil else { return false }
    var name = MailText("")
    if field.take(dot) {
      guard field.skipSpace() != nil else { return false }
      name = field.word(until: [semicolon, equals]).lowercased
      guard !name.isEmpty, field.skipSpace() != nil else { return false }
    }
    guard field.take(equals), field.skipSpace() != nil else { return false }
    var value = MailText("")
    if field.next == UInt8(ascii: "\"") {
      guard let text = field.quotedString() else { return false }
      value = text
    }
    // `"a b"@example.org` is a quoted string and the rest of an address.
    value.bytes += field.word(until: [semicolon]).bytes
    guard let comments = field.skipSpace() else { return false }
    if entry.comment == nil { entry.comment = comments.first }
    if name.isEmpty {
      guard type == "reason" else { return false }
      entry.reason = value
    } else {
      entry.properties.append(
        Property(
          String(decoding: type.bytes, as: UTF8.self), String(decoding: name.bytes, as: UTF8.self),
          value))
    }
    return true
  }
}
