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

  /// Whether some ways to join pieces were left out because the pieces are too large for all.
  private(set) var isOverLimit = false
  /// Bytes that were joined.
  private(set) var cost = 0

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
  /// Joins the pieces `name*0`, `name*1` in all orders that programs know. Where they are not numbered
  /// as they should be, each is left as a value of its own, too.
  private mutating func join(_ name: String, _ pieces: [RawParameter]) {
    let allOrders = PieceOrders(pieces)
    var orders = allOrders.all
    cost &+= pieces.count &* orders.count &* Self.costOfPiece
    if orders.count > 1, cost > Self.mostCost {
      isOverLimit = true
      orders = Array(orders.prefix(1))
    }
    for order in orders.map({ $0.map { pieces[$0] } }) {
      // The readings of the pieces, the same of each.
      let readings = order.reduce(1) { max($0, $1.values.count) }
      for reading in 0..<readings {
        if reading > 0, cost > Self.mostCost {
          isOverLimit = true
          break
        }
        add(name, order, reading)
      }
    }
    guard !allOrders.isSound else { return }
    for piece in pieces {
      for bytes in piece.values { values.append(Value(name: name, bytes: bytes)) }
    }
  }

  /// Bytes that are joined before only the first way is tried; no file system has longer names.
  private static let mostCost = 64 &* PartName.longest

  /// What it costs to put a piece into an order, if reading one byte costs 1.
  private static let costOfPiece = 2

  private mutating func add(_ name: String, _ pieces: [RawParameter], _ reading: Int) {
    let texts = pieces.map { piece in
      piece.values.indices.contains(reading) ? piece.values[reading] : piece.values.first ?? []
    }
    guard let first = pieces.first, let start = texts.first else { return }
    var charset: String?
    var bytes: [UInt8] = []
    var plain: [UInt8] = []
    if first.isExtended {
      let (label, text) = Self.initialValue(start[...])
      charset = label
      bytes = HexDigits.percentDecoded(text)
    } else {
      bytes = start
    }
    // The charset holds for the pieces that are marked; JavaMail takes the others as they are.
    if let charset { plain = Array(Charset.text(bytes, label: charset).utf8) }
    for (piece, text) in zip(pieces, texts).dropFirst() {
      let decoded = piece.isExtended ? HexDigits.percentDecoded(text) : text
      bytes += decoded
      if let charset {
        plain += piece.isExtended ? Array(Charset.text(decoded, label: charset).utf8) : decoded
      }
    }
    append(Value(name: name, bytes: bytes, charset: charset))
    if charset != nil, plain != bytes { append(Value(name: name, bytes: plain)) }
    let raw = Array(texts.joined())
    cost &+= raw.count
    if raw != bytes { append(Value(name: name, bytes: HexDigits.percentDecoded(raw))) }
  }

  private mutating func append(_ value: Value) {
    if values.last != value { values.append(value) }
  }

  private static func initialValue(
    _ bytes: ArraySlice<UInt8>
  ) -> (charset: String?, text: ArraySlice<UInt8>) {
    let apostrophe = UInt8(ascii: "'")
    guard let first = bytes.firstIndex(of: apostrophe),
      let second = bytes[(first &+ 1)...].firstIndex(of: apostrophe)
    else { return (nil, bytes) }
    return (String(decoding: bytes[..<first], as: UTF8.self), bytes[(second &+ 1)...])
  }
}
