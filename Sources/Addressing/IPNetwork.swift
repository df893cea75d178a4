// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A block of addresses: all that share the first `prefixLength` bits (CIDR).
public struct IPNetwork: Sendable, Hashable {
  /// The first address of the block; its host bits are zero.
  public let address: IPAddress
  /// How many leading bits the addresses of the block share.
  public let prefixLength: Int

  /// The block around `address`; the length is clamped to the family's and host bits are cleared.
  public init(_ address: IPAddress, prefixLength: Int) {
    self.prefixLength = min(max(prefixLength, 0), address.bitWidth)
    self.address = address.masked(to: prefixLength)
  }

  /// The block that `text` spells: an address, or `address/length`; nil for anything else.
  ///
  /// Host bits may be set (`192.0.2.7/24`). A length on an IPv4-mapped address counts the 96 bits
  /// of the mapping, so `::ffff:192.0.2.0/120` is `192.0.2.0/24`.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPAddress(first) else { return nil }
    guard parts.count > 1, let digits = parts.last else {
      self.init(address, prefixLength: address.bitWidth)
      return
    }
    guard
      (1...3).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      digits.utf8.count == 1 || !digits.hasPrefix("0"), let written = Int(digits)
    else { return nil }
    let isMapped = address.isIPv4 && first.contains(":")
    let length = isMapped ? written - 96 : written
    guard (0...address.bitWidth).contains(length) else { return nil }
    self.init(address, prefixLength: length)
  }

  /// Whether `address` is in the block; an address of the other family never is.
  public func contains(_ address: IPAddress) -> Bool {
    address.isIPv4 == self.address.isIPv4 && address.masked(to: prefixLength) == self.address
  }
}

extension IPNetwork: CustomStringConvertible {
  /// The canonical text: the address alone when the block holds only one, else `address/length`.
  public var description: String {
    prefixLength == address.bitWidth ? "\(address)" : "\(address)/\(prefixLength)"
  }
}
