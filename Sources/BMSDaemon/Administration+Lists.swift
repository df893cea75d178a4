// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Control
internal import Environment
internal import Glibc
internal import Store

/// `bmsd ban add`.
package struct BanAddition: Codable, Sendable {
  package var party: String
  /// Milliseconds; nil for ever.
  package var duration: Int?
  package var reason: String

  package init(party: String, duration: Int?, reason: String) {
    self.party = party
    self.duration = duration
    self.reason = reason
  }
}

/// A ban as commands see it; times are milliseconds since 1970.
package struct BanRow: Codable, Sendable, Equatable {
  package var kind: String
  package var value: String
  package var since: Int64
  package var until: Int64?
  package var reason: String
  package var reference: String

  init(_ ban: Ban) {
    kind = ban.party.kind
    value = ban.party.value
    since = ban.since
    until = ban.until
    reason = ban.reason
    reference = ban.reference
  }
}

/// `bmsd allow add`.
package struct AllowAddition: Codable, Sendable {
  package var party: String
  /// Section names of modules; empty for all.
  package var skip: [String]
  /// Milliseconds since 1970; nil for ever.
  package var until: Int64?
  package var isUnauthenticated: Bool
  package var note: String

  package init(
    party: String, skip: [String], until: Int64?, isUnauthenticated: Bool, note: String
  ) {
    self.party = party
    self.skip = skip
    self.until = until
    self.isUnauthenticated = isUnauthenticated
    self.note = note
  }
}

/// An entry of the allow-list as commands see it; times are milliseconds since 1970.
package struct AllowRow: Codable, Sendable, Equatable {
  package var kind: String
  package var value: String
  package var since: Int64
  package var until: Int64?
  package var skip: [String]
  package var isUnauthenticated: Bool
  package var note: String

  init(_ entry: AllowEntry) {
    kind = entry.party.kind
    value = entry.party.value
    since = entry.since
    until = entry.until
    skip = entry.skip
    isUnauthenticated = entry.isUnauthenticated
    note = entry.note
  }
}

extension Administration {
  /// The longest reason or note in bytes.
  static let longestText = 500

  var bans: BanList {
    get throws(ControlEnd) {
      guard let bans = memory.bans else { throw Self.noStore }
      return bans
    }
  }

  var allowed: AllowList {
    get throws(ControlEnd) {
      guard let allowed = memory.allowed else { throw Self.noStore }
      return allowed
    }
  }

  func add(_ addition: BanAddition) throws(ControlEnd) -> ControlEnd {
    let bans = try bans
    let party = try Self.party(addition.party)
    if case .network(let network) = party, network.prefixLength < 8 {
      throw ControlEnd(EX_USAGE, ["\(party) is most of the Internet: ban /8 or narrower"])
    }
    if case .network(let network) = party, network.address.isLoopback {
      throw ControlEnd(EX_USAGE, ["\(party) is this machine, which is never banned"])
    }
    try Self.check(addition.reason)
    let now = time.milliseconds
    // The command has a limit too, but who may open the socket may send anything.
    let longest: Int64 = 100 * 366 * 86_400_000
    let until = addition.duration.map { now + min(max(Int64($0), 0), longest) }
    guard bans.put(Ban(party, since: now, until: until, reason: addition.reason)) else {
      throw Self.full
    }
    var end = settle { () throws(StoreTrouble) in try bans.flush(within: Self.writeLimit) }
    if case .network(let network) = party, let why = BanExemptions(self).reason(network),
      end == .well
    {
      end = ControlEnd(1, ["\(party) is on the list, but no ban holds for it: \(why)"])
    }
    return end
  }

  /// The banned addresses for other programs: what no ban holds for is taken out, also of the middle
  /// of a network.
  func exportedBans() throws(ControlEnd) -> [BanRow] {
    let exemptions = BanExemptions(self)
    return try bans.bans.flatMap { ban -> [BanRow] in
      guard case .network(let network) = ban.party else { return [BanRow(ban)] }
      return exemptions.subtracted(from: network).map {
        var row = BanRow(ban)
        row.value = $0.description
        return row
      }
    }
  }

  func removeBan(_ text: String) throws(ControlEnd) -> ControlEnd {
    let bans = try bans
    let party = try Self.party(text)
    guard bans.remove(party) else {
      var messages = ["\(party) is not banned"]
      if case .network(let network) = party, let wider = bans.ban(of: network.address) {
        messages.append("\(wider.party), which holds it, is")
      }
      throw ControlEnd(1, messages)
    }
    return settle { () throws(StoreTrouble) in try bans.flush(within: Self.writeLimit) }
  }

  func add(_ addition: AllowAddition) throws(ControlEnd) -> ControlEnd {
    let allowed = try allowed
    let party = try Self.party(addition.party)
    if case .network(let network) = party, network.prefixLength < 8 {
      throw ControlEnd(EX_USAGE, ["\(party) is most of the Internet: allow /8 or narrower"])
    }
    try Self.check(addition.note)
    if let unknown = addition.skip.first(where: { !skippableNames.contains($0) }) {
      throw ControlEnd(
        EX_USAGE,
        [
          "there is no module \"\(unknown.prefix(60))\" to skip; these are: "
            + skippableNames.joined(separator: ", ")
        ])
    }
    let now = time.milliseconds
    if let until = addition.until, until <= now {
      throw ControlEnd(EX_USAGE, ["the date of --until is over already"])
    }
    let entry = AllowEntry(
      party, since: now, until: addition.until, skip: addition.skip,
      isUnauthenticated: addition.isUnauthenticated, note: addition.note)
    guard allowed.put(entry) else { throw Self.full }
    return settle { () throws(StoreTrouble) in try allowed.flush(within: Self.writeLimit) }
  }

  func removeAllowed(_ text: String) throws(ControlEnd) -> ControlEnd {
    let allowed = try allowed
    let party = try Self.party(text)
    guard allowed.remove(party) else { throw ControlEnd(1, ["\(party) is not on the list"]) }
    return settle { () throws(StoreTrouble) in try allowed.flush(within: Self.writeLimit) }
  }

  private static let full = ControlEnd(EX_UNAVAILABLE, ["the list is full"])

  private static func check(_ text: String) throws(ControlEnd) {
    guard text.utf8.count <= longestText else {
      throw ControlEnd(EX_USAGE, ["a text is longer than \(longestText) bytes"])
    }
  }
}
