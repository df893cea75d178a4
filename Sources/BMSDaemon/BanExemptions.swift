// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Configuration
internal import Policies
internal import Policy
internal import Store

/// Addresses for which no ban holds: this machine, our own clients, trusted relays, those of
/// `[banned_ips] never`, and clients on the allow-list.
struct BanExemptions {
  private let lists: [(name: String, list: Networks)]
  private let allowed: [IPNetwork]

  init(_ administration: Administration) {
    let network = administration.configuration.settings(NetworkOptions.self)
    let bans = administration.configuration.settings(BannedIPs.Options.self)
    lists = [
      ("[network] trusted_relay", network.trustedRelay),
      ("[network] internal_connect", network.internalConnect),
      ("[banned_ips] never", bans.never),
    ]
    let entries = administration.memory.allowed?.entries ?? []
    allowed = entries.compactMap { entry in
      guard entry.skip.isEmpty || entry.skip.contains(BannedIPs.Options.name),
        case .network(let network) = entry.party
      else { return nil }
      return network
    }
  }

  /// Why no ban holds for all of `network`, in words; nil where one does.
  func reason(_ network: IPNetwork) -> String? {
    if network.address.isLoopback { return "it is this machine" }
    let whole = IPRangeSet(network)
    if network.prefixLength == network.address.bitWidth,
      let list = lists.first(where: { $0.list.contains(network.address) })
    {
      return "\(list.name) names it"
    }
    for (name, list) in lists where whole.subtracting(Self.set(list)).isEmpty {
      return "\(name) names it"
    }
    return whole.subtracting(IPRangeSet(allowed)).isEmpty ? "the allow-list has it" : nil
  }

  /// What is left of `network`. Globs of lists count for single addresses only.
  func subtracted(from network: IPNetwork) -> [IPNetwork] {
    guard reason(network) == nil else { return [] }
    let exempt = lists.reduce(IPRangeSet(allowed + Self.loopback)) {
      $0.union(Self.set($1.list))
    }
    return IPRangeSet(network).subtracting(exempt).networks
  }

  private static let loopback = ["127.0.0.0/8", "::1"].compactMap { IPNetwork($0) }

  private static func set(_ list: Networks) -> IPRangeSet {
    IPRangeSet(list.list.items.compactMap { IPNetwork($0) })
  }
}
