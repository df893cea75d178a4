// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Mail

/// Greylists as text, a triplet a line: `origin,sender,recipient,first,last,passed,umis,tries`.
///
/// Times are seconds since 1970 with a fraction. Sender and recipient are percent-quoted, so that
/// no field needs quotes. Without the header line it is the ancestor's file, which has no `tries`:
/// its addresses are as received, so they are made keys here.
public struct TripletCSV: Sendable {
  /// Why a line says nothing.
  public struct Fault: Error, Equatable {
    /// What is wrong with it.
    public let message: String
  }

  /// The first line of a file of ours.
  public static let header = "origin,sender,recipient,first,last,passed,umis,tries"
  /// The longest line that is read, in bytes.
  public static let maximumLine = 65_536

  private let keys: TripletKeys
  private var isOurs = false

  /// A reader that makes the ancestor's addresses keys of this kind.
  public init(keys: TripletKeys) { self.keys = keys }

  /// The line of a record, without line end.
  public static func line(_ record: TripletRecord) -> String {
    [
      quoted(record.triplet.origin), quoted(record.triplet.sender),
      quoted(record.triplet.recipient), seconds(record.first), seconds(record.last),
      String(record.passed), "", String(record.tries),
    ].joined(separator: ",")
  }

  /// The record of a line without its line end; nil for a header or an empty line.
  public mutating func record(_ line: [UInt8]) throws(Fault) -> TripletRecord? {
    guard line.count <= Self.maximumLine else { throw Fault(message: "the line is too long") }
    var line = line
    if line.last == 0x0D { line.removeLast() }
    if line.isEmpty { return nil }
    if line.elementsEqual(Self.header.utf8) {
      isOurs = true
      return nil
    }
    let fields = try Self.fields(line)
    guard (6...8).contains(fields.count) else {
      throw Fault(message: "it has \(fields.count) fields instead of 7")
    }
    // Checked above, so no default is ever used.
    func field(_ index: Int) -> [UInt8] { fields.dropFirst(index).first ?? [] }
    if field(0).elementsEqual("ip".utf8) { return nil }
    let times = (try Self.number(field(3), "first"), try Self.number(field(4), "last"))
    let count = try Self.number(field(5), "count")
    guard isOurs else {
      return try ancestorRecord(
        origin: field(0), sender: field(1), recipient: field(2), first: times.0, last: times.1,
        count: count)
    }
    let triplet = Triplet(
      origin: try Self.key(field(0)), sender: try Self.key(field(1)),
      recipient: try Self.key(field(2)))
    guard !triplet.origin.isEmpty else { throw Fault(message: "the origin is empty") }
    let tries = fields.count == 8 ? try Self.number(field(7), "tries") : count + 1
    return try Self.record(triplet, times.0, times.1, count, tries)
  }

  /// A record of the ancestor: `origin` a domain, an address or a network, the addresses as
  /// received or percent-quoted, times in seconds.
  public func ancestorRecord(
    origin: [UInt8], sender: [UInt8], recipient: [UInt8], first: Double, last: Double,
    count: Double
  ) throws(Fault) -> TripletRecord {
    let triplet = Triplet(
      origin: try self.origin(origin),
      sender: keys.sender(Mailbox(envelope: MailText(Self.unquoted(sender)))),
      recipient: keys.recipient(Mailbox(envelope: MailText(Self.unquoted(recipient)))))
    // What passed there had waited for it.
    return try Self.record(triplet, first, last, count, count + 1)
  }

  private func origin(_ bytes: [UInt8]) throws(Fault) -> String {
    let text = String(decoding: bytes, as: UTF8.self)
    if let address = IPAddress(text) { return keys.origin(of: address) }
    if let network = IPNetwork(text) { return "\(network)" }
    let isName = bytes.allSatisfy {
      (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
        || $0 >= 0x80 || [0x2D, 0x2E, 0x5F].contains($0)
    }
    let dot = UInt8(ascii: ".")
    // A name of nothing but dots would be no name once its last dot is taken away.
    let isDomain = bytes.contains(dot) && !bytes.allSatisfy { $0 == dot }
    guard isName, isDomain, bytes.count <= 253 else {
      throw Fault(message: "the first field is neither an address nor a domain")
    }
    return keys.origin(ofDomain: text)
  }

  /// Seconds until the year 3000; counts that no mail system reaches.
  private static let latest = 32_503_680_000.0
  private static let most = 1_000_000_000.0

  private static func record(
    _ triplet: Triplet, _ first: Double, _ last: Double, _ count: Double, _ tries: Double
  ) throws(Fault) -> TripletRecord {
    guard (0...latest).contains(first), (0...latest).contains(last) else {
      throw Fault(message: "a time is not in seconds since 1970")
    }
    guard (0...most).contains(count), (0...most + 1).contains(tries) else {
      throw Fault(message: "a count is out of range")
    }
    return TripletRecord(
      triplet: triplet, first: milliseconds(first), last: milliseconds(last), passed: Int(count),
      tries: Int(tries))
  }

  /// To the nearest, so that what was written reads back; the caller has checked the range.
  private static func milliseconds(_ seconds: Double) -> Int64 {
    Int64((seconds * 1000).rounded())
  }

  // MARK: fields

  private static let quote = UInt8(ascii: "\"")
  private static let comma = UInt8(ascii: ",")
  private static let percent = UInt8(ascii: "%")

  /// The fields of a line; a field in quotes may hold commas, and quotes that are doubled.
  static func fields(_ line: [UInt8]) throws(Fault) -> [[UInt8]] {
    var fields: [[UInt8]] = []
    var field: [UInt8] = []
    var isQuoted = false
    var wasQuote = false
    for byte in line {
      if isQuoted {
        if byte != quote {
          field.append(byte)
          continue
        }
        isQuoted = false
        wasQuote = true
        continue
      }
      if byte == quote, wasQuote || field.isEmpty {
        // Two in a row within quotes are one.
        if wasQuote { field.append(quote) }
        isQuoted = true
      } else if byte == comma {
        fields.append(field)
        field = []
      } else {
        field.append(byte)
      }
      wasQuote = false
    }
    guard !isQuoted else { throw Fault(message: "a quote is not closed") }
    return fields + [field]
  }

  private static func number(_ bytes: [UInt8], _ name: String) throws(Fault) -> Double {
    let text = String(decoding: bytes, as: UTF8.self)
    let allowed = Set("0123456789.eE+-".utf8)
    guard !bytes.isEmpty, bytes.allSatisfy(allowed.contains), let number = Double(text),
      number.isFinite
    else { throw Fault(message: "\(name) is not a number") }
    return number
  }

  private static func key(_ bytes: [UInt8]) throws(Fault) -> String {
    guard let text = String(validating: unquoted(bytes), as: UTF8.self),
      text.utf8.count <= TripletKeys.maximumLength,
      text.unicodeScalars.allSatisfy({ $0.isVisible })
    else { throw Fault(message: "a key is too long or no text") }
    return text
  }

  private static func seconds(_ milliseconds: Int64) -> String {
    let (whole, rest) = max(milliseconds, 0).quotientAndRemainder(dividingBy: 1000)
    return "\(whole).\(String(1000 + rest).dropFirst())"
  }

  private static func quoted(_ text: String) -> String {
    var out = ""
    for byte in text.utf8 {
      if (0x21...0x7E).contains(byte), byte != percent, byte != comma, byte != quote {
        out.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let hex = String(byte, radix: 16, uppercase: true)
        out += "%" + (byte < 16 ? "0" : "") + hex
      }
    }
    return out
  }

  /// `%XX` as the byte; a `%` that begins none stays.
  private static func unquoted(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(percent) else { return bytes }
    var out: [UInt8] = []
    var rest = bytes[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(2)
      if byte == percent, digits.count == 2, digits.allSatisfy(isHexDigit),
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
      {
        out.append(value)
        rest = rest.dropFirst(2)
      } else {
        out.append(byte)
      }
    }
    return out
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
  }
}
