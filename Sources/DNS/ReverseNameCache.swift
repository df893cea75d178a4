// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
package import Environment
internal import Synchronization

/// Remembers the names of clients and whether they lead back, as long as all answers hold that say
/// so, and for a short time that an answer failed: a reverse zone that is dead for long must not take
/// time of each message.
package final class ReverseNameCache: Sendable {
  private struct Entry: Sendable {
    var name: ReverseName
    /// Until when it holds.
    var end: Duration
  }

  /// How long a failure holds, in seconds (RFC 2308 §7 allows 5 minutes).
  package static let failureTime: UInt32 = 30

  private let time: any TimeSource
  private let entries: Mutex<BoundedCache<IPAddress, Entry>>

  /// The cache that takes about this many bytes of memory.
  package init(capacity: Int, time: any TimeSource) {
    self.time = time
    entries = Mutex(BoundedCache(capacity: capacity))
  }

  /// The name of an address, as DNS would answer; `resolver` is asked when it is not known, and
  /// only then it matters by when.
  package func name(
    of address: IPAddress, _ resolver: some Resolver, by deadline: @autoclosure () -> Deadline
  ) -> ReverseName {
    // Lives are counted from before the first question, so that none is counted too long.
    let now = time.monotonic
    if let known = known(address, now) { return known }
    let found = ReverseName(of: address, resolver, by: deadline())
    let life = found.hasFailed ? Self.failureTime : found.timeToLive
    guard life > 0 else { return found }
    // A failure may have taken long; it holds from when it was known.
    let start = found.hasFailed ? time.monotonic : now
    let entry = Entry(name: found, end: start + .seconds(life))
    let texts = (found.text?.utf8.count ?? 0) + found.address.utf8.count
    let cost = 220 + (found.name?.cost ?? 0) + texts
    entries.withLock { $0.insert(entry, for: address, cost: cost) }
    return found
  }

  private func known(_ address: IPAddress, _ now: Duration) -> ReverseName? {
    entries.withLock { entries in
      guard let entry = entries.value(for: address) else { return nil }
      guard now < entry.end else {
        entries.remove(address)
        return nil
      }
      return entry.name
    }
  }
}
