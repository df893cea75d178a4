// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A set of addresses, however many networks it is made of: a lookup is a binary search.
public struct IPRangeSet: Sendable, Equatable {
  /// All addresses from `first` to `last`, of one family.
  struct Block: Sendable, Equatable {
    var first: IPAddress
    var last: IPAddress
  }

  /// In ascending order, and with addresses between any two.
  private(set) var blocks: [Block]

  /// The set that holds no address.
  public init() { blocks = [] }

  /// The addresses of one network.
  public init(_ network: IPNetwork) {
    blocks = [Block(first: network.address, last: network.last)]
  }

  /// All IPv4 addresses, and all IPv6 addresses.
  public static let all: IPRangeSet = [
    IPNetwork(IPAddress(v4: 0), prefixLength: 0),
    IPNetwork(IPAddress(v6High: 0, low: 0), prefixLength: 0),
  ]

  init(blocks: [Block]) { self.blocks = blocks }

  /// Whether the set holds no address.
  public var isEmpty: Bool { blocks.isEmpty }

  /// The fewest networks that together are the set, in ascending order.
  public var networks: [IPNetwork] {
    var networks: [IPNetwork] = []
    for block in blocks {
      var start: IPAddress? = block.first
      // Each step takes the widest network that begins here: at most two of each length.
      while let first = start {
        let length =
          (0...first.bitWidth).first { length in
            let network = IPNetwork(first, prefixLength: length)
            return network.address == first && network.last <= block.last
          } ?? first.bitWidth
        let network = IPNetwork(first, prefixLength: length)
        networks.append(network)
        start = network.last < block.last ? network.last.next : nil
      }
    }
    return networks
  }

  /// How many blocks of consecutive addresses there are.
  public var blockCount: Int { blocks.count }

  /// The blocks of consecutive addresses, each of one family, in ascending order.
  public var ranges: [ClosedRange<IPAddress>] { blocks.map { $0.first...$0.last } }

  /// Whether `address` is in the set.
  public func contains(_ address: IPAddress) -> Bool {
    var low = 0
    var high = blocks.count
    while low < high {
      let middle = (low + high) / 2
      let block = blocks[middle]
      if address < block.first {
        high = middle
      } else if block.last < address {
        low = middle + 1
      } else {
        return true
      }
    }
    return false
  }

  /// The addresses of either set.
  public func union(_ other: IPRangeSet) -> IPRangeSet {
    var merged: [Block] = []
    merged.reserveCapacity(blocks.count + other.blocks.count)
    var rest = other.blocks[...]
    for block in blocks {
      while let next = rest.first, next.first < block.first {
        Self.append(next, to: &merged)
        rest = rest.dropFirst()
      }
      Self.append(block, to: &merged)
    }
    for block in rest { Self.append(block, to: &merged) }
    return IPRangeSet(blocks: merged)
  }

  /// Adds a block that begins no earlier than the last one, as one with it where they touch.
  private static func append(_ block: Block, to blocks: inout [Block]) {
    guard let before = blocks.last, before.first.isIPv4 == block.first.isIPv4,
      before.last.next.map({ block.first <= $0 }) ?? true
    else {
      blocks.append(block)
      return
    }
    blocks.removeLast()
    blocks.append(Block(first: before.first, last: max(before.last, block.last)))
  }

  /// The addresses that are not in `other`.
  public func subtracting(_ other: IPRangeSet) -> IPRangeSet {
    var left: [Block] = []
    var holes = other.blocks[...]
    for block in blocks {
      while let hole = holes.first, hole.last < block.first { holes = holes.dropFirst() }
      var start: IPAddress? = block.first
      for hole in holes {
        guard let from = start, hole.first <= block.last else { break }
        if from < hole.first, let end = hole.first.previous {
          left.append(Block(first: from, last: end))
        }
        start = hole.last < block.last ? hole.last.next : nil
      }
      if let start { left.append(Block(first: start, last: block.last)) }
    }
    return IPRangeSet(blocks: left)
  }

  /// The addresses that are in both sets.
  public func intersection(_ other: IPRangeSet) -> IPRangeSet {
    subtracting(subtracting(other))
  }
}

extension IPRangeSet: ExpressibleByArrayLiteral {
  /// The addresses of all these networks.
  public init(arrayLiteral networks: IPNetwork...) { self.init(networks) }

  /// The addresses of all these networks.
  public init(_ networks: some Sequence<IPNetwork>) {
    let sorted = networks.map { Block(first: $0.address, last: $0.last) }
      .sorted { $0.first < $1.first }
    blocks = []
    for block in sorted { Self.append(block, to: &blocks) }
  }
}

extension IPRangeSet: CustomStringConvertible {
  /// The blocks: an address, or `first-last`.
  public var description: String {
    blocks.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }
      .joined(separator: ", ")
  }
}

extension IPNetwork {
  /// The last address of the block.
  var last: IPAddress {
    if address.isIPv4 {
      let host = UInt32.max >> UInt32(prefixLength)
      return IPAddress(high: 0, low: address.low | UInt64(host), isIPv4: true)
    }
    return IPAddress(
      high: address.high | (UInt64.max >> UInt64(min(prefixLength, 64))),
      low: address.low | (UInt64.max >> UInt64(max(prefixLength - 64, 0))), isIPv4: false)
  }
}

extension IPAddress {
  /// The address after this one, nil after the last one of its family.
  var next: IPAddress? {
    if isIPv4 { return low < 0xFFFF_FFFF ? IPAddress(high: 0, low: low + 1, isIPv4: true) : nil }
    guard low == .max else { return IPAddress(high: high, low: low + 1, isIPv4: false) }
    return high < .max ? IPAddress(high: high + 1, low: 0, isIPv4: false) : nil
  }

  /// The address before this one, nil before the first one of its family.
  var previous: IPAddress? {
    if isIPv4 { return low > 0 ? IPAddress(high: 0, low: low - 1, isIPv4: true) : nil }
    guard low == 0 else { return IPAddress(high: high, low: low - 1, isIPv4: false) }
    return high > 0 ? IPAddress(high: high - 1, low: .max, isIPv4: false) : nil
  }
}
