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
    /// Content-Description or Content-ID, which are names only where there is no other.
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

  /// Whether the name was given as the name of a file, not as something that can serve as one.
  package var isFileName: Bool {
    switch origin {
    case .parameter(.type, "name"), .parameter(.disposition, "filename"),
      .parameter(.type, "filename"), .parameter(.disposition, "name"), .begin:
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
  private var seen: Set<PartName> = []
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  /// Takes the names of a Content-Type or Content-Disposition field.
  mutating func take(_ field: ContentFieldName, _ value: ArraySlice<UInt8>) {
    let parsed = ParameterizedValue(value, limit: limit)
    isOverLimit = isOverLimit || parsed.isOverLimit
    for value in Parameters(parsed.parameters).values where !Self.isStructural(field, value.name) {
      add(.parameter(field, value.name), value.bytes, charset: value.charset)
    }
    // Some programs decode the whole field before they take it apart.
    if EncodedWord.occurs(in: value) {
      let decoded = Array(EncodedWord.decode(value).utf8)
      for value in Parameters(ParameterizedValue(decoded[...], limit: limit).parameters).values
      where !Self.isStructural(field, value.name) {
        add(.parameter(field, value.name), value.bytes, charset: value.charset)
      }
    }
  }

  /// Whether a parameter has another meaning that no program takes for a name. Those that nobody
  /// knows count: worms have used them.
  private static func isStructural(_ field: ContentFieldName, _ name: String) -> Bool {
    field == .type && structural.contains(name)
  }

  /// RFC 2045 to 2049, 1847, 2387, 3462, 3676, 5545, 5751, 8551.
  private static let structural: Set<String> = [
    "access-type", "boundary", "charset", "delsp", "directory", "expiration", "format", "micalg",
    "mode", "number", "permission", "protocol", "reply-type", "report-type", "server", "site",
    "smime-type", "start", "start-info", "total", "type",
  ]

  /// Takes the last path segment of a Content-Location (RFC 2557 §4); a query or fragment is not part
  /// of it, but both forms count.
  mutating func takeLocation(_ value: ArraySlice<UInt8>) {
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
    guard !value.contains(UInt8(ascii: "@")) else { return }
    add(.field(field), value.trimmed, charset: nil)
  }

  /// Takes the name on a line that begins uuencoded data.
  mutating func takeBegin(_ name: ArraySlice<UInt8>) {
    add(.begin, name.trimmed, charset: nil)
  }

  private mutating func add(
    _ origin: PartName.Origin, _ bytes: some Collection<UInt8>, charset: String?
  ) {
    guard !bytes.isEmpty else { return }
    if let charset, !charset.isEmpty { add(origin, Charset.text(bytes, label: charset)) }
    add(origin, Charset.text(bytes))
    guard bytes.contains(where: { $0 == 0x25 || $0 == 0x3D }) else { return }
    if EncodedWord.occurs(in: bytes) { add(origin, EncodedWord.decode(Array(bytes)[...])) }
    if bytes.contains(0x25) { add(origin, Charset.text(HexDigits.percentDecoded(bytes))) }
  }

  private mutating func add(_ origin: PartName.Origin, _ text: String) {
    let isLong = text.utf8.count > PartName.longest
    let end = isLong ? String(text.unicodeScalars.suffix(PartName.longest)) : text
    let name = PartName(origin: origin, text: end)
    guard !seen.contains(name) else { return }
    guard names.count < limit else {
      isOverLimit = true
      return
    }
    seen.insert(name)
    names.append(name)
  }
}
