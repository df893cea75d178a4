// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Configuration
internal import DNS
internal import Environment
internal import Mail
internal import Policy
internal import SPF

/// SPF with this site's settings: the official result, and what else may be made of a domain.
final class SenderEvaluator: Sendable {
  private let engine: any SPFEngine
  /// For all that is not official.
  private let native: SPFEvaluator
  private let delegate: DomainName?
  private let forwarders: TrustedForwarders?
  private let resolver: any Resolver
  private let names: ReverseNameCache

  init(_ settings: Settings<SPFOptions>, _ services: Services) throws(SetupError) {
    // In proportion: what is made of the answers is asked for as often as they are.
    native = SPFEvaluator(
      resolver: services.resolver, time: services.time,
      records: SPFRecordCache(capacity: services.dnsCacheSize / 2),
      evaluations: SPFEvaluationCache(capacity: services.dnsCacheSize / 2))
    names = ReverseNameCache(capacity: services.dnsCacheSize / 8, time: services.time)
    resolver = services.resolver
    switch settings.engine {
    case .native: engine = native
    case .libspf2: engine = LibSPF2(native: native)
    }
    if settings.delegate.isEmpty {
      delegate = nil
    } else if let name = DomainName(settings.delegate) {
      delegate = name
    } else {
      throw SetupError(option: "spf.delegate", "\"\(settings.delegate)\" is no domain name")
    }
    var domains: [DomainName] = []
    for item in settings.trustedForwarder.items {
      guard let name = DomainName(item) else {
        throw SetupError(option: "spf.trusted_forwarder", "\"\(item)\" is no domain name")
      }
      domains.append(name)
    }
    forwarders = domains.isEmpty ? nil : TrustedForwarders(domains, evaluator: native)
  }

  /// What RFC 7208 says.
  func official(_ query: SPFQuery, by deadline: Deadline) -> SPFEvaluation {
    engine.evaluate(query, by: deadline)
  }

  /// The name of a client, by our own look-up.
  func name(of client: IPAddress, by deadline: @autoclosure () -> Deadline) -> ReverseName {
    names.name(of: client, resolver, by: deadline())
  }

  /// What a faulty record probably means; nil where even so it means nothing.
  func lax(_ query: SPFQuery, by deadline: Deadline) -> SPFResult? {
    let found = native.laxResult(of: query, by: deadline)
    return found.result == .permerror || found.result == .temperror ? nil : found.result
  }

  /// What the delegate's record says of a domain without one; nil where there is none.
  func delegated(_ query: SPFQuery, by deadline: Deadline) -> SPFResult? {
    guard let delegate,
      let found = native.delegatedResult(of: query, to: delegate, by: deadline)
    else { return nil }
    switch found.result {
    case .none, .permerror: return nil
    case .temperror, .pass, .fail, .softfail, .neutral: return found.result
    }
  }

  /// What a record that we think up would say.
  func guess(_ query: SPFQuery, _ guess: GuessedRecord, by deadline: Deadline) -> SPFResult {
    native.bestGuess(guess, for: query, by: deadline).result
  }

  /// Whether a client is a trusted forwarder's.
  enum ForwarderFinding: Equatable {
    case none
    case forwarder(DomainName)
    /// It may be this one's, of which DNS does not tell at the moment.
    case unknown(DomainName)
  }

  /// The trusted forwarder that the client belongs to.
  func forwarder(of client: SenderClient, by deadline: Deadline) -> ForwarderFinding {
    guard let forwarders else { return .none }
    let known = forwarders.finding(of: client.ip)
    if let domain = known.forwarder { return .forwarder(domain) }
    var unknown = known.unknown
    for domain in known.conditional {
      let query = SPFQuery(client: client.ip, helo: MailText(domain.text))
      switch native.evaluate(query, by: deadline).result {
      case .pass: return .forwarder(domain)
      case .temperror: unknown = unknown ?? domain
      case .none, .neutral, .fail, .softfail, .permerror: break
      }
    }
    return unknown.map { .unknown($0) } ?? .none
  }

  func takeOver(from old: SenderEvaluator) {
    if let forwarders, let known = old.forwarders { forwarders.takeOver(from: known) }
  }

  func refresh(by deadline: Deadline) { forwarders?.refresh(by: deadline) }

  /// Forwarders of which nothing is known.
  var standingFaults: [String] {
    forwarders?.statuses.compactMap { status in
      status.failure.map { "spf.trusted_forwarder \(status.domain): \($0)" }
    } ?? []
  }
}
