// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// An IPv4 or IPv6 address.
///
/// An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2) is the IPv4 address: a
/// client on a dual-stack socket and the same client on an IPv4 socket are one client.
public struct IPAddress: Sendable, Hashable {
  /// The upper 64 bits of an IPv6 address; 0 for IPv4.
  let high: UInt64
  /// The lower 64 bits of an IPv6 address, or the 32 bits of an IPv4 address.
  let low: UInt64
  /// Whether this is an IPv4 address, an IPv4-mapped one included.
  public let isIPv4: Bool

  /// The IPv4 address whose first octet is the highest byte of `v4`.
  public init(v4: UInt32) {
    high = 0
    low = UInt64(v4)
    isIPv4 = true
  }

  /// The IPv6 address of these 128 bits; an IPv4-mapped one becomes the IPv4 address.
  public init(v6High high: UInt64, low: UInt64) {
    if high == 0, low >> 32 == 0xFFFF {
      self.init(v4: UInt32(truncatingIfNeeded: low))
    } else {
      self.init(high: high, low: low, isIPv4: false)
    }
  }

  init(high: UInt64, low: UInt64, isIPv4: Bool) {
    self.high = high
    self.low = low
    self.isIPv4 = isIPv4
  }

  /// The address of 4 octets (IPv4) or 16 (IPv6) in network order; nil for any other count.
  public init?(octets: some Collection<UInt8>) {
    switch octets.count {
    case 4:
      self.init(v4: octets.reduce(0) { $0 << 8 | UInt32($1) })
    case 16:
      self.init(
        v6High: octets.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
        low: octets.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
    default:
      return nil
    }
  }

  /// Whether the address stands for this machine: 127.0.0.0/8 or ::1.
  public var isLoopback: Bool {
    isIPv4 ? low >> 24 == 127 : high == 0 && low == 1
  }

  /// The address in network order: 4 octets for IPv4, 16 for IPv6.
  public var octets: [UInt8] {
    isIPv4
      ? (0..<4).map { UInt8(truncatingIfNeeded: low >> (24 - 8 * $0)) }
      : groups.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
  }

  /// The number of bits of an address of this family: 32 or 128.
  public var bitWidth: Int { isIPv4 ? 32 : 128 }

  /// The eight groups of an IPv6 address.
  var groups: [UInt16] {
    (0..<8).map { index in
      UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> (48 - 16 * (index % 4)))
    }
  }

  /// The address with all bits after the first `length` cleared; `length` is clamped.
  func masked(to length: Int) -> IPAddress {
    // Smart shifts: a shift by the full width or more gives 0 instead of trapping.
    let length = min(max(length, 0), bitWidth)
    if isIPv4 {
      let mask = UInt32.max << (32 - length)
      return IPAddress(high: 0, low: low & UInt64(mask), isIPv4: true)
    }
    let highMask = UInt64.max << (64 - min(length, 64))
    let lowMask = UInt64.max << (64 - max(length - 64, 0))
    return IPAddress(high: high & highMask, low: low & lowMask, isIPv4: false)
  }
}

extension IPAddress: Comparable {
  /// Orders IPv4 before IPv6, then by value.
  public static func < (left: IPAddress, right: IPAddress) -> Bool {
    left.isIPv4 == right.isIPv4
      ? (left.high, left.low) < (right.high, right.low)
      : left.isIPv4
  }
}

extension IPAddress: CustomStringConvertible {
  /// The canonical text: dotted decimal, or the form of RFC 5952 §4.
  public var description: String {
    if isIPv4 { return dottedDecimal }
    let groups = groups
    let words = groups.map { String($0, radix: 16) }
    guard let gap = Self.longestZeroRun(groups) else { return words.joined(separator: ":") }
    return words.prefix(gap.lowerBound).joined(separator: ":") + "::"
      + words.dropFirst(gap.upperBound).joined(separator: ":")
  }

  /// The four octets of an IPv4 address. Without a text for each: it stands in every line of the log.
  private var dottedDecimal: String {
    var text: [UInt8] = []
    text.reserveCapacity(15)
    for shift in stride(from: UInt64(24), through: 0, by: -8) {
      let octet = UInt8(truncatingIfNeeded: low >> shift)
      if octet >= 100 { text.append(0x30 + octet / 100) }
      if octet >= 10 { text.append(0x30 + octet / 10 % 10) }
      text.append(0x30 + octet % 10)
      if shift > 0 { text.append(UInt8(ascii: ".")) }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The first of the longest runs of at least two zero groups (RFC 5952 §4.2).
  private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
    var best = 0..<0
    var start = 0
    for (index, group) in groups.enumerated() {
      if group != 0 {
        start = index + 1
      } else if index + 1 - start > best.count {
        best = start..<(index + 1)
      }
    }
    return best.count >= 2 ? best : nil
  }
}

extension IPAddress {
  /// The address that `text` spells, or nil.
  ///
  /// Strict: four decimal octets without leading zeros, or the text forms of RFC 4291 §2.2; no
  /// white space, brackets, port, zone or `IPv6:` tag.
  public init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8.prefix(46))
    if bytes.contains(UInt8(ascii: ":")) {
      guard let (high, low) = Self.parseIPv6(bytes) else { return nil }
      self.init(v6High: high, low: low)
    } else {
      guard let v4 = Self.parseIPv4(bytes[...]) else { return nil }
      self.init(v4: v4)
    }
  }

  private static func parseIPv4(_ bytes: ArraySlice<UInt8>) -> UInt32? {
    let fields = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard fields.count == 4 else { return nil }
    var result: UInt32 = 0
    for field in fields {
      guard (1...3).contains(field.count) else { return nil }
      guard field.count == 1 || field.first != UInt8(ascii: "0") else { return nil }
      var octet: UInt32 = 0
      for byte in field {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        octet = octet * 10 + UInt32(byte - UInt8(ascii: "0"))
      }
      guard octet <= 255 else { return nil }
      result = result << 8 | octet
    }
    return result
  }

  private static func parseIPv6(_ bytes: [UInt8]) -> (high: UInt64, low: UInt64)? {
    let colon = UInt8(ascii: ":")
    var fields = bytes.split(separator: colon, omittingEmptySubsequences: false)
    // "::" leaves an empty field; at either end of the text it leaves two, of which one goes.
    let pair = [colon, colon]
    guard bytes.first != colon || bytes.starts(with: pair) else { return nil }
    guard bytes.last != colon || bytes.suffix(2).elementsEqual(pair) else { return nil }
    if bytes.first == colon { fields.removeFirst() }
    if bytes.last == colon { fields.removeLast() }
    var groups: [UInt16] = []
    var gap: Int?
    for (index, field) in fields.enumerated() {
      if field.isEmpty {
        guard gap == nil else { return nil }
        gap = groups.count
      } else if field.contains(UInt8(ascii: ".")) {
        guard index == fields.count - 1, let v4 = parseIPv4(field) else { return nil }
        groups.append(UInt16(truncatingIfNeeded: v4 >> 16))
        groups.append(UInt16(truncatingIfNeeded: v4))
      } else {
        guard field.count <= 4, let group = parseGroup(field) else { return nil }
        groups.append(group)
      }
    }
    if let gap {
      // The gap stands for at least one group (RFC 4291 §2.2).
      guard groups.count <= 7 else { return nil }
      groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
    }
    guard groups.count == 8 else { return nil }
    return (
      groups.prefix(4).reduce(0) { $0 << 16 | UInt64($1) },
      groups.dropFirst(4).reduce(0) { $0 << 16 | UInt64($1) }
    )
  }

  private static func parseGroup(_ field: ArraySlice<UInt8>) -> UInt16? {
    var group: UInt16 = 0
    for byte in field {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        group = group << 4 | UInt16(byte - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"):
        group = group << 4 | UInt16((byte | 0x20) - UInt8(ascii: "a") + 10)
      default:
        return nil
      }
    }
    return group
  }
}
