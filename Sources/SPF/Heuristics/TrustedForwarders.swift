// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
package import DNS
package import Environment
internal import Synchronization

/// Domains that forward mail for our users without changing its sender, and the addresses from
/// which they do.
///
/// Their records are worked out beforehand, so that a message costs one binary search, however long
/// the list is. `refresh(by:)` asks DNS, and belongs where nobody waits.
package final class TrustedForwarders: Sendable {
  /// What is known of one forwarder.
  package struct Status: Sendable {
    package let domain: DomainName
    /// Nil until DNS has answered.
    package var networks: AuthorisedNetworks?
    /// Why the last refresh failed; what was known before goes on to hold.
    package var failure: String?
    /// When to ask again.
    var due: Duration = .zero
    /// How often DNS failed in a row.
    var failures = 0
  }

  private struct State {
    var forwarders: [Status]
    var index: ForwarderIndex
    /// Asked for with each message: never to be picked out of a long list then.
    var conditional: [DomainName]
    /// The first of which nothing is known.
    var unknown: DomainName?

    init(_ forwarders: [Status]) {
      self.forwarders = forwarders
      index = ForwarderIndex(forwarders.map { $0.networks?.addresses ?? IPRangeSet() })
      conditional = forwarders.filter { $0.networks?.isComplete == false }.map(\.domain)
      unknown = forwarders.first { $0.networks == nil }?.domain
    }
  }

  private let evaluator: SPFEvaluator
  private let state: Mutex<State>

  /// Asked again no sooner than after this, whatever DNS says.
  private static let soonest: Duration = .seconds(300)
  /// Asked again so soon after a failure, and twice as late after each further one in a row, up to
  /// `soonest`.
  private static let retry: Duration = .seconds(5)
  /// Asked again at least this often.
  private static let latest: Duration = .seconds(86_400)

  /// The forwarders, the first of which wins where they share an address. Nothing is asked yet.
  package init(_ domains: [DomainName], evaluator: SPFEvaluator) {
    self.evaluator = evaluator
    state = Mutex(State(domains.map { Status(domain: $0) }))
  }

  /// Takes over what `old` knows of forwarders that both have.
  package func takeOver(from old: TrustedForwarders) {
    let known = Dictionary(old.statuses.map { ($0.domain, $0) }, uniquingKeysWith: { $1 })
    state.withLock { state in state = State(state.forwarders.map { known[$0.domain] ?? $0 }) }
  }

  /// What is known of a client.
  package struct Finding: Sendable {
    /// The forwarder that it belongs to; nil also while DNS has not answered yet.
    package var forwarder: DomainName?
    /// The forwarders whose records ask for more than an address: for a client that belongs to none,
    /// they must be evaluated message by message, as the HELO name.
    package let conditional: [DomainName]
    /// A forwarder of which nothing is known, since DNS has not answered yet: any client may be its.
    package let unknown: DomainName?
  }

  /// What is known of a client, at the cost of one lock and one search.
  package func finding(of client: IPAddress) -> Finding {
    state.withLock { state in
      var finding = Finding(conditional: state.conditional, unknown: state.unknown)
      if let number = state.index.forwarder(of: client), state.forwarders.indices.contains(number) {
        finding.forwarder = state.forwarders[number].domain
      }
      return finding
    }
  }

  /// What is known of each.
  package var statuses: [Status] { state.withLock(\.forwarders) }

  /// How long until `refresh(by:)` has something to do.
  package var timeUntilDue: Duration? {
    let next = statuses.map(\.due).min()
    return next.map { max(.zero, $0 - evaluator.time.monotonic) }
  }

  /// Asks DNS about those that are due, one after the other, until the deadline.
  package func refresh(by deadline: Deadline) {
    var hasNews = false
    let now = evaluator.time.monotonic
    // Asked for again and again, when nearly always none is due: nothing is copied for that.
    let due = state.withLock { state in
      state.forwarders.indices.filter { state.forwarders[$0].due <= now }
        .map { ($0, state.forwarders[$0]) }
    }
    for (number, known) in due where !deadline.isOver {
      var status = known
      do throws(ForwarderFailure) {
        let networks = try evaluator.authorisedNetworks(of: status.domain, by: deadline)
        status.networks = networks
        status.failure = nil
        status.failures = 0
        status.due = now + min(max(.seconds(networks.timeToLive), Self.soonest), Self.latest)
        hasNews = true
      } catch {
        status.failure = error.description
        let wait = Self.retry * (1 << min(status.failures, 10))
        status.due = now + min(wait, Self.soonest)
        status.failures = min(status.failures + 1, 10)
      }
      let fresh = status
      state.withLock { state in
        if state.forwarders.indices.contains(number) { state.forwarders[number] = fresh }
      }
    }
    guard hasNews else { return }
    // Made without the lock, which every message takes.
    let fresh = State(statuses)
    state.withLock { $0 = fresh }
  }
}

/// Which of many sets of addresses holds an address, the first one first.
struct ForwarderIndex: Sendable {
  /// In ascending order and without an address in common.
  private var blocks: [(addresses: ClosedRange<IPAddress>, number: Int)] = []

  init() {}

  init(_ sets: [IPRangeSet]) {
    var taken = IPRangeSet()
    for (number, set) in sets.enumerated() {
      blocks += set.subtracting(taken).ranges.map { ($0, number) }
      taken = taken.union(set)
    }
    blocks.sort { $0.addresses.lowerBound < $1.addresses.lowerBound }
  }

  func forwarder(of address: IPAddress) -> Int? {
    var low = 0
    var high = blocks.count
    while low < high {
      let middle = (low + high) / 2
      let block = blocks[middle]
      if address < block.addresses.lowerBound {
        high = middle
      } else if block.addresses.upperBound < address {
        low = middle + 1
      } else {
        return block.number
      }
    }
    return nil
  }
}
