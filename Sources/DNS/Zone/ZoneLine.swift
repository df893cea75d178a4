// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing

/// Reads one line of a zone file from left to right.
struct ZoneLine {
  private var rest: ArraySlice<UInt8>

  private static let quote = UInt8(ascii: "\"")
  private static let backslash = UInt8(ascii: "\\")

  init(_ line: ArraySlice<UInt8>) {
    rest = line
    if rest.last == UInt8(ascii: "\r") { rest.removeLast() }
    skipBlanks()
    if rest.first == UInt8(ascii: "#") || rest.first == UInt8(ascii: ";") { rest = [] }
  }

  private mutating func skipBlanks() {
    rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
  }

  /// The bytes up to the next blank, escapes as they are; nil at the end of the line.
  mutating func word() throws(ZoneLineFault) -> ArraySlice<UInt8>? {
    skipBlanks()
    guard !rest.isEmpty else { return nil }
    guard rest.first != Self.quote else { throw ZoneLineFault("a quoted string stands there") }
    let word = rest.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
    rest = rest.dropFirst(word.count)
    return word
  }

  /// The bytes of the next quoted string; nil at the end of the line.
  private mutating func string() throws(ZoneLineFault) -> [UInt8]? {
    skipBlanks()
    guard let first = rest.first else { return nil }
    guard first == Self.quote else {
      throw ZoneLineFault("the strings of a TXT record must be quoted")
    }
    rest = rest.dropFirst()
    var text: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte == Self.quote { return text }
      text.append(byte == Self.backslash ? try Self.escaped(&rest) : byte)
    }
    throw ZoneLineFault("the closing quote is missing")
  }

  /// - Throws: when something is left.
  mutating func end() throws(ZoneLineFault) {
    skipBlanks()
    guard rest.isEmpty else {
      throw ZoneLineFault("'\(String(decoding: rest.prefix(40), as: UTF8.self))' is too much")
    }
  }

  /// The byte that an escape stands for; its backslash is read already.
  private static func escaped(_ rest: inout ArraySlice<UInt8>) throws(ZoneLineFault) -> UInt8 {
    let digits = rest.prefix(3)
    if digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }) {
      guard let byte = UInt8(String(decoding: digits, as: UTF8.self)) else {
        throw ZoneLineFault("an escape of three digits is at most \\255")
      }
      rest = rest.dropFirst(3)
      return byte
    }
    guard let byte = rest.popFirst() else { throw ZoneLineFault("nothing follows a backslash") }
    return byte
  }

  /// The name that a word spells.
  static func name(_ word: ArraySlice<UInt8>) throws(ZoneLineFault) -> DomainName {
    if word.elementsEqual(".".utf8) { return .root }
    var labels: [[UInt8]] = [[]]
    var rest = word
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: ".") {
        labels.append([])
        continue
      }
      labels[labels.endIndex - 1].append(byte == backslash ? try escaped(&rest) : byte)
    }
    if labels.last?.isEmpty == true { labels.removeLast() }
    guard !labels.isEmpty, let name = DomainName(labels: labels) else {
      throw ZoneLineFault("'\(String(decoding: word.prefix(80), as: UTF8.self))' is no domain name")
    }
    return name
  }

  /// The rest of the line as data of this type.
  mutating func data(of type: RecordType) throws(ZoneLineFault) -> RecordData {
    switch type {
    case .a: return .address(try address(isIPv4: true))
    case .aaaa: return .address(try address(isIPv4: false))
    case .ns, .cname, .ptr: return .name(try nextName())
    case .mx:
      let preference = try number("the preference", UInt16.self)
      return .exchange(MailExchange(preference: preference, host: try nextName()))
    case .txt:
      var text: [UInt8] = []
      while let string = try string() { text += string }
      return .text(text)
    case .soa:
      return .authority(
        StartOfAuthority(
          primary: try nextName(), mailbox: try nextName(),
          serial: try number("the serial", UInt32.self),
          refresh: try number("refresh", UInt32.self), retry: try number("retry", UInt32.self),
          expire: try number("expire", UInt32.self), minimum: try number("minimum", UInt32.self)))
    }
  }

  private mutating func address(isIPv4: Bool) throws(ZoneLineFault) -> IPAddress {
    let text = String(decoding: try word() ?? [], as: UTF8.self)
    // A mapped address is IPv6 by its spelling.
    guard let address = IPAddress(text), text.contains(":") != isIPv4 else {
      throw ZoneLineFault("'\(text.prefix(80))' is no \(isIPv4 ? "IPv4" : "IPv6") address")
    }
    return address
  }

  private mutating func nextName() throws(ZoneLineFault) -> DomainName {
    guard let word = try word() else { throw ZoneLineFault("a name is missing") }
    return try Self.name(word)
  }

  private mutating func number<Number: FixedWidthInteger>(
    _ what: String, _: Number.Type
  ) throws(ZoneLineFault) -> Number {
    let text = String(decoding: try word() ?? [], as: UTF8.self)
    guard let number = Number(text) else {
      throw ZoneLineFault("\(what) '\(text.prefix(20))' is no number from 0 to \(Number.max)")
    }
    return number
  }
}
