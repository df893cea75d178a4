// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import DNS

// RFC 7208 §5.

extension SPFRun {
  /// Whether the client is what the mechanism describes.
  mutating func matches(
    _ mechanism: SPFRecord.Mechanism, of domain: DomainName, depth: Int
  ) throws(SPFStop) -> Bool {
    switch mechanism {
    case .all: return true
    case .network(let network): return network?.contains(query.client) ?? false
    case .include(let target): return try matchesInclude(target, of: domain, depth: depth)
    case .a(let target, let lengths):
      guard let target = try name(target, or: domain) else { return false }
      let response = try require(target, addressType)
      if response.isVoid { try countVoid() }
      return isClient(in: response, lengths)
    case .mx(let target, let lengths):
      guard let target = try name(target, or: domain) else { return false }
      return try matchesExchanges(of: target, lengths)
    case .ptr(let target):
      guard let target = try name(target, or: domain) else { return false }
      return try matchesPointer(within: target)
    case .exists(let target):
      guard let target = try name(target, of: domain) else { return false }
      // Always A, whatever the client's family (RFC 7208 §5.7).
      let response = try require(target, .a)
      if response.isVoid { try countVoid() }
      return !response.isVoid
    }
  }

  /// The type of the addresses that the client can have.
  var addressType: RecordType { query.client.isIPv4 ? .a : .aaaa }

  private func isClient(in response: Response, _ lengths: SPFRecord.PrefixLengths) -> Bool {
    response.addresses.contains { lengths.network(of: $0).contains(query.client) }
  }

  /// RFC 7208 §5.2.
  private mutating func matchesInclude(
    _ target: DomainSpec, of domain: DomainName, depth: Int
  ) throws(SPFStop) -> Bool {
    guard let target = try name(target, of: domain) else {
      try tolerate("include leads to no domain name")
      return false
    }
    guard let finding = try check(target, depth: depth + 1) else {
      try tolerate("\(target), which is included, has no SPF record")
      return false
    }
    return finding.result == .pass
  }

  /// RFC 7208 §5.4.
  ///
  /// The limit of void lookups is one of terms (RFC 7208 §4.6.4), so the exchanges that have no
  /// address count once, and only when none has one: for an IPv6 client nearly every `mx` has
  /// exchanges without AAAA records.
  private mutating func matchesExchanges(
    of target: DomainName, _ lengths: SPFRecord.PrefixLengths
  ) throws(SPFStop) -> Bool {
    let response = try require(target, .mx)
    var hasAddress = false
    var exchanges = response.exchanges[...]
    if exchanges.count > SPFLimits.official.names {
      try tolerate("\(target) has more than \(SPFLimits.official.names) MX records")
      exchanges = exchanges.prefix(limits.names)
    }
    for exchange in exchanges where !exchange.host.isRoot {
      let addresses = try require(exchange.host, addressType)
      if isClient(in: addresses, lengths) { return true }
      hasAddress = hasAddress || !addresses.isVoid
    }
    if !hasAddress { try countVoid() }
    return false
  }

  // MARK: - The client's names

  /// RFC 7208 §5.5.
  private mutating func matchesPointer(within target: DomainName) throws(SPFStop) -> Bool {
    let pointers = try clientPointers()
    if pointers.isVoid { try countVoid() }
    for name in pointers.names.prefix(limits.names) where name.isWithin(target) {
      if try isConfirmed(name) { return true }
    }
    return false
  }

  /// The PTR records of the client, asked for once.
  private mutating func clientPointers() throws(SPFStop) -> Response {
    if let pointers { return pointers }
    let response = try look(DomainName(reverse: query.client), .ptr)
    pointers = response
    if isLax, response.names.count > SPFLimits.official.names {
      try tolerate("the client has more than \(SPFLimits.official.names) names")
    }
    return response
  }

  /// Whether a name of the client has its address; not when that cannot be found out
  /// (RFC 7208 §5.5).
  private mutating func isConfirmed(_ name: DomainName) throws(SPFStop) -> Bool {
    if let known = confirmedPointers[name] { return known }
    let isConfirmed = try look(name, addressType).addresses.contains(query.client)
    confirmedPointers[name] = isConfirmed
    return isConfirmed
  }

  /// The value of the macro `p`: a confirmed name of the client, the domain itself or one below it
  /// before any other (RFC 7208 §7.3).
  mutating func pointerName(for domain: DomainName) throws(SPFStop) -> DomainName? {
    let names = try clientPointers().names.prefix(limits.names)
    let preferred = names.filter { $0 == domain } + names.filter { $0.isWithin(domain) }
    for name in preferred + names { if try isConfirmed(name) { return name } }
    return nil
  }
}
