// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A text in which macros stand for parts of the message (RFC 7208 §7.1).
///
///     macro-string = *( macro-expand / macro-literal )
///     macro-expand = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"
struct MacroString: Sendable, Equatable {
  /// A macro letter.
  enum Letter: UInt8, Sendable {
    case sender = 0x73  // s
    case localPart = 0x6C  // l
    case senderDomain = 0x6F  // o
    case domain = 0x64  // d
    case client = 0x69  // i
    case pointerName = 0x70  // p
    case family = 0x76  // v
    case helo = 0x68  // h
    case readableClient = 0x63  // c
    case receiver = 0x72  // r
    case timestamp = 0x74  // t

    /// Whether it may stand in explanations only (RFC 7208 §7.2).
    var isForExplanations: Bool {
      switch self {
      case .readableClient, .receiver, .timestamp: true
      case .sender, .localPart, .senderDomain, .domain, .client, .pointerName, .family, .helo: false
      }
    }
  }

  /// One `%{...}`.
  struct Macro: Sendable, Equatable {
    var letter: Letter
    /// Whether the letter was upper case: the value is percent-encoded (RFC 7208 §7.3).
    var isEncoded: Bool
    /// How many parts on the right side to keep; nil for all.
    var kept: Int?
    var isReversed: Bool
    /// What splits the value into parts: `.` where none is written.
    var delimiters: [UInt8]
  }

  enum Part: Sendable, Equatable {
    case text([UInt8])
    case macro(Macro)
  }

  /// Where a macro string stands, which decides what it may hold.
  enum Use {
    case record
    /// The text that `exp=` leads to: spaces and three more letters are allowed (RFC 7208 §6.2).
    case explanation
  }

  private(set) var parts: [Part] = []
  /// What follows the last macro-expand.
  private(set) var literalTail: [UInt8] = []
  /// Whether the string ends with a macro-expand.
  private(set) var endsWithExpand = false

  init(_ bytes: some Collection<UInt8>, for use: Use) throws(SPFSyntaxFault) {
    var rest = Array(bytes)[...]
    var literal: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte != UInt8(ascii: "%") {
        let isSpace = byte == 0x20 && use == .explanation
        guard (0x21...0x7E).contains(byte) || isSpace else {
          throw SPFSyntaxFault("a byte that is not visible ASCII", bytes)
        }
        literal.append(byte)
        literalTail.append(byte)
        endsWithExpand = false
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "%"): literal.append(UInt8(ascii: "%"))
      case UInt8(ascii: "_"): literal.append(0x20)
      case UInt8(ascii: "-"): literal += Array("%20".utf8)
      case UInt8(ascii: "{"):
        guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else {
          throw SPFSyntaxFault("a macro without its closing brace", bytes)
        }
        let macro = try Self.macro(rest[..<end], for: use, in: bytes)
        rest = rest[rest.index(after: end)...]
        if !literal.isEmpty { parts.append(.text(literal)) }
        literal = []
        parts.append(.macro(macro))
      default:
        throw SPFSyntaxFault("a percent sign that begins no macro", bytes)
      }
      literalTail = []
      endsWithExpand = true
    }
    if !literal.isEmpty { parts.append(.text(literal)) }
  }

  /// The text when there is no macro in it.
  var literal: [UInt8]? {
    switch parts.count {
    case 0: []
    case 1: if case .text(let text)? = parts.first { text } else { nil }
    default: nil
    }
  }

  /// `transformers = *DIGIT [ "r" ]`, `delimiter = "." / "-" / "+" / "," / "/" / "_" / "="`.
  private static func macro(
    _ body: ArraySlice<UInt8>, for use: Use, in whole: some Collection<UInt8>
  ) throws(SPFSyntaxFault) -> Macro {
    var rest = body
    guard let first = rest.popFirst(), let letter = Letter(rawValue: first | 0x20) else {
      throw SPFSyntaxFault("an unknown macro", whole)
    }
    guard use == .explanation || !letter.isForExplanations else {
      throw SPFSyntaxFault("a macro that only explanations may have", whole)
    }
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    rest = rest.dropFirst(digits.count)
    var kept: Int?
    if !digits.isEmpty {
      // No value has more parts than this; a number of any length is read (RFC 7208 §7.1).
      let count = digits.reduce(0) { min($0 * 10 + Int($1 - 0x30), 100_000) }
      guard count > 0 else { throw SPFSyntaxFault("a macro that keeps no part", whole) }
      kept = count
    }
    let isReversed = rest.first.map { $0 | 0x20 == UInt8(ascii: "r") } ?? false
    if isReversed { rest = rest.dropFirst() }
    let known = Array(".-+,/_=".utf8)
    guard rest.allSatisfy(known.contains) else {
      throw SPFSyntaxFault("a macro with an unknown transformer", whole)
    }
    return Macro(
      letter: letter, isEncoded: first & 0x20 == 0, kept: kept, isReversed: isReversed,
      delimiters: rest.isEmpty ? [UInt8(ascii: ".")] : Set(rest).sorted())
  }
}
