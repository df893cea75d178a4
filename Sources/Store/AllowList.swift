// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing

/// Somebody who is let through.
package struct AllowEntry: ListEntry {
  package var party: ListedParty
  /// Milliseconds since 1970.
  package var since: Int64
  /// Milliseconds since 1970; nil for ever.
  package var until: Int64?
  /// The modules that are not asked; empty for all that can refuse.
  package var skip: [String]
  /// Whether a sender need not be proved. Without meaning for addresses.
  package var isUnauthenticated: Bool
  /// For people.
  package var note: String

  package init(
    _ party: ListedParty, since: Int64, until: Int64? = nil, skip: [String] = [],
    isUnauthenticated: Bool = false, note: String = ""
  ) {
    self.party = party
    self.since = since
    self.until = until
    self.skip = skip
    self.isUnauthenticated = isUnauthenticated
    self.note = note
  }
}

/// Who is let through, in memory for the mail path and in the database for the next start.
package final class AllowList: Sendable {
  private let list: PartyList<AllowTable>

  /// Reads the table. A database that cannot be read now is read by a later `flush`.
  package init(_ store: StateStore) { list = PartyList(store) }

  /// The entries of all blocks that hold `ip`, narrowest first.
  package func entries(covering ip: IPAddress) -> [AllowEntry] { list.entries(covering: ip) }

  /// The entry of exactly `party`.
  package func entry(for party: ListedParty) -> AllowEntry? { list.entry(for: party) }

  /// Every entry that has not expired, in order.
  package var entries: [AllowEntry] { list.entries }

  /// Adds an entry, in place of an older one of the same party. Holds at once; `flush` writes it.
  ///
  /// - Returns: false when the list is full.
  package func put(_ entry: AllowEntry) -> Bool { list.put(entry) }

  /// Removes an entry.
  ///
  /// - Returns: whether there was one.
  package func remove(_ party: ListedParty) -> Bool { list.remove(party) }

  /// Forgets entries that expired.
  ///
  /// - Returns: how many.
  @discardableResult
  package func purge() -> Int { list.purge() }

  /// How many there are, expired ones included until they are purged.
  package var count: Int { list.count }

  /// What keeps the table from being read; nil when it was.
  package var loadTrouble: StoreTrouble? { list.loadTrouble }

  /// Takes what stands in a database that came in the place of the one before; what was not written
  /// yet stays.
  package func reload() throws(StoreTrouble) { try list.reload() }

  /// Lets the next `flush` write everything, into a database that has nothing yet.
  package func rewrite() { list.rewrite() }

  /// Changes that are not in the database yet.
  package var pendingCount: Int { list.pendingCount }

  /// Writes what is not in the database yet; what fails is written by a later call.
  package func flush(within limit: Duration) throws(StoreTrouble) {
    try list.flush(within: limit)
  }
}
