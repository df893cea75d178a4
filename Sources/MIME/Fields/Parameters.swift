// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The parameters of a field with all values that mail programs can read in them.
struct Parameters {
  /// One value of a parameter in one reading.
  struct Value: Equatable {
    /// The parameter's name in lower case; empty for a value without a name.
    var name: String
    /// The bytes, of which RFC 2231 percent-encoding is decoded.
    var bytes: [UInt8]
    /// The charset that RFC 2231 labels them with.
    var charset: String?
  }

  /// All values, what RFC 2231 and RFC 2045 say first for each parameter.
  private(set) var values: [Value] = []

  init(_ parameters: [RawParameter]) {
    var pieces: [String: [RawParameter]] = [:]
    for parameter in parameters {
      if parameter.section != nil {
        pieces[parameter.name, default: []].append(parameter)
      } else if parameter.isExtended {
        for bytes in parameter.values { addExtended(parameter.name, bytes) }
      } else {
        for bytes in parameter.values { values.append(Value(name: parameter.name, bytes: bytes)) }
      }
    }
    for name in pieces.keys.sorted() { join(name, pieces[name] ?? []) }
  }

  /// The values of one parameter, without those that occurred already.
  func values(of name: String) -> [Value] {
    var seen: [Value] = []
    for value in values where value.name == name && !seen.contains(value) { seen.append(value) }
    return seen
  }

  // RFC 2231 §4: initial-value := charset "'" language "'" *(ext-octet / attribute-char).
  /// What `name*=` holds, and the same read without charset and language.
  private mutating func addExtended(_ name: String, _ bytes: [UInt8]) {
    let (charset, text) = Self.initialValue(bytes[...])
    values.append(Value(name: name, bytes: HexDigits.percentDecoded(text), charset: charset))
    if charset != nil { values.append(Value(name: name, bytes: HexDigits.percentDecoded(bytes))) }
  }

  // RFC 2231 §3.
  /// Joins the pieces `name*0`, `name*1` in the order of their numbers, in the order they stand, and
  /// leaves each as a value of its own for programs that do not know pieces.
  private mutating func join(_ name: String, _ pieces: [RawParameter]) {
    var sorted = pieces
    sorted.sort { ($0.section ?? 0) < ($1.section ?? 0) }  // stable
    add(name, sorted)
    // A program stops at the first number that is missing or twice there.
    let gap = sorted.indices.first { (sorted[$0].section ?? 0) != $0 }
    if let gap { add(name, sorted.prefix(gap)) }
    if sorted != pieces { add(name, pieces) }
    for piece in pieces {
      for bytes in piece.values { values.append(Value(name: name, bytes: bytes)) }
    }
  }

  private mutating func add(_ name: String, _ pieces: some Collection<RawParameter>) {
    guard let first = pieces.first, let start = first.values.first else { return }
    var charset: String?
    var bytes: [UInt8] = []
    var raw: [UInt8] = []
    if first.isExtended {
      let (label, text) = Self.initialValue(start[...])
      charset = label
      bytes = HexDigits.percentDecoded(text)
    } else {
      bytes = start
    }
    raw = start
    for piece in pieces.dropFirst() {
      let text = piece.values.first ?? []
      bytes += piece.isExtended ? HexDigits.percentDecoded(text) : text
      raw += text
    }
    values.append(Value(name: name, bytes: bytes, charset: charset))
    if raw != bytes { values.append(Value(name: name, bytes: HexDigits.percentDecoded(raw))) }
  }

  private static func initialValue(
    _ bytes: ArraySlice<UInt8>
  ) -> (charset: String?, text: ArraySlice<UInt8>) {
    let apostrophe = UInt8(ascii: "'")
    guard let first = bytes.prefix(80).firstIndex(of: apostrophe),
      let second = bytes[(first &+ 1)...].prefix(80).firstIndex(of: apostrophe)
    else { return (nil, bytes) }
    return (String(decoding: bytes[..<first], as: UTF8.self), bytes[(second &+ 1)...])
  }
}
