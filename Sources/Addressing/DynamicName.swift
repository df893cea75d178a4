// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Tells the names that access providers give to their customers' lines from names of servers.
///
/// A heuristic: the name holds the address in one of many forms, or has a shape that providers
/// use. All work is bounded: at most 255 bytes of a name are looked at, and no pattern backtracks.
public enum DynamicName {
  /// The longest name that DNS knows (RFC 1035 §2.3.4); more bytes are not looked at.
  static let longestName = 255

  /// Whether `name`, the PTR or HELO name of `address`, looks like that of a dynamic line.
  ///
  /// A name in brackets says that the MTA found no PTR, and counts as dynamic. Without an address
  /// nothing else does.
  public static func looksDynamic(_ name: String, address: IPAddress?) -> Bool {
    let host = Array(name.utf8.prefix(longestName)).map(normalised)
    if host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") { return true }
    guard let address else { return false }
    if host.holds(address.description) { return true }
    return address.isIPv4
      ? looksDynamic(host, octets: address.octets)
      : looksDynamic(host, groups: address.groups)
  }

  /// Lower case, and no control character that could be taken for the marker of `NameShape`.
  private static func normalised(_ byte: UInt8) -> UInt8 {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
    case 0..<0x20: UInt8(ascii: "?")
    default: byte
    }
  }

  // MARK: IPv4

  private static func looksDynamic(_ host: [UInt8], octets: [UInt8]) -> Bool {
    let octets = octets.map { Int($0) }
    let runs = digitRuns(host)
    return runsSpell(octets, runs.prefix(4).map(\.value))
      || NameShape.fits(host, marking: runs.first { $0.value == octets.last }?.range)
      || host.holds(octets.prefix(3).map { String($0) }.joined())
      || host.holds(octets.suffix(3).map { String($0) }.joined())
      || host.holds(octets.map { Hex.padded($0, width: 2) }.joined())
  }

  /// The runs of one to three digits; a longer row of digits counts as several.
  private static func digitRuns(_ host: [UInt8]) -> [(value: Int, range: Range<Int>)] {
    var runs: [(value: Int, range: Range<Int>)] = []
    for (index, byte) in host.enumerated() where byte.isDigit {
      let digit = Int(byte - UInt8(ascii: "0"))
      if let last = runs.last, last.range.upperBound == index, last.range.count < 3 {
        runs.removeLast()
        runs.append((last.value * 10 + digit, last.range.lowerBound..<(index + 1)))
      } else {
        runs.append((digit, index..<(index + 1)))
      }
    }
    return runs
  }

  /// Whether the first four numbers of a name spell octets of the address, in an order in use.
  private static func runsSpell(_ octets: [Int], _ runs: [Int]) -> Bool {
    let first3 = octets.prefix(3)
    let last3 = octets.suffix(3)
    let last2 = octets.suffix(2)
    let rotated = octets.suffix(1) + octets.prefix(2)
    let reversed = Array(runs.reversed())
    return runs.suffix(3).elementsEqual(last3) || runs.suffix(3).elementsEqual(first3)
      || runs.starts(with: rotated) || runs.suffix(2).elementsEqual(last2)
      || reversed.starts(with: last3) || reversed.starts(with: first3)
      || reversed.starts(with: last2) || reversed.suffix(2).elementsEqual(last2)
  }

  // MARK: IPv6

  private static func looksDynamic(_ host: [UInt8], groups: [UInt16]) -> Bool {
    let padded = groups.map { Hex.padded(Int($0), width: 4) }
    let plain = groups.map { String($0, radix: 16) }
    let nibbles = padded.joined().reversed().map { String($0) }
    var needles = [padded.joined(), padded.suffix(4).joined()]
    needles += [nibbles.joined(), nibbles.prefix(16).joined()]
    for separator in ["-", ".", ":"] {
      needles.append(padded.joined(separator: separator))
      needles.append(padded.suffix(4).joined(separator: separator))
      needles.append(nibbles.joined(separator: separator))
      needles.append(nibbles.prefix(16).joined(separator: separator))
    }
    if needles.contains(where: { host.holds($0) }) { return true }
    // Without leading zeros a match may be part of longer numbers, so its ends are looked at.
    for separator in ["-", ".", ":"] {
      if host.holdsNumber(plain.joined(separator: separator)) { return true }
      if host.holdsNumber(plain.suffix(4).joined(separator: separator)) { return true }
    }
    let compressed = IPAddress(octets: groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] })
    let dashed = (compressed?.description ?? "").map { $0 == ":" ? "-" : $0 }
    if host.holdsNumber(String(dashed)) { return true }
    return NameShape.fits(host, marking: nil) || holdsDynamicWord(host)
  }

  private static let dynamicWords: Set<String> = [
    "adsl", "broadband", "cable", "catv", "cpe", "dhcp", "dhcpv6", "dial", "dialin", "dialup",
    "dyn", "dynamic", "dynamicip", "dynip", "ftth", "ppp", "pppoe", "residential", "vdsl", "xdsl",
  ]

  /// Whether a label before the registered domain holds a word that providers use.
  private static func holdsDynamicWord(_ host: [UInt8]) -> Bool {
    let labels = host.split(separator: UInt8(ascii: "."))
    return labels.dropLast(2).contains { label in
      let text = String(decoding: label, as: UTF8.self)
      if text == "pool" || text.hasPrefix("pool-") { return true }
      let words = text.split { $0 == "-" || $0 == "_" || ("0"..."9").contains($0) }
      return words.contains { dynamicWords.contains(String($0)) } || dynamicWords.contains(text)
    }
  }
}

/// Hexadecimal text of fixed width.
enum Hex {
  static func padded(_ value: Int, width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
  }
}

extension UInt8 {
  var isDigit: Bool { (0x30...0x39).contains(self) }
  var isHexDigit: Bool { isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self) }
  var isLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
}

extension [UInt8] {
  /// Whether `text` stands somewhere in these bytes.
  func holds(_ text: String) -> Bool {
    let needle = Array(text.utf8)
    guard let first = needle.first, needle.count <= count else { return false }
    // Most bytes are not the first one: only from there on is it worth to compare.
    return indices.dropLast(needle.count - 1).contains {
      self[$0] == first && self[$0...].starts(with: needle)
    }
  }

  /// Whether `text` stands somewhere with no hex digit before or after it.
  func holdsNumber(_ text: String) -> Bool {
    let needle = Array(text.utf8)
    guard !needle.isEmpty, needle.count <= count else { return false }
    return indices.contains { start in
      let rest = dropFirst(start)
      guard rest.starts(with: needle) else { return false }
      let before = prefix(start).last
      let after = rest.dropFirst(needle.count).first
      return before?.isHexDigit != true && after?.isHexDigit != true
    }
  }
}
