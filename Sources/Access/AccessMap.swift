// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import Environment
internal import Glibc
package import Mail
internal import Synchronization

/// What the access map says of an identity.
package struct AccessHit: Sendable, Equatable {
  /// The key that matched, in lower case.
  package let key: MailText
  package let value: AccessValue
}

/// The administrator's table of exceptions: which sender, HELO name or signer is met how.
///
/// The whole map is in memory: the mail path never waits for a file, and a map that is rewritten or
/// lost meanwhile goes on as it was.
package final class AccessMap: Sendable {
  package let location: AccessLocation
  private let files: any FileSource
  private let state: Mutex<State>

  private struct State: Sendable {
    var table: AccessTable
    var stamp: FileStamp?
    var trouble: AccessTrouble?
  }

  /// Reads the map.
  ///
  /// - Throws: when it cannot be read, or is none.
  package init(_ location: AccessLocation, _ files: any FileSource) throws(AccessTrouble) {
    self.location = location
    self.files = files
    // Before the reading: what is written meanwhile is seen as a change.
    let stamp = FileStamp(location.path)
    state = Mutex(State(table: try AccessTable(location, files), stamp: stamp))
  }

  /// Lines that were left out.
  package var faults: [String] { state.withLock { $0.table.faults } }
  /// Where a word, as `BAN`, stands first as the value of one of our keys; nil where it does not.
  package func firstPlace(of word: String) -> String? {
    state.withLock { $0.table.firstPlaces[word] }
  }
  /// How many entries it has.
  package var count: Int { state.withLock { $0.table.count } }
  /// Why it is older than its file; nil when all is well.
  package var trouble: String? { state.withLock { $0.trouble?.description } }

  /// Reads the file again if it changed. What cannot be read leaves the map as it is.
  ///
  /// - Returns: whether the entries were replaced.
  package func refresh() -> Bool {
    let stamp = FileStamp(location.path)
    let isDue = state.withLock { $0.stamp != stamp || $0.trouble != nil || stamp == nil }
    guard isDue else { return false }
    do throws(AccessTrouble) {
      let table = try AccessTable(location, files)
      // A file that grew while it was read is read again the next time.
      state.withLock { $0 = State(table: table, stamp: stamp) }
      return true
    } catch {
      state.withLock { $0.trouble = error }
      return false
    }
  }

  // MARK: policies

  /// The entry for a tag, as `SPF-Fail`, and an identity: a mailbox, a domain or a HELO name.
  ///
  /// The keys that are tried, the first that matches wins: the identity, its domain, `.` and each
  /// parent domain, the tag alone with its colon and without. `looked` gets each of them.
  package func policy(
    _ tag: String, _ identity: MailText, looked: (MailText) -> Void = { _ in }
  ) -> AccessHit? {
    // What an MTA takes for the same name must find the same entry.
    let identity = identity.domainKey
    var names = [identity]
    var domain = identity.bytes[...]
    if let at = identity.bytes.lastIndex(of: UInt8(ascii: "@")) {
      domain = identity.bytes[(at + 1)...]
      names.append(MailText(domain))
    }
    for parent in Self.parents(of: domain) {
      names.append(MailText([UInt8(ascii: ".")] + parent))
    }
    let prefix = Array((tag + ":").lowercased().utf8)
    let keys =
      names.map { MailText(prefix + $0.bytes) } + [MailText(prefix), MailText(prefix.dropLast())]
    return first(of: keys, looked)
  }

  /// The entry for an address, its networks and its verified name, as Sendmail reads `Connect:`: the
  /// name and each parent domain, the address and what is left of it without its last parts, each
  /// with the tag, then without.
  package func client(
    address: String, name: MailText?, looked: (MailText) -> Void = { _ in }
  ) -> AccessHit? {
    let addresses = Self.networks(of: address).map { MailText($0) }
    let names = (name.map { Self.domains($0.domainKey) } ?? []) + addresses
    return first(of: Self.tagged("connect:", names, alsoUntagged: true), looked)
  }

  /// The texts by which an address and its networks may stand in the map, the longest first. An
  /// IPv4-mapped address is the IPv4 address. Of IPv6 Sendmail writes all eight groups or, where it
  /// is so configured, `::`.
  private static func networks(of address: String) -> [String] {
    guard let ip = IPAddress(address) else {
      // A part of an address, as people ask for it.
      return address.contains(":")
        ? prefixes(of: address, ":").map { "ipv6:\($0)" } : prefixes(of: address, ".")
    }
    guard !ip.isIPv4 else { return prefixes(of: ip.description, ".") }
    let octets = ip.octets
    let groups = stride(from: 0, to: octets.count, by: 2).map { start in
      String(octets[start...].prefix(2).reduce(0) { $0 << 8 | UInt16($1) }, radix: 16)
    }
    return ([ip.description] + prefixes(of: groups.joined(separator: ":"), ":")).map {
      "ipv6:\($0)"
    }
  }

  /// More parts than any address has.
  private static let maximumParts = 16

  private static func prefixes(of text: String, _ separator: Character) -> [String] {
    let parts = text.lowercased().split(
      separator: separator, maxSplits: maximumParts, omittingEmptySubsequences: false)
    return (1...max(parts.count, 1)).reversed().map {
      parts.prefix($0).joined(separator: String(separator))
    }.filter { !$0.isEmpty }
  }

  private static func tagged(
    _ tag: String, _ names: [MailText], alsoUntagged: Bool
  ) -> [MailText] {
    let prefix = Array(tag.utf8)
    return names.flatMap { name in
      let tagged = MailText(prefix + name.bytes)
      return alsoUntagged ? [tagged, name] : [tagged]
    }
  }

  /// The entry for a mailbox, as Sendmail reads `From:` and `To:`: the mailbox, its domain and each
  /// parent domain with a dot in front or without, the local part with an `@`; of a sender each also
  /// without the tag.
  package func mailbox(
    _ tag: String, _ mailbox: Mailbox, looked: (MailText) -> Void = { _ in }
  ) -> AccessHit? {
    let local = mailbox.localPart.lowercased
    let domain = mailbox.domain?.domainKey
    var names: [MailText] = []
    if mailbox.isNull {
      names = ["<>"]
    } else {
      if let domain {
        names = [MailText(local.bytes + [UInt8(ascii: "@")] + domain.bytes)] + Self.domains(domain)
      }
      names.append(MailText(local.bytes + [UInt8(ascii: "@")]))
    }
    let tag = (tag + ":").lowercased()
    return first(of: Self.tagged(tag, names, alsoUntagged: tag == "from:"), looked)
  }

  private static func domains(_ domain: MailText) -> [MailText] {
    [domain]
      + parents(of: domain.bytes[...]).flatMap {
        [MailText([UInt8(ascii: ".")] + $0), MailText($0)]
      }
  }

  /// More labels than a name can have (RFC 1035 §2.3.4).
  private static let maximumLabels = 127

  private static func parents(of domain: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var parents: [ArraySlice<UInt8>] = []
    var rest = domain
    while let dot = rest.firstIndex(of: UInt8(ascii: ".")), parents.count < maximumLabels {
      rest = rest[(dot + 1)...]
      if !rest.isEmpty { parents.append(rest) }
    }
    return parents
  }

  private func first(of keys: [MailText], _ looked: (MailText) -> Void) -> AccessHit? {
    let table = state.withLock { $0.table }
    // No entry has a longer key, and the sender chooses how long a name is.
    for key in keys where key.bytes.count <= AccessTable.maximumKey {
      looked(key)
      if let value = table[key] { return AccessHit(key: key, value: AccessValue(value)) }
    }
    return nil
  }
}

/// What changes when a file is rewritten or replaced.
private struct FileStamp: Sendable, Equatable {
  let device: UInt
  let inode: UInt
  let size: Int
  let seconds: Int
  let nanoseconds: Int

  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt(status.st_dev)
    inode = UInt(status.st_ino)
    size = Int(status.st_size)
    seconds = status.st_mtim.tv_sec
    nanoseconds = status.st_mtim.tv_nsec
  }
}
