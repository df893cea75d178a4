// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing

extension TermReader {
  /// Takes the prefix lengths from the end of an argument (RFC 7208 §5.6).
  ///
  ///     dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]
  ///
  /// A domain-spec may hold slashes, but cannot end in one with digits.
  static func splitPrefixLengths(
    _ argument: ArraySlice<UInt8>, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> (rest: ArraySlice<UInt8>, SPFRecord.PrefixLengths) {
    var lengths = SPFRecord.PrefixLengths()
    var rest = argument
    if let (before, digits) = trailingLength(rest), before.last == UInt8(ascii: "/") {
      lengths.ipv6 = try length(digits, atMost: 128, term)
      rest = before.dropLast()
    }
    if let (before, digits) = trailingLength(rest) {
      lengths.ipv4 = try length(digits, atMost: 32, term)
      rest = before
    }
    return (rest, lengths)
  }

  /// What stands before a slash and digits at the end.
  private static func trailingLength(
    _ text: ArraySlice<UInt8>
  ) -> (before: ArraySlice<UInt8>, digits: ArraySlice<UInt8>)? {
    guard let slash = text.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    let digits = text[text.index(after: slash)...]
    guard !digits.isEmpty, digits.allSatisfy(\.isDigit) else { return nil }
    return (text[..<slash], digits)
  }

  /// `"0" / %x31-39 0*2DIGIT`: no leading zeros.
  private static func length(
    _ digits: ArraySlice<UInt8>, atMost limit: Int, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> Int {
    let value = digits.reduce(0) { min($0 * 10 + Int($1 - 0x30), 1000) }
    let hasLeadingZero = digits.count > 1 && digits.first == UInt8(ascii: "0")
    guard value <= limit, !hasLeadingZero else {
      throw SPFSyntaxFault("a prefix length from 0 to \(limit) is expected", term)
    }
    return value
  }

  /// `"ip4" ":" ip4-network [ ip4-cidr-length ]` (RFC 7208 §5.6).
  static func ip4(
    _ argument: some Collection<UInt8>, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> IPNetwork {
    let (text, length) = try network(argument, atMost: 32, term)
    guard !text.contains(":"), let address = IPAddress(text) else {
      throw SPFSyntaxFault("not an IPv4 network", term)
    }
    return IPNetwork(address, prefixLength: length)
  }

  /// `"ip6" ":" ip6-network [ ip6-cidr-length ]` (RFC 7208 §5.6).
  static func ip6(
    _ argument: some Collection<UInt8>, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> IPNetwork? {
    let (text, length) = try network(argument, atMost: 128, term)
    guard text.contains(":"), let address = IPAddress(text) else {
      throw SPFSyntaxFault("not an IPv6 network", term)
    }
    guard address.isIPv4 else { return IPNetwork(address, prefixLength: length) }
    // An IPv4-mapped address: only a block that reaches beyond the mapped ones has clients.
    guard length < 96 else { return nil }
    let mapped = length <= 80 ? 0 : (0xFFFF << 32) & (UInt64.max << UInt64(128 - length))
    return IPNetwork(IPAddress(v6High: 0, low: mapped), prefixLength: length)
  }

  private static func network(
    _ argument: some Collection<UInt8>, atMost limit: Int, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> (address: String, length: Int) {
    guard argument.first == UInt8(ascii: ":") else {
      throw SPFSyntaxFault("the network is missing", term)
    }
    let text = Array(argument.dropFirst())[...]
    guard let slash = text.firstIndex(of: UInt8(ascii: "/")) else {
      return (String(decoding: text, as: UTF8.self), limit)
    }
    let digits = text[text.index(after: slash)...]
    guard !digits.isEmpty, digits.allSatisfy(\.isDigit) else {
      throw SPFSyntaxFault("a prefix length from 0 to \(limit) is expected", term)
    }
    return (
      String(decoding: text[..<slash], as: UTF8.self), try length(digits, atMost: limit, term)
    )
  }
}
