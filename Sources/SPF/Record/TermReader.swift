// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Mail

/// Reads the terms of a record, one after the other (RFC 7208 §4.6.1).
///
///     terms     = *( 1*SP ( directive / modifier ) )
///     directive = [ qualifier ] mechanism
///     modifier  = redirect / explanation / unknown-modifier
struct TermReader {
  let isLax: Bool
  /// What was put up with, at most this many.
  private(set) var problems: [String] = []
  private static let mostProblems = 20

  init(isLax: Bool) { self.isLax = isLax }

  /// Puts up with a fault in a lax reading.
  private mutating func tolerate(
    _ message: String, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) {
    let fault = SPFSyntaxFault(message, term)
    guard isLax else { throw fault }
    if problems.count < Self.mostProblems { problems.append(fault.message) }
  }

  mutating func read(
    _ term: ArraySlice<UInt8>, into record: inout SPFRecord
  ) throws(SPFSyntaxFault) {
    let special = term.firstIndex { Self.separators.contains($0) }
    if let special, term[special] == UInt8(ascii: "=") {
      let name = term[..<special]
      let isName =
        name.first?.isLetter == true
        && name.allSatisfy { $0.isAlphanumeric || Array("-_.".utf8).contains($0) }
      if isName {
        try readModifier(
          Self.lowercased(name), term[term.index(after: special)...], term, into: &record)
        return
      }
    }
    var term = term
    if isLax, term.last == UInt8(ascii: ",") {
      try tolerate("a comma between terms", term)
      term = term.dropLast()
    }
    if let directive = try directive(term) { record.directives.append(directive) }
  }

  private static let separators = Array("=:/".utf8)

  /// A name in lower case; what is no ASCII is no name that we know.
  private static func lowercased(_ name: ArraySlice<UInt8>) -> String {
    "\(MailText(name).lowercased)"
  }

  /// `redirect = "redirect" "=" domain-spec`, `explanation = "exp" "=" domain-spec`,
  /// `unknown-modifier = name "=" macro-string` (RFC 7208 §6).
  private mutating func readModifier(
    _ name: String, _ value: ArraySlice<UInt8>, _ term: ArraySlice<UInt8>,
    into record: inout SPFRecord
  ) throws(SPFSyntaxFault) {
    switch name {
    case "redirect":
      if record.redirect != nil { try tolerate("redirect= stands there twice", term) }
      record.redirect = try DomainSpec(value)
    case "exp":
      if record.explanation != nil { try tolerate("exp= stands there twice", term) }
      record.explanation = try DomainSpec(value)
    case "default" where isLax:
      // Of drafts before RFC 4408.
      record.fallback = Self.obsoleteDefault(value) ?? record.fallback
      try tolerate("default= is obsolete", term)
    default:
      _ = try MacroString(value, for: .record)
    }
  }

  private static func obsoleteDefault(_ value: ArraySlice<UInt8>) -> SPFResult? {
    if value.count == 1, let byte = value.first, let result = qualifiers[byte] { return result }
    switch lowercased(value) {
    case "pass": return .pass
    case "fail", "deny": return .fail
    case "softfail": return .softfail
    case "neutral", "unknown": return .neutral
    default: return nil
    }
  }

  /// `qualifier = "+" / "-" / "?" / "~"`.
  private static let qualifiers: [UInt8: SPFResult] = [
    UInt8(ascii: "+"): .pass, UInt8(ascii: "-"): .fail, UInt8(ascii: "?"): .neutral,
    UInt8(ascii: "~"): .softfail,
  ]

  /// The directive, or nil for one that a lax reading leaves out.
  private mutating func directive(
    _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> SPFRecord.Directive? {
    var rest = term
    let result = rest.first.flatMap { Self.qualifiers[$0] }
    if result != nil { rest = rest.dropFirst() }
    let name = rest.prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "/") }
    let argument = rest.dropFirst(name.count)
    guard let mechanism = try mechanism(Self.lowercased(name), argument, term) else { return nil }
    return SPFRecord.Directive(
      result: result ?? .pass, mechanism: mechanism, text: "\(MailText(term.prefix(200)))")
  }

  /// The mechanism of this name; `argument` is what follows, with its colon or slash.
  private mutating func mechanism(
    _ name: String, _ argument: ArraySlice<UInt8>, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> SPFRecord.Mechanism? {
    switch name {
    case "all":
      if !argument.isEmpty {
        // A prefix length is no slip of somebody who knows what "all" is.
        guard argument.first == UInt8(ascii: ":") else {
          throw SPFSyntaxFault("all takes no argument", term)
        }
        try tolerate("all takes no argument", term)
      }
      return .all
    case "include": return .include(try requiredDomain(argument, term))
    case "exists": return .exists(try requiredDomain(argument, term))
    case "ptr": return .ptr(try domain(argument, term))
    case "a", "mx":
      let (domainPart, lengths) = try Self.splitPrefixLengths(argument, term)
      if name == "a", isLax, let network = IPNetwork("\(MailText(argument.dropFirst()))"),
        network.address.isIPv4
      {
        try tolerate("an address belongs to ip4", term)
        return .network(network)
      }
      let domain = try domain(domainPart, term)
      return name == "a" ? .a(domain, lengths) : .mx(domain, lengths)
    case "ip4": return .network(try Self.ip4(argument, term))
    case "ip6": return .network(try Self.ip6(argument, term))
    default: return try misspelt(name, argument, term)
    }
  }

  /// What a lax reading makes of an unknown mechanism.
  private mutating func misspelt(
    _ name: String, _ argument: ArraySlice<UInt8>, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> SPFRecord.Mechanism? {
    guard term.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw SPFSyntaxFault("a byte that is not visible ASCII", term)
    }
    let known = ["prt": "ptr", "ip": "ip4", "ipv4": "ip4", "ipv6": "ip6", "all.": "all"]
    try tolerate("an unknown mechanism", term)
    if let meant = known[name] { return try mechanism(meant, argument, term) }
    guard IPAddress(name)?.isIPv4 == true, argument.first != UInt8(ascii: ":") else { return nil }
    return .network(try Self.ip4(Array(":\(name)".utf8) + argument, term))
  }

  /// `":" domain-spec`.
  private func requiredDomain(
    _ argument: ArraySlice<UInt8>, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> DomainSpec {
    guard let domain = try domain(argument, term) else {
      throw SPFSyntaxFault("the domain is missing", term)
    }
    return domain
  }

  /// `[ ":" domain-spec ]`.
  private func domain(
    _ argument: ArraySlice<UInt8>, _ term: ArraySlice<UInt8>
  ) throws(SPFSyntaxFault) -> DomainSpec? {
    guard let first = argument.first else { return nil }
    guard first == UInt8(ascii: ":") else { throw SPFSyntaxFault("no prefix length here", term) }
    return try DomainSpec(argument.dropFirst())
  }
}
