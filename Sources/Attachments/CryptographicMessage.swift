// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import MIME

/// What is in a cryptographic message (RFC 5652), the content of an S/MIME part that is no multipart.
///
/// Of what is signed the content stands in it as it is, and every mail program shows it. Nothing is
/// verified here: who signs dangerous files does not make them harmless.
enum CryptographicMessage: Equatable {
  /// Signed content; nil where the signature stands alone, or only certificates do.
  case signed([UInt8]?)
  /// Only a recipient can read it.
  case encrypted
  /// It is one, but of a kind that cannot be looked into: compressed, or unknown.
  case opaque

  /// Reads BER (X.690), of definite and of indefinite length, or the same in base64; nil for what is no
  /// cryptographic message.
  init?(_ content: [UInt8]) {
    if let found = Self(binary: content) {
      self = found
    } else if let binary = Self.unarmoured(content), let found = Self(binary: binary) {
      self = found
    } else {
      return nil
    }
  }

  // RFC 5652 §3: ContentInfo ::= SEQUENCE { contentType OBJECT IDENTIFIER, content [0] EXPLICIT ANY }
  private init?(binary: [UInt8]) {
    let reader = BERReader(binary)
    guard let info = reader.element(in: 0..<binary.count), info.tag == BERTag.sequence,
      let type = reader.element(in: info.content), type.tag == BERTag.objectIdentifier,
      let kind = Self.kind(binary[type.content])
    else { return nil }
    switch kind {
    case .data, .compressed, .other: self = .opaque
    case .encrypted: self = .encrypted
    case .signed:
      guard let content = reader.element(behind: type, in: info.content),
        let signed = reader.element(in: content.content)
      else {
        self = .opaque
        return
      }
      self = Self.content(ofSigned: signed, reader)
    }
  }

  // RFC 5652 §5.1: SignedData ::= SEQUENCE { version INTEGER, digestAlgorithms SET,
  // encapContentInfo SEQUENCE { eContentType OBJECT IDENTIFIER, eContent [0] EXPLICIT OCTET STRING
  // OPTIONAL }, ... }
  private static func content(ofSigned signed: BERElement, _ reader: BERReader) -> Self {
    guard signed.tag == BERTag.sequence, let version = reader.element(in: signed.content),
      let digests = reader.element(behind: version, in: signed.content),
      let inside = reader.element(behind: digests, in: signed.content),
      inside.tag == BERTag.sequence, let type = reader.element(in: inside.content),
      type.tag == BERTag.objectIdentifier
    else { return .opaque }
    guard let content = reader.element(behind: type, in: inside.content),
      content.tag == BERTag.explicit
    else { return .signed(nil) }
    return .signed(reader.octets(in: content.content))
  }

  private enum Kind { case data, signed, encrypted, compressed, other }

  private static func kind(_ identifier: ArraySlice<UInt8>) -> Kind? {
    // 1.2.840.113549.1.7.n (RFC 5652) and 1.2.840.113549.1.9.16.1.n (RFC 3274, RFC 5083).
    let pkcs: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1]
    guard identifier.starts(with: pkcs) else { return nil }
    let rest = Array(identifier.dropFirst(pkcs.count))
    switch rest {
    case [7, 1]: return .data
    case [7, 2]: return .signed
    case [7, 3], [7, 4], [7, 6], [9, 16, 1, 23]: return .encrypted
    case [9, 16, 1, 9]: return .compressed
    default: return .other
    }
  }

  /// What base64 says, with or without lines around it (RFC 7468); nil where there is none.
  private static func unarmoured(_ content: [UInt8]) -> [UInt8]? {
    var text = content[...]
    while let first = text.first, first <= 0x20 { text = text.dropFirst() }
    if text.starts(with: "-----BEGIN".utf8) {
      guard let feed = text.firstIndex(of: 0x0A) else { return nil }
      text = text[(feed &+ 1)...]
    }
    // BER begins with 0x30, which is M in base64.
    guard text.first == UInt8(ascii: "M") else { return nil }
    let end = text.firstIndex(of: UInt8(ascii: "-")) ?? text.endIndex
    let encoded = Array(text[..<end])
    var decoder = ContentDecoder(MessageBytes(encoded), 0..<encoded.count, .base64)
    return decoder.content(limit: encoded.count)
  }
}

/// The tags that matter here (X.690 §8).
private enum BERTag {
  static let octetString: UInt8 = 0x04
  static let objectIdentifier: UInt8 = 0x06
  static let constructedOctetString: UInt8 = 0x24
  static let sequence: UInt8 = 0x30
  static let explicit: UInt8 = 0xA0
}

/// A value: its tag, and where its content is.
private struct BERElement {
  var tag: UInt8
  /// Up to the end of what it is in, if the length is indefinite.
  var content: Range<Int>
  var isIndefinite: Bool

  var isConstructed: Bool { tag & 0x20 != 0 }
  var isEnd: Bool { tag == 0 && content.isEmpty }
}

/// Reads values of BER in their order. A length that goes beyond what it is in is cut.
private struct BERReader {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The value that begins a range, nil where there is none.
  func element(in range: Range<Int>) -> BERElement? {
    let range = range.clamped(to: 0..<bytes.count)
    guard range.count >= 2 else { return nil }
    let tag = bytes[range.lowerBound]
    let first = bytes[range.lowerBound &+ 1]
    var at = range.lowerBound &+ 2
    // Tags of several bytes occur nowhere here.
    guard tag & 0x1F != 0x1F else { return nil }
    if first == 0x80 {
      return BERElement(tag: tag, content: at..<range.upperBound, isIndefinite: true)
    }
    var length = Int(first)
    if first > 0x80 {
      length = 0
      for _ in 0..<Int(first & 0x7F) {
        guard at < range.upperBound, length <= Int.max >> 9 else { return nil }
        length = length << 8 | Int(bytes[at])
        at &+= 1
      }
    }
    let end = at &+ min(length, range.upperBound &- at)
    return BERElement(tag: tag, content: at..<end, isIndefinite: false)
  }

  /// The value behind another in the same range.
  func element(behind element: BERElement, in range: Range<Int>) -> BERElement? {
    let start = end(of: element)
    guard start <= range.upperBound else { return nil }
    return self.element(in: start..<range.upperBound)
  }

  /// Where a value ends; that of indefinite length behind its end mark (X.690 §8.1.5).
  private func end(of element: BERElement) -> Int {
    guard element.isIndefinite else { return element.content.upperBound }
    var open = 1
    var rest = element.content
    while open > 0, let next = self.element(in: rest) {
      if next.isEnd { open &-= 1 } else if next.isIndefinite { open &+= 1 }
      let start = next.isIndefinite ? next.content.lowerBound : next.content.upperBound
      rest = start..<max(start, rest.upperBound)
    }
    return rest.lowerBound
  }

  /// The octets of the first value of a range, put together from its pieces (X.690 §8.7); of what is
  /// no string of octets the whole content.
  func octets(in range: Range<Int>) -> [UInt8] {
    guard let whole = element(in: range) else { return [] }
    guard whole.tag == BERTag.constructedOctetString else { return Array(bytes[whole.content]) }
    var octets: [UInt8] = []
    octets.reserveCapacity(whole.content.count)
    var open = whole.isIndefinite ? 1 : 0
    var rest = whole.content
    while let next = element(in: rest) {
      if next.tag == BERTag.octetString {
        octets += bytes[next.content]
      } else if next.isEnd {
        open &-= 1
        if whole.isIndefinite, open == 0 { break }
      } else if next.isIndefinite {
        open &+= 1
      }
      // Into what is constructed, past what is not.
      let start = next.isConstructed ? next.content.lowerBound : next.content.upperBound
      rest = start..<max(start, rest.upperBound)
    }
    return octets
  }
}
