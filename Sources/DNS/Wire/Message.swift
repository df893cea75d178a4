// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing

/// An answer of a server as it came (RFC 1035 §4.1): the header, the question, and the records of
/// the answer and authority sections. Additional records are not read.
struct Message: Sendable {
  /// The largest message there is (RFC 1035 §4.2.2).
  static let largest = 65535
  /// Class IN.
  static let internet: UInt16 = 1

  struct Record: Sendable, Equatable {
    var name: DomainName
    /// Seconds; at most 2^31 - 1 (RFC 2181 §8).
    var timeToLive: UInt32
    var type: RecordType
    var data: RecordData
  }

  let id: UInt16
  /// Whether the message was cut to fit.
  let isTruncated: Bool
  /// NOERROR, NXDOMAIN ... (RFC 1035 §4.1.1).
  let code: UInt8
  /// What the answer is for; nil for a type that bmsd never asks for, and for the bare errors that
  /// libunbound makes.
  let question: Question?
  /// Records of class IN and of types that bmsd asks for.
  let answers: [Record]
  let authorities: [Record]

  init(_ bytes: [UInt8]) throws(MessageFault) {
    guard bytes.count <= Self.largest else { throw MessageFault(what: "it is too long") }
    var reader = MessageReader(bytes)
    id = try reader.number16()
    let flags = try reader.number16()
    guard flags & 0x8000 != 0 else { throw MessageFault(what: "it is no answer") }
    isTruncated = flags & 0x0200 != 0
    code = UInt8(flags & 0xF)
    let questions = try reader.number16()
    let answerCount = try reader.number16()
    let authorityCount = try reader.number16()
    _ = try reader.number16()
    guard questions <= 1 else { throw MessageFault(what: "it has \(questions) questions") }
    question = questions == 1 ? try Self.question(&reader) : nil
    // A record takes 11 octets at least, so that the message bounds the counts.
    answers = try Self.records(answerCount, &reader)
    authorities = try Self.records(authorityCount, &reader)
  }

  private static func question(_ reader: inout MessageReader) throws(MessageFault) -> Question? {
    let name = try reader.name()
    let type = RecordType(rawValue: try reader.number16())
    let questionClass = try reader.number16()
    return questionClass == internet ? type.map { Question(name, $0) } : nil
  }

  private static func records(
    _ count: UInt16, _ reader: inout MessageReader
  ) throws(MessageFault) -> [Record] {
    var records: [Record] = []
    for _ in 0..<count { if let record = try record(&reader) { records.append(record) } }
    return records
  }

  private static func record(_ reader: inout MessageReader) throws(MessageFault) -> Record? {
    let name = try reader.name()
    let rawType = try reader.number16()
    let recordClass = try reader.number16()
    let timeToLive = try reader.number32()
    let length = Int(try reader.number16())
    guard recordClass == internet, let type = RecordType(rawValue: rawType) else {
      _ = try reader.take(length)
      return nil
    }
    let start = reader.position
    let data = try data(of: type, length, &reader)
    guard reader.position == start + length else {
      throw MessageFault(what: "the length of a \(type.name) record is wrong")
    }
    let isNegative = timeToLive > UInt32(Int32.max)
    return Record(name: name, timeToLive: isNegative ? 0 : timeToLive, type: type, data: data)
  }

  private static func data(
    of type: RecordType, _ length: Int, _ reader: inout MessageReader
  ) throws(MessageFault) -> RecordData {
    switch type {
    case .a, .aaaa:
      guard length == (type == .a ? 4 : 16),
        let address = IPAddress(octets: try reader.take(length))
      else { throw MessageFault(what: "the length of an address is wrong") }
      return .address(address)
    case .ns, .cname, .ptr: return .name(try reader.name())
    case .mx:
      let preference = try reader.number16()
      return .exchange(MailExchange(preference: preference, host: try reader.name()))
    case .txt:
      let end = reader.position + length
      var text: [UInt8] = []
      while reader.position < end {
        let count = Int(try reader.byte())
        text += try reader.take(count)
      }
      return .text(text)
    case .soa:
      return .authority(
        StartOfAuthority(
          primary: try reader.name(), mailbox: try reader.name(), serial: try reader.number32(),
          refresh: try reader.number32(), retry: try reader.number32(),
          expire: try reader.number32(), minimum: try reader.number32()))
    }
  }
}
