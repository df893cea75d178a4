// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import DNS
internal import Environment
internal import Mail

// RFC 7208 §7.

extension SPFRun {
  /// The name that a domain-spec stands for; nil when that is no name at all.
  ///
  /// A name that no query can be made of does not exist (RFC 7208 §4.3 says so of the first one;
  /// §4.8 leaves the others open).
  mutating func name(
    _ spec: DomainSpec, of domain: DomainName
  ) throws(SPFStop) -> DomainName? {
    switch spec.name {
    case .fixed(let name): return name
    case .expanding(let macros):
      var text = try tail(of: macros, for: domain)
      if text.last == UInt8(ascii: ".") { text.removeLast() }
      return DomainName(Self.shortened(text))
    }
  }

  /// The same, or the current domain without a domain-spec.
  mutating func name(
    _ spec: DomainSpec?, or domain: DomainName
  ) throws(SPFStop) -> DomainName? {
    guard let spec else { return domain }
    return try name(spec, of: domain)
  }

  /// The end of an expanded macro string, long enough to make a name of.
  ///
  /// What is too long loses labels on its left (RFC 7208 §7.3), so only the end is made, and the
  /// work does not grow with what is lost.
  private mutating func tail(
    of macros: MacroString, for domain: DomainName
  ) throws(SPFStop) -> [UInt8] {
    var pieces: [[UInt8]] = []
    var length = 0
    for part in macros.parts.reversed() {
      // One byte more than a name with a final dot has, to see that there is more.
      guard length <= DomainName.longestText + 1 else { break }
      let piece = try value(of: part, for: domain)
      length += piece.count
      pieces.append(piece)
    }
    return Array(pieces.reversed().joined())
  }

  /// The text without as many labels on the left as it is too long (RFC 7208 §7.3).
  private static func shortened(_ text: [UInt8]) -> ArraySlice<UInt8> {
    var rest = text[...]
    while rest.count > DomainName.longestText {
      // No label to the right of this many bytes begins before the name fits.
      let excess = rest.count - DomainName.longestText
      let after = rest.dropFirst(excess - 1)
      guard let dot = after.firstIndex(of: UInt8(ascii: ".")) else { return [] }
      rest = rest[rest.index(after: dot)...]
    }
    return rest
  }

  /// The text of an explanation, cleaned and bounded.
  mutating func explanation(
    _ macros: MacroString, for domain: DomainName
  ) throws(SPFStop) -> String {
    let limit = SPFEvaluation.longestExplanation
    var bytes: [UInt8] = []
    for part in macros.parts {
      guard bytes.count <= limit else { break }
      bytes += try value(of: part, for: domain)
    }
    // Macros bring in what the client said: its sender may hold any byte.
    let clean = bytes.prefix(limit).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
    let text = String(decoding: clean, as: UTF8.self)
    return bytes.count > limit ? text.prefix(limit - 3) + "..." : text
  }

  private mutating func value(
    of part: MacroString.Part, for domain: DomainName
  ) throws(SPFStop) -> [UInt8] {
    switch part {
    case .text(let text): return text
    case .macro(let macro):
      let raw = try value(of: macro.letter, for: domain)
      // Each macro costs something, so that a record full of empty ones ends too.
      macroBytes += raw.count + 16
      guard macroBytes <= limits.macroBytes else { throw .permerror("the macros are too large") }
      let transformed = Self.transformed(raw, by: macro)
      return macro.isEncoded ? Self.percentEncoded(transformed) : transformed
    }
  }

  /// RFC 7208 §7.2.
  private mutating func value(
    of letter: MacroString.Letter, for domain: DomainName
  ) throws(SPFStop) -> [UInt8] {
    let sender = query.sender
    look(at: letter)
    switch letter {
    case .sender: return sender.localPart.bytes + [UInt8(ascii: "@")] + senderDomain
    case .localPart: return sender.localPart.bytes
    case .senderDomain: return senderDomain
    case .domain: return domain.text
    case .client: return Array(Self.dotted(query.client).utf8)
    case .pointerName: return try pointerName(for: domain)?.text ?? Array("unknown".utf8)
    case .family: return Array((query.client.isIPv4 ? "in-addr" : "ip6").utf8)
    case .helo: return query.helo.bytes
    case .readableClient: return Array(query.client.description.utf8)
    case .receiver: return (query.receiver ?? SPFQueryTraits.unknown).bytes
    case .timestamp: return Array(String(time.milliseconds / 1000).utf8)
    }
  }

  /// Notes what the evaluation depends on by a macro. Client and domain it always depends on, and
  /// answers of DNS have their own time to live.
  private mutating func look(at letter: MacroString.Letter) {
    switch letter {
    case .sender, .localPart: traits.localPart = query.sender.localPart
    case .helo: traits.helo = query.helo
    case .receiver: traits.receiver = query.receiver ?? SPFQueryTraits.unknown
    case .timestamp: timeToLive = 0
    case .senderDomain, .domain, .client, .pointerName, .family, .readableClient: break
    }
  }

  private var senderDomain: [UInt8] { query.sender.domain?.bytes ?? [] }

  /// An address with dots only: an IPv6 one as 32 nibbles (RFC 7208 §7.3).
  private static func dotted(_ address: IPAddress) -> String {
    guard !address.isIPv4 else { return address.description }
    return address.octets.flatMap { [$0 >> 4, $0 & 15] }
      .map { String($0, radix: 16, uppercase: true) }.joined(separator: ".")
  }

  /// Splits, reverses and keeps the rightmost parts (RFC 7208 §7.3).
  private static func transformed(_ value: [UInt8], by macro: MacroString.Macro) -> [UInt8] {
    let dot = UInt8(ascii: ".")
    if macro.kept == nil, !macro.isReversed, macro.delimiters == [dot] { return value }
    var parts = value.split(omittingEmptySubsequences: false) { macro.delimiters.contains($0) }
    if macro.isReversed { parts.reverse() }
    return Array(parts.suffix(macro.kept ?? parts.count).joined(separator: [dot]))
  }

  /// Everything but `unreserved` of RFC 3986 §2.3 as `%XX` (RFC 7208 §7.3).
  private static func percentEncoded(_ value: [UInt8]) -> [UInt8] {
    let unreserved = Array("-._~".utf8)
    var encoded: [UInt8] = []
    for byte in value {
      if byte.isAlphanumeric || unreserved.contains(byte) {
        encoded.append(byte)
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        encoded += Array((digits.utf8.count == 1 ? "%0" : "%").utf8) + Array(digits.utf8)
      }
    }
    return encoded
  }
}
