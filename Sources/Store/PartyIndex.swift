// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing

/// Values by party, with addresses found by the blocks that hold them.
///
/// A look-up costs one hash for each length of prefix that occurs in the index, however many
/// entries there are. The values lie in slices, so that who walks along them all need not keep
/// others waiting meanwhile, nor make them copy everything for one change.
package struct PartyIndex<Value: Sendable>: Sendable {
  private struct Shape: Hashable {
    var isIPv4: Bool
    var prefixLength: Int
  }

  /// How many slices there are.
  package static var sliceCount: Int { 1024 }

  private var slices = [[ListedParty: Value]](repeating: [:], count: sliceCount)
  private var shapes: [Shape: Int] = [:]
  package private(set) var count = 0

  package init() {}

  /// What is listed in one slice; nothing where there is no such slice.
  package func slice(_ number: Int) -> [ListedParty: Value] {
    slices.indices.contains(number) ? slices[number] : [:]
  }

  private static func number(of party: ListedParty) -> Int {
    Int(UInt(bitPattern: party.hashValue) % UInt(sliceCount))
  }

  package subscript(_ party: ListedParty) -> Value? {
    // Most lists are empty, and asked under a lock.
    get { count == 0 ? nil : slices[Self.number(of: party)][party] }
    set {
      let old = slices[Self.number(of: party)].updateValue(newValue, forKey: party)
      count += (newValue == nil ? 0 : 1) - (old == nil ? 0 : 1)
      if case .network(let network) = party {
        let shape = Shape(
          isIPv4: network.address.isIPv4, prefixLength: network.prefixLength)
        let change = (newValue == nil ? 0 : 1) - (old == nil ? 0 : 1)
        let count = (shapes[shape] ?? 0) + change
        shapes[shape] = count > 0 ? count : nil
      }
    }
  }

  /// The values of all listed blocks that hold `ip`, the narrowest block first.
  package func values(covering ip: IPAddress) -> [Value] {
    shapes.keys.filter { $0.isIPv4 == ip.isIPv4 }
      .sorted { $0.prefixLength > $1.prefixLength }
      .compactMap { self[.network(IPNetwork(ip, prefixLength: $0.prefixLength))] }
  }
}

extension Dictionary {
  /// Sets or, with nil, removes a value.
  ///
  /// - Returns: the value before.
  fileprivate mutating func updateValue(_ value: Value?, forKey key: Key) -> Value? {
    guard let value else { return removeValue(forKey: key) }
    return updateValue(value, forKey: key)
  }
}
