// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
internal import Environment

/// Somebody who is refused.
package struct Ban: ListEntry {
  package var party: ListedParty
  /// Milliseconds since 1970.
  package var since: Int64
  /// Milliseconds since 1970; nil for ever.
  package var until: Int64?
  /// Why, for people.
  package var reason: String
  /// The reference of the connection or message that earned it; empty for one made by hand.
  package var reference: String

  package init(
    _ party: ListedParty, since: Int64, until: Int64?, reason: String = "", reference: String = ""
  ) {
    self.party = party
    self.since = since
    self.until = until
    self.reason = reason
    self.reference = reference
  }
}

/// Who is banned, in memory for the mail path and in the database for the next start.
package final class BanList: KeptList {
  private let list: PartyList<BanTable>
  package var care: any ListCare { list }
  private let time: any TimeSource

  /// Reads the table. A database that cannot be read now is read by a later `flush`.
  package init(_ store: StateStore) {
    list = PartyList(store)
    time = store.time
  }

  /// The narrowest ban that holds `ip`, nil when it is free.
  package func ban(of ip: IPAddress) -> Ban? { list.entries(covering: ip).first }

  /// The ban of exactly `party`, nil when it is free.
  package func ban(of party: ListedParty) -> Ban? { list.entry(for: party) }

  /// Every ban that has not expired, in order.
  package var bans: [Ban] { list.entries }

  /// Bans `party` from now on, for ever when `duration` is nil. A ban that lasts longer stays as
  /// it is. Never blocks: the next `flush` writes it.
  ///
  /// - Returns: false when the list is full.
  @discardableResult
  package func ban(
    _ party: ListedParty, for duration: Duration?, reason: String, reference: String = ""
  ) -> Bool {
    let now = time.milliseconds
    let until = duration.map { now + $0.components.seconds * 1000 }
    if let old = list.entry(for: party), old.until.map({ $0 >= until ?? .max }) ?? true {
      return true
    }
    return list.put(
      Ban(party, since: now, until: until, reason: reason, reference: reference))
  }

  /// Puts a ban as it is, in place of an older one.
  ///
  /// - Returns: false when the list is full.
  package func put(_ ban: Ban) -> Bool { list.put(ban) }

  /// Ends a ban.
  ///
  /// - Returns: whether there was one.
  package func remove(_ party: ListedParty) -> Bool { list.remove(party) }
}
