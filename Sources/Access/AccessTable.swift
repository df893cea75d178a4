// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import CMaps
internal import Environment
internal import Glibc
internal import Mail

/// Where an access map is, and what it is made of: `/etc/mail/access`, `hash:/etc/mail/access.db`.
package struct AccessLocation: Sendable, Equatable, CustomStringConvertible {
  /// What a file is made of.
  package enum Kind: String, Sendable, CaseIterable {
    /// An entry a line, as the source of a map.
    case text
    /// Berkeley DB, as Postfix's postmap and Sendmail's makemap make it (libdb 5.3).
    case hash
    /// Constant database (tinycdb's libcdb).
    case cdb
    /// Lightning Memory-Mapped Database (liblmdb).
    case lmdb
  }

  package let kind: Kind
  package let path: String

  /// A path with the kind in front, as Postfix writes it, or told by its suffix; `.db` is a hash.
  package init(_ text: String) {
    for kind in Kind.allCases where text.hasPrefix("\(kind.rawValue):") {
      let path = String(text.dropFirst(kind.rawValue.count + 1))
      // Postfix names a map without its suffix.
      let suffix = Self.suffixes.first { $0.kind == kind }?.suffix ?? ""
      self.init(kind, path.hasSuffix(suffix) ? path : path + suffix)
      return
    }
    self.init(Self.suffixes.first { text.hasSuffix($0.suffix) }?.kind ?? .text, text)
  }

  private init(_ kind: Kind, _ path: String) {
    self.kind = kind
    self.path = path
  }

  private static let suffixes: [(suffix: String, kind: Kind)] = [
    (".db", .hash), (".cdb", .cdb), (".lmdb", .lmdb),
  ]

  package var description: String { "\(kind.rawValue):\(path)" }
}

/// Why a map cannot be read.
package struct AccessTrouble: Error, Equatable, CustomStringConvertible {
  package let description: String
}

/// The entries of an access map: what stood in the file when it was read.
struct AccessTable: Sendable {
  /// Keys in lower case, the separator a colon.
  private var entries: [MailText: MailText] = [:]
  /// Lines that say nothing, each as `file:line: what`; the first ones, then their number.
  private(set) var faults: [String] = []
  private var faultCount = 0
  /// Where the words that need more than this map stand first.
  private(set) var firstPlaces: [String: String] = [:]

  /// More entries than any site has; more is an error, not a shorter list.
  static let maximumEntries = 1_000_000
  /// The longest key and value in bytes.
  static let maximumKey = 1024
  static let maximumValue = 4096
  private static let maximumFaults = 10

  var count: Int { entries.count }
  subscript(_ key: MailText) -> MailText? { entries[key] }

  init(_ location: AccessLocation, _ files: any FileSource) throws(AccessTrouble) {
    switch location.kind {
    case .text:
      let bytes: [UInt8]
      do {
        bytes = try files.read(location.path)
      } catch {
        throw AccessTrouble(description: "\(location.path): cannot be read: \(error)")
      }
      try read(bytes, location.path)
    case .hash: try read(location.path, BMS_MAP_HASH)
    case .cdb: try read(location.path, BMS_MAP_CDB)
    case .lmdb: try read(location.path, BMS_MAP_LMDB)
    }
    let more = faultCount - Self.maximumFaults
    if more > 0 { faults.append("\(location.path): and \(more) more bad lines") }
  }

  // MARK: text

  private mutating func read(_ bytes: [UInt8], _ path: String) throws(AccessTrouble) {
    var number = 0
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      number += 1
      let start = line.drop { Self.isSpace($0) }
      guard let first = start.first, first != UInt8(ascii: "#") else { continue }
      let key = start.prefix { !Self.isSpace($0) }
      let rest = start.dropFirst(key.count).drop { Self.isSpace($0) }
      guard let end = rest.lastIndex(where: { !Self.isSpace($0) }) else {
        fault("\(path):\(number): an entry has a key and a value; the line is left out")
        continue
      }
      let value = rest[...end]
      guard Self.isText(key, Self.maximumKey), Self.isText(value, Self.maximumValue) else {
        fault("\(path):\(number): control characters or too long; the line is left out")
        continue
      }
      try add(key, value, path)
      review(key, value, "\(path):\(number)")
    }
  }

  /// The tags whose values are ours to understand; all else is the MTA's.
  private static let ourTags = [
    "spf-", "helo-", "dkim-", "dmarc-", "smtp-auth", "connect", "from", "to",
  ]

  /// Takes note of what is probably no word, and of those that need other parts of bmsd.
  private mutating func review(
    _ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>, _ place: String
  ) {
    let separators = [UInt8(ascii: ":"), UInt8(ascii: "!")]
    let isTagged = key.contains(where: separators.contains)
    let tag = String(decoding: key.prefix { !separators.contains($0) }, as: UTF8.self).lowercased()
    let isOurs = Self.ourTags.contains {
      $0.hasSuffix("-") ? tag.hasPrefix($0) : isTagged && tag == $0
    }
    guard isOurs else { return }
    let said = AccessValue(MailText(value))
    switch said {
    case .unknown:
      fault("\(place): \"\(MailText(value))\" is no word of the access map: it counts as REJECT")
    case .ban, .cbv, .dsn: if firstPlaces[said.word] == nil { firstPlaces[said.word] = place }
    default: break
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0D
  }

  private static func isText(_ bytes: ArraySlice<UInt8>, _ maximum: Int) -> Bool {
    bytes.count <= maximum && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
  }

  private mutating func fault(_ text: String) {
    faultCount += 1
    if faults.count < Self.maximumFaults { faults.append(text) }
  }

  private mutating func add(
    _ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>, _ path: String
  ) throws(AccessTrouble) {
    guard entries.count < Self.maximumEntries else {
      throw AccessTrouble(description: "\(path): more than \(Self.maximumEntries) entries")
    }
    entries[Self.key(key)] = MailText(value)
  }

  /// Folded as makemap and postmap fold; the ancestor's `!` after the tag is a colon.
  private static func key(_ bytes: ArraySlice<UInt8>) -> MailText {
    var key = MailText(bytes).lowercased
    let separators = [UInt8(ascii: ":"), UInt8(ascii: "!")]
    if let index = key.bytes.firstIndex(where: separators.contains) {
      key.bytes[index] = UInt8(ascii: ":")
    }
    return key
  }

  // MARK: databases

  /// How long the reading of a database may take, in milliseconds.
  private static let patience: Int32 = 20_000

  /// What is collected while the library reads.
  private struct Collection {
    var table: AccessTable
    let path: String
    var trouble: AccessTrouble?
  }

  private mutating func read(_ path: String, _ kind: bms_map_kind) throws(AccessTrouble) {
    // Whoever rewrites the map holds it locked, and half of it must not be taken for the whole.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw AccessTrouble(description: "\(path): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
      throw AccessTrouble(description: "\(path): it is being rewritten")
    }
    var collection = Collection(table: self, path: path)
    let code = withUnsafeMutablePointer(to: &collection) { pointer in
      bms_map_read(kind, path, Self.patience, { Self.take($0, $1, $2, $3, $4) }, pointer)
    }
    if let trouble = collection.trouble { throw trouble }
    guard code == 0 else {
      let why =
        code == Int32(BMS_MAP_DAMAGED)
        ? "it is no such map, or damaged" : String(cString: strerror(code))
      throw AccessTrouble(description: "\(path): \(why)")
    }
    self = collection.table
  }

  /// Takes an entry from the library; keys and values may end in NUL, as Postfix writes them.
  private static func take(
    _ context: UnsafeMutableRawPointer?, _ key: UnsafePointer<UInt8>?, _ keyLength: Int,
    _ value: UnsafePointer<UInt8>?, _ valueLength: Int
  ) -> Int32 {
    guard let collection = context?.assumingMemoryBound(to: Collection.self) else { return 1 }
    var key = Array(UnsafeBufferPointer(start: key, count: keyLength))[...]
    var value = Array(UnsafeBufferPointer(start: value, count: valueLength))[...]
    if key.last == 0 { key = key.dropLast() }
    if value.last == 0 { value = value.dropLast() }
    guard isText(key, maximumKey), isText(value, maximumValue) else {
      collection.pointee.table.fault(
        "\(collection.pointee.path): an entry with control characters, or too long, is left out")
      return 0
    }
    do {
      try collection.pointee.table.add(key, value, collection.pointee.path)
      let place = "\(collection.pointee.path): \(MailText(key))"
      collection.pointee.table.review(key, value, place)
      return 0
    } catch {
      collection.pointee.trouble = error
      return 1
    }
  }
}
