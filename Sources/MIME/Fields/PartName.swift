// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A name that some mail program could give to the file in a part.
package struct PartName: Sendable, Hashable {
  /// Where a name comes from.
  package enum Origin: Sendable, Hashable {
    /// A parameter of a field; its name is empty for a value that stands without one.
    case parameter(ContentFieldName, String)
    /// The last segment of Content-Location.
    case location
    /// Content-Description or Content-ID, which are names only where there is no other, or one of the
    /// fields that hold nothing but a name.
    case field(ContentFieldName)
    /// The line that begins uuencoded or yEnc data.
    case begin
  }

  /// Where it comes from.
  package var origin: Origin
  /// The name, decoded but not cleaned: it may hold anything. Of a name that is longer than
  /// `longest` the end is kept.
  package var text: String

  /// Characters that are kept of a name; no file system has longer paths.
  package static let longest = 4096

  /// What it counts against `MIMELimits.names`.
  var count: Int {
    var bytes = text.utf8.count
    if case .parameter(_, let parameter) = origin { bytes &+= parameter.utf8.count }
    return 1 &+ bytes / 64
  }

  /// Whether the name was given as the name of a file, not as something that can serve as one.
  package var isFileName: Bool {
    switch origin {
    case .parameter(.type, "name"), .parameter(.disposition, "filename"),
      .parameter(.type, "filename"), .parameter(.disposition, "name"), .field(.name),
      .field(.sunName), .begin:
      true
    default: false
    }
  }
}

extension PartName.Origin: CustomStringConvertible {
  /// For people: `Content-Type name`.
  package var description: String {
    switch self {
    case .parameter(let field, ""): field.rawValue
    case .parameter(let field, let name): "\(field.rawValue) \(name)"
    case .location: ContentFieldName.location.rawValue
    case .field(let field): field.rawValue
    case .begin: "begin line"
    }
  }
}

/// Collects the names of a part from its fields.
struct NameCollector {
  private(set) var names: [PartName] = []
  private(set) var isOverLimit = false
  /// Bytes that were read, those again that fields have in ways in which few programs read them.
  private(set) var cost = 0
  /// What the names count against `MIMELimits.names`.
  private(set) var kept = 0
  private var seen: Set<PartName> = []
  private let limit: Int
  private let mostKept: Int
  private let mostRead: Int

  /// Collects at most `limit` names that count at most `mostKept`, at a cost of `mostRead` or little
  /// more.
  init(limit: Int, mostKept: Int, mostRead: Int) {
    self.limit = limit
    self.mostKept = mostKept
    self.mostRead = min(mostRead, Self.mostCost)
  }

  /// Takes the names of a Content-Type or Content-Disposition field.
  mutating func take(_ field: ContentFieldName, _ value: ArraySlice<UInt8>) {
    guard spend(0) else { return }
    takeParameters(field, value)
    // Some programs decode the whole field before they take it apart.
    guard EncodedWord.occurs(in: value) else { return }
    for reading in words(value) {
      let text = Array(reading.utf8)
      takeParameters(field, text[...])
    }
  }

  private mutating func takeParameters(_ field: ContentFieldName, _ value: ArraySlice<UInt8>) {
    guard spend(value.count) else { return }
    let readings = ParameterizedValue.readings(value, limit: limit)
    cost &+= (readings.count &- 1) &* value.count
    for reading in readings {
      let parameters = Parameters(reading.parameters)
      isOverLimit = isOverLimit || reading.isOverLimit || parameters.isOverLimit
      for value in parameters.values where !Self.isStructural(field, value) {
        add(.parameter(field, value.name), value.bytes, charset: value.charset)
      }
      guard spend(parameters.cost &+ parameters.values.count &* Self.costOfName) else { return }
    }
  }

  /// Pays for a reading; false when there have been enough. An ordinary part costs some hundreds.
  private mutating func spend(_ bytes: Int) -> Bool {
    cost &+= bytes
    if cost > mostRead { isOverLimit = true }
    return cost <= mostRead
  }

  private static let mostCost = 4 << 20
  /// What it costs to look at a name, besides its bytes, if reading one byte costs 1.
  private static let costOfName = 48

  /// The ways to decode the words in a text; one where it is too long for all.
  private mutating func words(_ text: ArraySlice<UInt8>) -> [String] {
    guard text.count <= EncodedWord.longest, spend(text.count) else {
      isOverLimit = true
      return [EncodedWord.decode(text)]
    }
    return EncodedWord.readings(text, cost: &cost)
  }

  /// Whether a parameter says what RFCs have it for, which no program takes for a name. Those that
  /// nobody knows count: worms have used them; and so do those that say something else.
  private static func isStructural(_ field: ContentFieldName, _ value: Parameters.Value) -> Bool {
    guard field == .type else { return false }
    let text = value.bytes
    switch value.name {
    // RFC 2046 §5.1.1: any text.
    case "boundary": return true
    // RFC 2387 §3.2: a Content-ID.
    case "start": return text.contains(UInt8(ascii: "@")) || text.first == UInt8(ascii: "<")
    // RFC 2387 §3.1 and 3.3, RFC 1847 §2: a type.
    case "protocol", "start-info", "type":
      return isWord(text) || text.count { $0 == UInt8(ascii: "/") } == 1
    default: return structural.contains(value.name) && isWord(text)
    }
  }

  /// Whether a text has no dot and nothing that something else can be encoded in, so that it is no
  /// name with an extension.
  private static func isWord(_ text: [UInt8]) -> Bool {
    text.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x20, UInt8(ascii: "-"), UInt8(ascii: "_"),
        UInt8(ascii: ":"), UInt8(ascii: "/"):
        true
      default: false
      }
    }
  }

  /// RFC 2045 to 2049, 1847, 3462, 3676, 5545, 5751, 8551.
  private static let structural: Set<String> = [
    "access-type", "charset", "delsp", "directory", "expiration", "format", "micalg", "mode",
    "number", "permission", "reply-type", "report-type", "server", "site", "smime-type", "total",
  ]

  /// Takes the whole of a field that holds nothing but a name.
  mutating func takeName(_ field: ContentFieldName, _ value: ArraySlice<UInt8>) {
    guard spend(value.count &+ Self.costOfName) else { return }
    add(.field(field), value.trimmed, charset: nil)
  }

  /// Takes the last path segment of a Content-Location (RFC 2557 §4); a query or fragment is not part
  /// of it, but both forms count.
  mutating func takeLocation(_ value: ArraySlice<UInt8>) {
    guard spend(value.count &+ Self.costOfName) else { return }
    // A long URL may be folded anywhere; white space in it means nothing.
    let url = value.filter { !$0.isSpace && $0 != 0x22 }
    let path = url.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
    for text in [url[...], path] {
      let separators = [UInt8(ascii: "/"), UInt8(ascii: "\\")]
      let start = text.lastIndex { separators.contains($0) }.map { $0 &+ 1 } ?? text.startIndex
      // A host without a path names no file: `http://example.app`.
      if text[..<start].suffix(3).elementsEqual("://".utf8) { continue }
      add(.location, text[start...], charset: nil)
    }
  }

  /// Takes the text of a field that is a name only where no other is, and only without an `@`.
  mutating func takeText(_ field: ContentFieldName, _ value: ArraySlice<UInt8>) {
    guard !value.contains(UInt8(ascii: "@")), spend(value.count &+ Self.costOfName) else { return }
    add(.field(field), value.trimmed, charset: nil)
  }

  /// Takes the name on a line that begins uuencoded data.
  mutating func takeBegin(_ name: ArraySlice<UInt8>) {
    guard spend(name.count &+ Self.costOfName) else { return }
    add(.begin, name.trimmed, charset: nil)
  }

  private mutating func add(
    _ origin: PartName.Origin, _ bytes: some Collection<UInt8>, charset: String?
  ) {
    guard !bytes.isEmpty else { return }
    if let charset, !charset.isEmpty {
      for text in Charset.readings(bytes, label: charset) {
        add(origin, text)
        cost &+= bytes.count
      }
    }
    add(origin, Charset.text(bytes))
    guard bytes.contains(where: { $0 == 0x25 || $0 == 0x3D }) else { return }
    if EncodedWord.occurs(in: bytes) {
      for text in words(Array(bytes)[...]) { add(origin, text) }
    }
    if bytes.contains(0x25) { add(origin, Charset.text(HexDigits.percentDecoded(bytes))) }
  }

  private mutating func add(_ origin: PartName.Origin, _ text: String) {
    let isLong = text.utf8.count > PartName.longest
    let end = isLong ? String(text.unicodeScalars.suffix(PartName.longest)) : text
    let name = PartName(origin: origin, text: end)
    guard !seen.contains(name) else { return }
    let count = name.count
    guard names.count < limit, count <= mostKept &- kept else {
      isOverLimit = true
      return
    }
    kept &+= count
    seen.insert(name)
    names.append(name)
  }
}
