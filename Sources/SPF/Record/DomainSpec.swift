// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import DNS

/// A domain name in a record, perhaps with macros (RFC 7208 §7.1).
///
///     domain-spec = macro-string domain-end
///     domain-end  = ( "." toplabel [ "." ] ) / macro-expand
///     toplabel    = ( *alphanum ALPHA *alphanum ) /
///                   ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
struct DomainSpec: Sendable, Equatable {
  /// What is known of the name before a message is.
  enum Name: Sendable, Equatable {
    case expanding(MacroString)
    /// Without macros: the name, or nil where the text fits the grammar and is no name.
    case fixed(DomainName?)
  }

  let name: Name

  init(_ text: some Collection<UInt8>) throws(SPFSyntaxFault) {
    let macros = try MacroString(text, for: .record)
    guard macros.endsWithExpand || Self.endsWithTopLabel(macros.literalTail) else {
      throw SPFSyntaxFault("not a domain name with at least two labels", text)
    }
    if let literal = macros.literal {
      name = .fixed(DomainName(literal))
    } else {
      name = .expanding(macros)
    }
  }

  static func endsWithTopLabel(_ text: [UInt8]) -> Bool {
    let dot = UInt8(ascii: ".")
    let text = text.last == dot ? text.dropLast() : text[...]
    guard let last = text.lastIndex(of: dot) else { return false }
    let label = text[text.index(after: last)...]
    let isHyphen = { (byte: UInt8) in byte == UInt8(ascii: "-") }
    guard let head = label.first, let tail = label.last, head.isAlphanumeric, tail.isAlphanumeric
    else { return false }
    return label.allSatisfy { $0.isAlphanumeric || isHyphen($0) }
      && label.contains { $0.isLetter || isHyphen($0) }
  }
}

extension UInt8 {
  /// `ALPHA` (RFC 5234 Appendix B.1).
  var isLetter: Bool { (0x61...0x7A).contains(self | 0x20) }
  /// `DIGIT`.
  var isDigit: Bool { (0x30...0x39).contains(self) }
  /// `ALPHA / DIGIT`.
  var isAlphanumeric: Bool { isLetter || isDigit }
}
