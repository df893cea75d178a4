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
package final class AllowList: KeptList {
  private let list: PartyList<AllowTable>
  package var care: any ListCare { list }

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
}
