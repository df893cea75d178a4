// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// One parameter as written, before RFC 2231 joins pieces.
struct RawParameter: Equatable {
  /// The name in lower case without `*`; empty for a value that stands without a name.
  var name: String
  /// The number of the piece in `name*1`, nil without one.
  var section: Int?
  /// Whether the number is one that RFC 2231 §3 does not allow: `name*01`, `name*x`.
  var hasOddSection = false
  /// Whether the value is percent-encoded: `name*`, `name*1*`.
  var isExtended = false
  /// What mail programs can make of the value, the reading of RFC 2045 first; never empty.
  var values: [[UInt8]]
}

/// The value of a field of MIME: a word and parameters (RFC 2045 §5.1), read as broadly as the
/// broadest mail program does.
///
///     multipart/mixed; boundary="=_1"; name*0*=utf-8''a%2E; name*1=exe
struct ParameterizedValue: Equatable {
  /// The word before the first parameter, in lower case: `multipart/mixed`.
  var word: String
  /// The parameters in the order they stand.
  var parameters: [RawParameter] = []
  /// Whether some were left out because there are too many.
  var isOverLimit = false
  /// Whether some of those were wanted.
  var leavesOutWanted = false

  /// What programs differ in when they take a value apart.
  struct Style: Equatable {
    /// Whether what stands in parentheses is left out. mutt and Thunderbird take them for text, and go
    /// to the first semicolon, whatever it stands in.
    var skipsComments = true
    /// Whether a backslash keeps a quote from ending what is quoted.
    var knowsEscapes = true
  }

  /// The value in every style in which it differs, that of RFC 2045 first; never empty.
  static func readings(
    _ value: ArraySlice<UInt8>, limit: Int, wanted: String? = nil
  ) -> [ParameterizedValue] {
    var readings = [ParameterizedValue(value, limit: limit, wanted: wanted)]
    // So does a quote before the first semicolon hide it for some.
    let hasComments =
      value.contains(UInt8(ascii: "(")) || value.prefix { $0 != 0x3B }.contains(0x22)
    let hasEscapes = zip(value, value.dropFirst()).contains { $0 == 0x5C && $1 == 0x22 }
    for (comments, escapes) in [(false, true), (true, false), (false, false)]
    where (comments || hasComments) && (escapes || hasEscapes) {
      let style = Style(skipsComments: comments, knowsEscapes: escapes)
      let reading = ParameterizedValue(value, limit: limit, wanted: wanted, style)
      if !readings.contains(where: { $0.parameters == reading.parameters }) {
        readings.append(reading)
      }
    }
    return readings
  }

  /// Reads an unfolded value; at most `limit` parameters, and behind those as many again that are
  /// called `wanted`.
  init(
    _ value: ArraySlice<UInt8>, limit: Int, wanted: String? = nil, _ style: Style = Style()
  ) {
    var scanner = ParameterScanner(value, style)
    word = scanner.word()
    if !style.skipsComments { scanner.goToFirstSemicolon(of: value) }
    var wantedLeft = wanted == nil ? 0 : limit
    while let parameter = scanner.next() {
      if parameters.count < limit {
        parameters.append(parameter)
        continue
      }
      isOverLimit = true
      if parameter.name == wanted {
        if wantedLeft == 0 {
          // Some programs take the last.
          leavesOutWanted = true
          if !parameters.isEmpty { parameters.removeLast() }
        } else {
          wantedLeft &-= 1
        }
        parameters.append(parameter)
      } else if wanted == nil {
        return
      }
    }
  }
}

/// Takes a value apart from left to right; every byte is looked at a bounded number of times.
private struct ParameterScanner {
  private var rest: ArraySlice<UInt8>
  /// Whether a comment was not closed: from there on a parenthesis is text. Looking for the end of
  /// each would be quadratic.
  private var hasOpenComment = false
  private let style: ParameterizedValue.Style

  init(_ value: ArraySlice<UInt8>, _ style: ParameterizedValue.Style) {
    rest = value
    self.style = style
  }

  private static let quote = UInt8(ascii: "\"")
  private static let semicolon = UInt8(ascii: ";")
  private static let equals = UInt8(ascii: "=")

  /// The word at the start. It ends at white space too: `multipart/mixed boundary=x` has one
  /// parameter for some programs.
  mutating func word() -> String {
    skipSpaceAndComments()
    var bytes: [UInt8] = []
    while let byte = rest.first, byte != Self.semicolon {
      if byte.isSpace || style.skipsComments && byte == UInt8(ascii: "(") {
        let before = rest.startIndex
        skipSpaceAndComments()
        // White space around the slash belongs to the type.
        let isAtSlash = rest.first == UInt8(ascii: "/") || bytes.last == UInt8(ascii: "/")
        if isAtSlash, rest.startIndex > before { continue }
        break
      }
      // `boundary=x` in the place of the type is a parameter.
      if byte == Self.equals { break }
      rest = rest.dropFirst()
      if byte != Self.quote, byte > 0x20 { bytes.append(byte.lowercasedASCII) }
      if bytes.count > 256 { break }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Goes on at the first semicolon of the whole value.
  mutating func goToFirstSemicolon(of value: ArraySlice<UInt8>) {
    rest = value.drop { $0 != Self.semicolon }
  }

  /// The next parameter, nil at the end.
  mutating func next() -> RawParameter? {
    while true {
      skipSpaceAndComments()
      guard rest.first == Self.semicolon else { break }
      rest = rest.dropFirst()
    }
    guard !rest.isEmpty else { return nil }
    let start = rest
    let name = rest.prefix {
      $0 != Self.equals && $0 != Self.semicolon && $0 != Self.quote && !$0.isSpace
    }
    rest = rest[name.endIndex...]
    skipSpaceAndComments()
    guard rest.first == Self.equals else {
      // No name: what stands up to the next semicolon is a value.
      rest = start
      return RawParameter(name: "", values: value())
    }
    rest = rest.dropFirst().drop(while: \.isSpace)
    var parameter = Self.named(name)
    parameter.values = value()
    return parameter
  }

  // RFC 2231 §7: attribute [section] ["*"] with section := "*" 1*DIGIT.
  /// The parameter of a name with its asterisks, without a value yet.
  private static func named(_ name: ArraySlice<UInt8>) -> RawParameter {
    let asterisk = UInt8(ascii: "*")
    let base = name.prefix { $0 != asterisk }
    var parameter = RawParameter(
      name: String(decoding: base.map(\.lowercasedASCII), as: UTF8.self), values: [])
    guard base.count < name.count else { return parameter }
    parameter.isExtended = name.last == asterisk
    let text = name[base.endIndex...].dropFirst().prefix { $0 != asterisk }
    guard !text.isEmpty else { return parameter }
    // mutt takes the digits at the start, and 0 where there are none.
    let digits = text.prefix { (0x30...0x39).contains($0) }
    let number = digits.drop { $0 == 0x30 }
    // At most nine digits: no program reads a name in more pieces.
    parameter.section = Int(String(decoding: number.prefix(9), as: UTF8.self)) ?? 0
    let isZero = number.isEmpty && digits.count == 1
    parameter.hasOddSection =
      digits.count != text.count || number.count > 9 || number.count != digits.count && !isZero
    return parameter
  }

  /// What can be made of the value at the start; goes on behind it.
  private mutating func value() -> [[UInt8]] {
    guard rest.first == Self.quote else { return plainValue() }
    return quotedValue()
  }

  private mutating func plainValue() -> [[UInt8]] {
    let whole = rest.prefix { $0 != Self.semicolon }
    rest = rest[whole.endIndex...]
    let trimmed = whole.trimmed
    let token = trimmed.prefix {
      !$0.isSpace && !(style.skipsComments && $0 == UInt8(ascii: "("))
    }
    var values = [Array(token)]
    guard token.count != trimmed.count else { return values }
    values.append(Array(trimmed))
    guard style.skipsComments else { return values }
    let plain = Self.withoutComments(trimmed).trimmed
    values.append(Array(plain))
    // A comment before the value is no value.
    if token.isEmpty {
      values = [Array(plain), Array(plain.prefix { !$0.isSpace }), Array(trimmed)]
    }
    return values
  }

  // RFC 822 §3.3: quoted-string = DQUOTE *(qtext / quoted-pair) DQUOTE.
  private mutating func quotedValue() -> [[UInt8]] {
    var text: [UInt8] = []
    var index = rest.index(after: rest.startIndex)
    var isEscaped = false
    var hasEscapes = false
    var isClosed = false
    while index < rest.endIndex {
      let byte = rest[index]
      index &+= 1
      if isEscaped {
        text.append(byte)
        isEscaped = false
      } else if byte == UInt8(ascii: "\\"), style.knowsEscapes {
        isEscaped = true
        hasEscapes = true
      } else if byte == Self.quote {
        isClosed = true
        break
      } else {
        text.append(byte)
      }
    }
    let quoted = rest[..<index]
    let behind = rest[index...].prefix { $0 != Self.semicolon }
    rest = rest[behind.endIndex...]
    var values = [text]
    if hasEscapes {
      // A path of another system: the backslashes are its own.
      values.append(Array(quoted.dropFirst().dropLast(isClosed ? 1 : 0)))
    }
    if behind.contains(where: { !$0.isSpace }) {
      // Text behind the quote: ignored, or taken as part of the value, or ending where it likes.
      values.append(Array((quoted + behind).filter { $0 != Self.quote }.trimmed))
      values.append(Array((quoted + behind).trimmed))
    }
    if values.count > 1 || !isClosed, let early = quoted.firstIndex(of: Self.semicolon) {
      // Where it is not plain what the quotes hold, some programs end at the semicolon. Where it is,
      // all take it for a part of the value.
      values.append(Array(quoted[..<early].filter { $0 != Self.quote }.trimmed))
    }
    return values
  }

  private mutating func skipSpaceAndComments() {
    while let byte = rest.first {
      if byte.isSpace {
        rest = rest.dropFirst()
      } else if byte == UInt8(ascii: "("), style.skipsComments, !hasOpenComment {
        guard let end = Self.endOfComment(rest) else {
          hasOpenComment = true
          return
        }
        rest = rest[end...]
      } else {
        return
      }
    }
  }

  /// Where the comment at the start ends, nil when it is not closed; comments nest.
  private static func endOfComment(_ text: ArraySlice<UInt8>) -> Int? {
    var depth = 0
    var isEscaped = false
    for (index, byte) in zip(text.indices, text) {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "(") {
        depth &+= 1
      } else if byte == UInt8(ascii: ")") {
        depth &-= 1
        if depth == 0 { return index &+ 1 }
      }
    }
    return nil
  }

  private static func withoutComments(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var kept: [UInt8] = []
    var depth = 0
    for byte in text {
      if byte == UInt8(ascii: "(") {
        depth &+= 1
      } else if byte == UInt8(ascii: ")"), depth > 0 {
        depth &-= 1
      } else if depth == 0 {
        kept.append(byte)
      }
    }
    return kept[...]
  }
}

extension Collection where Element == UInt8, SubSequence == ArraySlice<UInt8> {
  /// The bytes without white space around them.
  var trimmed: ArraySlice<UInt8> {
    var text = self[...]
    while text.first?.isSpace == true { text = text.dropFirst() }
    while text.last?.isSpace == true { text = text.dropLast() }
    return text
  }
}
