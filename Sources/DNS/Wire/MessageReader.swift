// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What is wrong with a message from a server.
struct MessageFault: Error, Equatable {
  let what: String

  static let tooShort = MessageFault(what: "it ends too early")
}

/// Reads the parts of a DNS message (RFC 1035 §4.1) from left to right, never beyond its end.
struct MessageReader {
  /// How many times the name of one record may continue elsewhere.
  private static let mostPointers = 127

  private let bytes: [UInt8]
  private(set) var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  private func byte(at index: Int) throws(MessageFault) -> UInt8 {
    guard bytes.indices.contains(index) else { throw .tooShort }
    return bytes[index]
  }

  mutating func byte() throws(MessageFault) -> UInt8 {
    let byte = try byte(at: position)
    position += 1
    return byte
  }

  mutating func number16() throws(MessageFault) -> UInt16 {
    UInt16(try byte()) << 8 | UInt16(try byte())
  }

  mutating func number32() throws(MessageFault) -> UInt32 {
    UInt32(try number16()) << 16 | UInt32(try number16())
  }

  mutating func take(_ count: Int) throws(MessageFault) -> ArraySlice<UInt8> {
    guard count >= 0, count <= bytes.count - position else { throw .tooShort }
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// A name, whose end may be elsewhere in the message (RFC 1035 §4.1.4).
  ///
  /// A pointer must lead back to before the place where reading went on last, so that no circle of
  /// pointers can keep it going.
  mutating func name() throws(MessageFault) -> DomainName {
    var wire: [UInt8] = []
    var index = position
    var earliest = position
    var pointers = 0
    var end: Int?
    while true {
      let length = try byte(at: index)
      switch length {
      case 0:
        position = end ?? index + 1
        return DomainName(wire: wire)
      case 1...63:
        let first = index + 1
        guard Int(length) <= bytes.count - first else { throw .tooShort }
        guard DomainName.append(bytes[first..<first + Int(length)], to: &wire) else {
          throw MessageFault(what: "a name is longer than 255 octets")
        }
        index = first + Int(length)
      case 0xC0...0xFF:
        let target = Int(length & 0x3F) << 8 | Int(try byte(at: index + 1))
        pointers += 1
        guard target < earliest, pointers <= Self.mostPointers else {
          throw MessageFault(what: "the parts of a name point at each other")
        }
        end = end ?? index + 2
        earliest = target
        index = target
      default:
        throw MessageFault(what: "a label has an unknown form")
      }
    }
  }
}
