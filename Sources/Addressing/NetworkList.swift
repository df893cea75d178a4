// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A list of addresses, networks and globs, as administrators write it in a configuration.
///
/// Each item is an address (`192.0.2.1`), a CIDR block (`2001:db8::/32`) or a shell glob of `*`
/// and `?` that is matched on the canonical text of the address (`127.*`). Host names are refused:
/// looking them up would let whoever runs their DNS decide who is trusted.
public struct NetworkList: Sendable, Equatable {
  /// Why an item was refused.
  public struct Fault: Error, Equatable, CustomStringConvertible {
    /// What is wrong with the item, and what to write instead.
    public let description: String
  }

  enum Item: Sendable, Equatable {
    case network(IPNetwork)
    case glob(AddressGlob)
  }

  let entries: [Item]

  /// The list that holds no address.
  public init() { entries = [] }

  /// The list of these blocks.
  public init(_ networks: some Sequence<IPNetwork>) {
    entries = networks.map { .network($0) }
  }

  /// The list of these items; throws for the first that is neither address, block nor glob.
  public init(items: some Sequence<some StringProtocol>) throws(Fault) {
    var entries: [Item] = []
    for item in items { entries.append(try Self.parse(String(item))) }
    self.entries = entries
  }

  /// Whether the list has no item.
  public var isEmpty: Bool { entries.isEmpty }

  /// The items as canonical text.
  public var items: [String] {
    entries.map {
      switch $0 {
      case .network(let network): "\(network)"
      case .glob(let glob): glob.text
      }
    }
  }

  /// Whether an item matches `address`.
  public func contains(_ address: IPAddress) -> Bool {
    var text: [UInt8]?
    for entry in entries {
      switch entry {
      case .network(let network):
        if network.contains(address) { return true }
      case .glob(let glob):
        let bytes = text ?? Array(address.description.utf8)
        text = bytes
        if glob.matches(bytes) { return true }
      }
    }
    return false
  }

  private static func parse(_ item: String) throws(Fault) -> Item {
    if let network = IPNetwork(item) { return .network(network) }
    if item.contains("*") || item.contains("?") {
      guard let glob = AddressGlob(item) else {
        throw Fault(
          description: "'\(item)' is not a glob of IP addresses: write one like 192.168.*")
      }
      return .glob(glob)
    }
    throw Fault(description: explanation(of: item))
  }

  private static func explanation(of item: String) -> String {
    let shape = "write an address, a network like 192.0.2.0/24, or a glob like 127.*"
    if item.isEmpty { return "an address is missing: \(shape)" }
    if item.hasPrefix("[") || item.lowercased().hasPrefix("ipv6:") {
      return "'\(item)' is not an IP address: write it without brackets or tag"
    }
    let address = item.prefix { $0 != "/" }
    if address.endIndex < item.endIndex, IPAddress(address) != nil {
      return "'\(item)' has no valid prefix length: write 0 to 32 for IPv4, 0 to 128 for IPv6"
    }
    let isAddressLike = address.utf8.allSatisfy {
      (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".")
    }
    if isAddressLike || address.contains(":") { return "'\(item)' is not an IP address: \(shape)" }
    return "'\(item)' is a host name, which is not supported here: \(shape)"
  }
}

/// A glob of `*` and `?` over the text of an address.
struct AddressGlob: Sendable, Equatable {
  let text: String
  private let pattern: [UInt8]

  /// The glob, or nil when it holds a byte that no address has.
  init?(_ text: String) {
    let lowered = text.lowercased()
    let allowed = Set("0123456789abcdef.:*?".utf8)
    guard lowered.utf8.count <= 64, lowered.utf8.allSatisfy(allowed.contains) else { return nil }
    self.text = lowered
    pattern = Array(lowered.utf8)
  }

  /// Whether the whole of `bytes` matches; the work is at most pattern times text.
  func matches(_ bytes: [UInt8]) -> Bool {
    // `states[i]`: the first i bytes of the pattern match what was read so far.
    var states =
      [true]
      + pattern.indices.map { end in
        pattern.prefix(through: end).allSatisfy { $0 == UInt8(ascii: "*") }
      }
    for byte in bytes {
      var next = [false]
      for (element, (before, at)) in zip(pattern, zip(states, states.dropFirst())) {
        switch element {
        case UInt8(ascii: "*"): next.append((next.last ?? false) || at)
        case UInt8(ascii: "?"): next.append(before)
        default: next.append(before && element == byte)
        }
      }
      states = next
    }
    return states.last ?? false
  }
}
