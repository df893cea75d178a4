// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
package import Environment
internal import Synchronization

/// Remembers the names of clients and whether they lead back, as long as all answers hold that say
/// so, and never that an answer failed.
package final class ReverseNameCache: Sendable {
  private struct Entry: Sendable {
    var name: ReverseName
    /// Until when it holds.
    var end: Duration
  }

  private let time: any TimeSource
  private let entries: Mutex<BoundedCache<IPAddress, Entry>>

  /// The cache that takes about this many bytes of memory.
  package init(capacity: Int, time: any TimeSource) {
    self.time = time
    entries = Mutex(BoundedCache(capacity: capacity))
  }

  /// The name of an address, as DNS would answer; `resolver` is asked when it is not known.
  package func name(
    of address: IPAddress, _ resolver: some Resolver, by deadline: Deadline
  ) -> ReverseName {
    // Lives are counted from before the first question, so that none is counted too long.
    let now = time.monotonic
    if let known = known(address, now) { return known }
    let found = ReverseName(of: address, resolver, by: deadline)
    guard found.timeToLive > 0 else { return found }
    let entry = Entry(name: found, end: now + .seconds(found.timeToLive))
    let cost = 200 + 2 * (found.name?.cost ?? 0)
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
