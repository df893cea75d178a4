// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Mail

/// A policy that a domain published, as read (RFC 7208 §4.6).
struct SPFRecord: Sendable, Equatable {
  /// `[ qualifier ] mechanism` (RFC 7208 §4.6.1).
  struct Directive: Sendable, Equatable {
    /// What a match means.
    var result: SPFResult
    var mechanism: Mechanism
    /// As published, safe to show.
    var text: String
  }

  /// RFC 7208 §5.
  enum Mechanism: Sendable, Equatable {
    case all
    case include(DomainSpec)
    /// Without a domain: the current one.
    case a(DomainSpec?, PrefixLengths)
    case mx(DomainSpec?, PrefixLengths)
    case ptr(DomainSpec?)
    /// An ip4 or ip6 network; nil for an IPv4-mapped one in ip6, which no client is in: such a
    /// client counts as IPv4 (RFC 7208 §5).
    case network(IPNetwork?)
    case exists(DomainSpec)

    /// Whether evaluating it asks DNS, which is limited (RFC 7208 §4.6.4).
    var asksDNS: Bool {
      switch self {
      case .all, .network: false
      case .include, .a, .mx, .ptr, .exists: true
      }
    }
  }

  /// `dual-cidr-length` (RFC 7208 §5.6).
  struct PrefixLengths: Sendable, Equatable {
    var ipv4 = 32
    var ipv6 = 128

    /// The block around `address`.
    func network(of address: IPAddress) -> IPNetwork {
      IPNetwork(address, prefixLength: address.isIPv4 ? ipv4 : ipv6)
    }
  }

  var directives: [Directive] = []
  /// `redirect=` (RFC 7208 §6.1).
  var redirect: DomainSpec?
  /// `exp=` (RFC 7208 §6.2).
  var explanation: DomainSpec?
  /// The result without a match; RFC 7208 §4.7 knows only this one.
  var fallback: SPFResult = .neutral
  /// What a lax reading has put up with.
  var problems: [String] = []

  /// Whether a TXT record is an SPF record (RFC 7208 §4.5).
  static func isRecord(_ text: [UInt8]) -> Bool {
    let version = Array("v=spf1".utf8)
    guard text.count >= version.count else { return false }
    let isVersion = zip(text, version).allSatisfy { $0 == $1 || ($0 | 0x20 == $1 && $0.isLetter) }
    return isVersion && (text.count == version.count || text[version.count] == 0x20)
  }

  /// The record of these directives.
  init(_ directives: [Directive]) { self.directives = directives }

  /// Reads a TXT record that `isRecord`.
  ///
  /// Strictly, any fault anywhere is one of the whole record (RFC 7208 §4.6). A lax reading puts up
  /// with those that publishers commonly make and notes them in `problems`.
  init(_ text: [UInt8], isLax: Bool = false) throws(SPFSyntaxFault) {
    var reader = TermReader(isLax: isLax)
    // "v=spf1" is the first word.
    for term in text.split(separator: 0x20).dropFirst() { try reader.read(term, into: &self) }
    problems = reader.problems
  }
}
