// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import DNS
internal import Environment
internal import Mail

/// The addresses that pass whatever the message is, worked out from a domain's record once.
package struct AuthorisedNetworks: Sendable {
  /// Every address in it passes.
  var addresses = IPRangeSet()
  /// Whether no other address can pass. Otherwise the record asks for what only a message tells:
  /// `ptr`, or macros of the client.
  package var isComplete = true
  /// Why there may be more that pass; nil when everything was found out.
  package var problem: String?
  /// For how many seconds it holds.
  package var timeToLive: UInt32 = .max
}

extension SPFEvaluator {
  /// The addresses from which mail of a domain's postmaster passes; what `v=spf1 a mx` would allow
  /// when it has no record.
  ///
  /// - Throws: when DNS fails, so that nothing can be said.
  func authorisedNetworks(
    of domain: DomainName, by deadline: Deadline
  ) throws(ForwarderFailure) -> AuthorisedNetworks {
    var found = AuthorisedNetworks()
    for client in [IPAddress(v4: 0), IPAddress(v6High: 0, low: 0)] {
      let query = SPFQuery(client: client, helo: .init(domain.text))
      // Not from the cache of records, which does not know for how long they still hold.
      let evaluator = SPFEvaluator(resolver: resolver, time: time)
      var run = SPFRun(query, evaluator, by: deadline, isLax: false, isExplained: false)
      let flat = run.flatten(domain)
      if case .temperror(let why)? = flat.stop { throw ForwarderFailure(description: why) }
      if case .permerror(let why)? = flat.stop { found.problem = why }
      found.addresses = found.addresses.union(flat.passing)
      found.isComplete = found.isComplete && flat.isComplete
      found.timeToLive = min(found.timeToLive, run.timeToLive)
    }
    return found
  }
}

/// Why nothing is known of a forwarder.
struct ForwarderFailure: Error, CustomStringConvertible {
  let description: String
}

/// What a record makes of all clients of one family at once.
private struct FlatFinding {
  /// Clients that pass for sure.
  var passing = IPRangeSet()
  /// Whether all others do not.
  var isComplete = true
  /// What ended the evaluation for those that had not passed before.
  var stop: SPFStop?
}

extension SPFRun {
  /// All clients of the query's family that pass for a domain.
  fileprivate mutating func flatten(_ domain: DomainName) -> FlatFinding {
    do throws(SPFStop) {
      let record = try record(of: domain, isCounted: false) ?? GuessedRecord.helo.record
      return flatten(record, of: domain, depth: 0)
    } catch {
      return FlatFinding(stop: error)
    }
  }

  /// The same of one record: as `evaluate(_:of:depth:)`, with sets in place of one client.
  private mutating func flatten(
    _ record: SPFRecord, of domain: DomainName, depth: Int
  ) -> FlatFinding {
    var found = FlatFinding()
    var undecided = IPRangeSet.all
    do throws(SPFStop) {
      for directive in record.directives {
        guard !undecided.isEmpty else { return found }
        if directive.mechanism.asksDNS { try countTerm() }
        let matching = try clients(of: directive.mechanism, domain, depth)
        let isPass = directive.result == .pass
        found.passing = found.passing.union(
          isPass ? matching.passing.intersection(undecided) : IPRangeSet())
        undecided = undecided.subtracting(matching.passing)
        if let stop = matching.stop { throw stop }
        if !matching.isComplete {
          found.isComplete = false
          // Who of the rest is refused here is not known, so nobody passes for sure below.
          if !isPass { return found }
        }
      }
      guard let redirect = record.redirect, !undecided.isEmpty else { return found }
      try countTerm()
      guard !redirect.dependsOnClient else {
        found.isComplete = false
        return found
      }
      guard let target = try name(redirect, of: domain), let next = try self.record(of: target)
      else { throw .permerror("redirect= leads to no record") }
      let rest = flatten(next, of: target, depth: depth + 1)
      found.passing = found.passing.union(rest.passing.intersection(undecided))
      found.isComplete = found.isComplete && rest.isComplete
      found.stop = rest.stop
    } catch {
      found.stop = error
    }
    return found
  }

  /// The clients that a mechanism describes.
  private mutating func clients(
    of mechanism: SPFRecord.Mechanism, _ domain: DomainName, _ depth: Int
  ) throws(SPFStop) -> FlatFinding {
    guard !mechanism.dependsOnClient else { return FlatFinding(isComplete: false) }
    switch mechanism {
    case .all: return FlatFinding(passing: .all)
    case .network(let network): return FlatFinding(passing: network.map { [$0] } ?? [])
    case .ptr: return FlatFinding(isComplete: false)
    case .exists:
      return FlatFinding(passing: try matches(mechanism, of: domain, depth: depth) ? .all : [])
    case .a(let spec, let lengths):
      guard let target = try name(spec, or: domain) else { return FlatFinding() }
      let response = try require(target, addressType)
      if response.isVoid { try countVoid() }
      return FlatFinding(passing: IPRangeSet(response.addresses.map(lengths.network)))
    case .mx(let spec, let lengths):
      guard let target = try name(spec, or: domain) else { return FlatFinding() }
      return try exchangeClients(of: target, lengths)
    case .include(let spec):
      guard let target = try name(spec, of: domain) else {
        throw .permerror("include leads to no domain name")
      }
      guard let record = try record(of: target) else {
        throw .permerror("\(target), which is included, has no SPF record")
      }
      return flatten(record, of: target, depth: depth + 1)
    }
  }

  private mutating func exchangeClients(
    of target: DomainName, _ lengths: SPFRecord.PrefixLengths
  ) throws(SPFStop) -> FlatFinding {
    let exchanges = try require(target, .mx).exchanges
    guard exchanges.count <= limits.names else {
      throw .permerror("\(target) has more than \(limits.names) MX records")
    }
    var found = FlatFinding()
    for exchange in exchanges where !exchange.host.isRoot {
      let addresses = try require(exchange.host, addressType).addresses
      found.passing = found.passing.union(IPRangeSet(addresses.map(lengths.network)))
    }
    if found.passing.isEmpty { try countVoid() }
    return found
  }
}

extension DomainSpec {
  /// Whether the name is another one for each client.
  fileprivate var dependsOnClient: Bool {
    guard case .expanding(let macros) = name else { return false }
    return macros.parts.contains { part in
      guard case .macro(let macro) = part else { return false }
      return macro.letter == .client || macro.letter == .pointerName
    }
  }
}

extension SPFRecord.Mechanism {
  fileprivate var dependsOnClient: Bool {
    switch self {
    case .all, .network: false
    case .include(let spec), .exists(let spec): spec.dependsOnClient
    case .a(let spec, _), .mx(let spec, _), .ptr(let spec): spec?.dependsOnClient ?? false
    }
  }
}
