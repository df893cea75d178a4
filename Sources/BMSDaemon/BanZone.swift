// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Store

/// Banned IPv4 addresses as lines of a BIND zone, without SOA, for a blocking list of one's own.
package enum BanZone {
  /// More addresses of one /24 than this become a wildcard.
  static let wildcardLimit = 128
  /// A block that is wider gives a wildcard for each /24, which must stay a readable number.
  static let widest = 16

  /// The lines for these bans, sorted; domains, mailboxes, IPv6 and blocks wider than /16 are left
  /// out, `omitted` counts them.
  package static func lines(_ rows: [BanRow]) -> (lines: [String], omitted: Int) {
    var byNetwork: [UInt32: Set<UInt8>] = [:]
    var omitted = 0
    for row in rows {
      guard case .network(let network)? = ListedParty(kind: row.kind, value: row.value),
        network.address.isIPv4, network.prefixLength >= widest
      else {
        omitted += 1
        continue
      }
      let first = network.address.octets.reduce(0) { $0 << 8 | UInt32($1) }
      let last = first | (network.prefixLength == 32 ? 0 : UInt32.max >> network.prefixLength)
      for address in first...last {
        byNetwork[address >> 8, default: []].insert(UInt8(truncatingIfNeeded: address))
      }
    }
    var lines: [String] = []
    for (network, hosts) in byNetwork.sorted(by: { $0.key < $1.key }) {
      let name = "\(network & 255).\(network >> 8 & 255).\(network >> 16)"
      if hosts.count > wildcardLimit {
        lines.append("*.\(name) IN A 127.0.0.2 ; \(hosts.count) ips banned")
      } else {
        lines += hosts.sorted().map { "\($0).\(name) IN A 127.0.0.2" }
      }
    }
    return (lines, omitted)
  }
}
