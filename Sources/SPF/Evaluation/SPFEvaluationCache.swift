// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import DNS
internal import Mail
internal import Synchronization

/// Remembers what evaluations came to, as long as every answer of DNS holds that they rest on.
///
/// An evaluation is a function of the client, the domain, what DNS says, and those other parts of
/// the query that a macro brought in (RFC 7208 §7.2): the result is used again only for the same
/// values of all of them. Nothing is kept that rests on an answer that failed, on a deadline or on
/// the time of day (`%{t}`).
package final class SPFEvaluationCache: Sendable {
  /// What every evaluation depends on, byte for byte: explanations show the domain as written.
  private struct Key: Hashable, Sendable {
    let client: IPAddress
    let domain: MailText
  }

  private struct Entry: Sendable {
    let evaluation: SPFEvaluation
    let traits: SPFQueryTraits
    /// Until when it holds.
    let end: Duration
  }

  private let entries: Mutex<BoundedCache<Key, Entry>>

  /// - Parameter capacity: how many bytes of memory it may take, about.
  package init(capacity: Int) { entries = Mutex(BoundedCache(capacity: capacity)) }

  func evaluation(of query: SPFQuery, now: Duration) -> SPFEvaluation? {
    guard let domain = query.sender.domain else { return nil }
    let key = Key(client: query.client, domain: domain)
    return entries.withLock { entries in
      guard let entry = entries.value(for: key) else { return nil }
      guard now < entry.end else {
        entries.remove(key)
        return nil
      }
      return entry.traits.hold(for: query) ? entry.evaluation : nil
    }
  }

  /// Keeps an evaluation, without the questions it asked, that began at `began` and holds for so many
  /// seconds from then on.
  func keep(
    _ evaluation: SPFEvaluation, of query: SPFQuery, _ traits: SPFQueryTraits,
    seconds: UInt32, since began: Duration
  ) {
    guard seconds > 0, let domain = query.sender.domain else { return }
    // Who gets it again has asked nothing.
    var known = evaluation
    known.lookups = []
    known.steps = []
    let entry = Entry(evaluation: known, traits: traits, end: began + .seconds(seconds))
    let cost = known.cost + traits.cost + domain.bytes.count
    entries.withLock {
      $0.insert(entry, for: Key(client: query.client, domain: domain), cost: cost)
    }
  }
}

/// The parts of a query besides client and domain that an evaluation looked at, with the values that
/// it found; nil for what it did not look at.
struct SPFQueryTraits: Sendable {
  var localPart: MailText?
  var helo: MailText?
  /// The receiver's name, `unknown` where there is none.
  var receiver: MailText?

  /// What the macro `r` is without a receiver (RFC 7208 §7.3).
  static let unknown: MailText = "unknown"

  /// Whether the evaluation of `query` would find the same.
  func hold(for query: SPFQuery) -> Bool {
    (localPart == nil || localPart == query.sender.localPart)
      && (helo == nil || helo == query.helo)
      && (receiver == nil || receiver == query.receiver ?? Self.unknown)
  }

  /// About how many bytes it takes beyond its own.
  fileprivate var cost: Int {
    [localPart, helo, receiver].reduce(0) { $0 + ($1.map { 32 + $0.bytes.count } ?? 0) }
  }
}

extension SPFEvaluation {
  /// About how many bytes it takes in memory.
  fileprivate var cost: Int {
    [explanation, mechanism, problem].reduce(500) { $0 + ($1?.utf8.count ?? 0) }
  }
}
