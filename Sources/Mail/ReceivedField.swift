// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What a Received field says of the client that the message came from (RFC 5321 §4.4).
///
/// The standard leaves open how an MTA writes the client's address, so the forms of Sendmail,
/// Postfix, Exim, Exchange and qmail are known. The HELO name in it is the client's own word, and
/// may look like any of them: an address is taken only from where the MTA itself writes.
public struct ReceivedField: Sendable, Equatable {
  /// The name of HELO; nil when the field has none.
  public let hello: MailText?
  /// The name of the client's address, as its DNS says; nil when there is none.
  public let name: MailText?
  /// The client's address, without brackets and without `IPv6:`.
  public let address: MailText

  /// How the message was sent, as `ESMTPSA`: what follows `with`; nil where the field has none.
  public private(set) var protocolName: MailText?

  /// Whether the client authenticated: a user who submitted the message (RFC 3848, RFC 6531 §4.3).
  public var isSubmission: Bool {
    guard let name = protocolName?.lowercased else { return false }
    return ["esmtpa", "esmtpsa", "utf8smtpa", "utf8smtpsa"].contains(name)
  }

  /// The longest field that is read, in bytes.
  public static let maximumLength = 16_384

  /// Reads the value of a field; nil when it names no client, or none that can be read.
  /// `isAddress` tells whether a text is an IP address.
  public init?(parsing value: MailText, isAddress: (MailText) -> Bool) {
    guard value.bytes.count <= Self.maximumLength else { return nil }
    var field = StructuredField(value)
    guard field.skipSpace() != nil, field.word(until: []).lowercased == "from",
      field.skipSpace() != nil
    else { return nil }
    let word = field.next == UInt8(ascii: "\"") ? field.quotedString() : field.word(until: [])
    guard let word, let comments = field.skipSpace() else { return nil }
    for comment in comments {
      guard let client = Self.client(in: comment, word, isAddress) else { continue }
      self = client
      protocolName = Self.protocolName(&field)
      return
    }
    // `from [192.0.2.1] (helo=name)`: what Exim writes without a name.
    guard let address = Self.literal(word), isAddress(address),
      let hello = comments.lazy.compactMap({ Self.eximHello($0) }).first
    else { return nil }
    self.init(hello: hello, name: nil, address: address)
    protocolName = Self.protocolName(&field)
  }

  /// Whether the value of a field is that of a hop within one host, and so names no client: `by
  /// relay (Postfix, from userid 1000)`, `(qmail 1 invoked by uid 1000)`.
  public static func isWithinHost(_ value: MailText) -> Bool {
    guard value.bytes.count <= maximumLength else { return false }
    var field = StructuredField(value)
    guard let comments = field.skipSpace() else { return false }
    if field.word(until: [semicolon]).lowercased == "by" { return true }
    guard field.isAtEnd || field.next == semicolon, comments.count == 1 else { return false }
    let words = comments[0].bytes.split(separator: 0x20)
    return words.count > 2 && words[0].elementsEqual("qmail".utf8)
      && words[2].elementsEqual("invoked".utf8)
  }

  private static let semicolon = UInt8(ascii: ";")

  /// The protocol after `by HOST` and perhaps `via LINK` (RFC 5321 §4.4), so nothing that the client
  /// said before.
  private static func protocolName(_ field: inout StructuredField) -> MailText? {
    for clause: MailText in ["by", "via", "with"] {
      var ahead = field
      guard ahead.skipSpace() != nil, ahead.word(until: [semicolon]).lowercased == clause,
        ahead.skipSpace() != nil
      else {
        if clause == "by" { return nil }
        continue
      }
      let value = ahead.word(until: [semicolon])
      guard !value.isEmpty else { return nil }
      if clause == "with" { return value }
      field = ahead
    }
    return nil
  }

  private init(hello: MailText?, name: MailText?, address: MailText) {
    self.hello = hello
    self.name = name
    self.address = address
  }

  private static func client(
    in comment: MailText, _ word: MailText, _ isAddress: (MailText) -> Bool
  ) -> ReceivedField? {
    // qmail and Exchange: `from name (HELO word) (192.0.2.1)`.
    if isAddress(comment) { return ReceivedField(hello: word, name: nil, address: comment) }
    let exim = eximHello(comment)
    let text = exim == nil ? comment.bytes[...] : comment.bytes[..<eximStart(comment)]
    // What comes before it may be the ident answer, which the client chooses; so the last one, but
    // not within the remark `(may be forged)`.
    let end = text.firstIndex(of: UInt8(ascii: "(")) ?? text.endIndex
    guard let close = text[..<end].lastIndex(of: UInt8(ascii: "]")),
      let open = text[..<close].lastIndex(of: UInt8(ascii: "[")),
      let address = literal(MailText(text[open...close])), isAddress(address)
    else { return nil }
    let before = text[..<open].split(separator: 0x20).last.map(MailText.init)
    if let exim { return ReceivedField(hello: exim, name: verified(word), address: address) }
    return ReceivedField(hello: word, name: before.flatMap(verified), address: address)
  }

  /// `192.0.2.1` of `[192.0.2.1]` and `[IPv6:2001:db8::1]`.
  private static func literal(_ text: MailText) -> MailText? {
    guard text.bytes.first == UInt8(ascii: "["), text.bytes.last == UInt8(ascii: "]") else {
      return nil
    }
    let inner = MailText(text.bytes.dropFirst().dropLast())
    let isTagged = MailText(inner.bytes.prefix(5)).lowercased == "ipv6:"
    return MailText(inner.bytes.dropFirst(isTagged ? 5 : 0))
  }

  /// The PTR name without an ident answer; nil for `unknown` and literals.
  private static func verified(_ word: MailText) -> MailText? {
    let name = MailText(word.bytes.split(separator: UInt8(ascii: "@")).last ?? [])
    guard !name.isEmpty, name.lowercased != "unknown", name.bytes.first != UInt8(ascii: "[") else {
      return nil
    }
    return name
  }

  private static let eximTag = Array("helo=".utf8)

  private static func eximStart(_ comment: MailText) -> Int {
    let bytes = comment.bytes
    for start in bytes.indices where bytes[start...].starts(with: eximTag) {
      if start == 0 || bytes[start - 1] == 0x20 { return start }
    }
    return bytes.endIndex
  }

  private static func eximHello(_ comment: MailText) -> MailText? {
    let start = eximStart(comment)
    guard start < comment.bytes.endIndex else { return nil }
    let name = comment.bytes[(start + eximTag.count)...].prefix { $0 != 0x20 }
    return name.isEmpty ? nil : MailText(name)
  }
}
