// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
package import Mail

/// Whom an entry of the ban list or the allow-list is about.
///
/// Domains and mailboxes are folded: ASCII case makes no difference, and bytes that are not
/// printable stand escaped, so that the text is safe in a database, a log and a terminal.
package enum ListedParty: Sendable, Hashable {
  /// An address, or a block of them.
  case network(IPNetwork)
  /// Every sender of exactly this domain.
  case domain(String)
  /// One sender.
  case mailbox(String)

  /// The longest text of an entry; no address on the Internet is longer (RFC 5321 §4.5.3.1).
  package static let maximumLength = 512

  /// One address.
  package init(_ ip: IPAddress) {
    self = .network(IPNetwork(ip, prefixLength: ip.bitWidth))
  }

  /// A domain; nil when it is empty or too long.
  package init?(domain: MailText) {
    var text = domain.lowercased.description
    if text.last == "." { text.removeLast() }
    guard !text.isEmpty, text.utf8.count <= Self.maximumLength else { return nil }
    self = .domain(text)
  }

  /// A mailbox; nil for the null reverse-path and for what has no domain.
  package init?(_ mailbox: Mailbox) {
    guard mailbox.domain != nil, !mailbox.localPart.isEmpty else { return nil }
    let text = mailbox.address.lowercased.description
    guard text.utf8.count <= Self.maximumLength else { return nil }
    self = .mailbox(text)
  }

  /// What a person typed: an address or block, `@example.org` or `example.org` for a domain,
  /// `user@example.org`; nil when it is none of them.
  package init?(_ typed: String) {
    guard !typed.isEmpty, typed.utf8.count <= Self.maximumLength else { return nil }
    if let network = IPNetwork(typed) {
      self = .network(network)
      return
    }
    // What looks like an address but is none must not become a domain by accident.
    let isNumeric = typed.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
    guard !isNumeric, !typed.contains("/"), !typed.contains(where: \.isWhitespace) else {
      return nil
    }
    let name = typed.hasPrefix("@") ? String(typed.dropFirst()) : typed
    if name.contains("@") {
      guard !typed.hasPrefix("@"), let party = ListedParty(Mailbox(envelope: MailText(name)))
      else { return nil }
      self = party
      return
    }
    let isName = name.utf8.allSatisfy { $0 > 0x2C && $0 != 0x3A && $0 != 0x3B && $0 != 0x7F }
    guard isName, name.contains("."), let party = ListedParty(domain: MailText(name)) else {
      return nil
    }
    self = party
  }

  /// The column `kind` of the database.
  package var kind: String {
    switch self {
    case .network: "ip"
    case .domain: "domain"
    case .mailbox: "mailbox"
    }
  }

  /// The column `value` of the database.
  package var value: String {
    switch self {
    case .network(let network): network.description
    case .domain(let name), .mailbox(let name): name
    }
  }

  /// From the columns of the database; nil when they make no sense.
  package init?(kind: String, value: String) {
    switch kind {
    case "ip":
      guard let network = IPNetwork(value) else { return nil }
      self = .network(network)
    case "domain": self = .domain(value)
    case "mailbox": self = .mailbox(value)
    default: return nil
    }
  }
}

extension ListedParty: CustomStringConvertible {
  /// As it is typed: `192.0.2.0/24`, `@example.org`, `user@example.org`.
  package var description: String {
    if case .domain(let name) = self { return "@\(name)" }
    return value
  }
}

extension ListedParty: Comparable {
  /// Addresses by value, then domains, then mailboxes.
  package static func < (left: ListedParty, right: ListedParty) -> Bool {
    switch (left, right) {
    case (.network(let left), .network(let right)):
      left.address == right.address
        ? left.prefixLength < right.prefixLength : left.address < right.address
    case (.network, _): true
    case (_, .network): false
    default: (left.kind, left.value) < (right.kind, right.value)
    }
  }
}
