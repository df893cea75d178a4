// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
internal import Synchronization

/// The ten characters by which people name a connection, a message or a refusal.
///
/// Base32 without I, L, O and U, so that it can be read out over the telephone.
package struct Reference: Sendable, Hashable, CustomStringConvertible {
  package let description: String

  /// The digits, by value.
  package static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
  static let length = 10

  /// The lower 50 bits of `value`.
  init(bits value: UInt64) {
    var text = ""
    for position in (0..<Self.length).reversed() {
      // A five-bit number always is a valid index of 32 digits.
      text.append(Self.alphabet[Int((value >> UInt64(5 * position)) & 31)])
    }
    description = text
  }

  /// What a person typed: case and look-alikes (I and L for 1, O for 0) are folded, spaces and
  /// hyphens dropped; nil when it is no reference.
  package init?(_ typed: String) {
    var text = ""
    for character in typed.uppercased() where character != " " && character != "-" {
      let folded: Character
      switch character {
      case "I", "L": folded = "1"
      case "O": folded = "0"
      default: folded = character
      }
      guard Self.alphabet.contains(folded), text.count < Self.length else { return nil }
      text.append(folded)
    }
    guard text.count == Self.length else { return nil }
    description = text
  }
}

/// Makes references that do not repeat for the life of the database.
///
/// A reference is a number of 50 bits: 30 bits of seconds and 20 of a counter, scrambled so that
/// neighbours do not look alike. The number only ever grows, whatever the clock does: when it goes
/// back the old second is counted on, and after a start `continue(after:)` skips what the trail
/// knows. With a node the first character is the node's, and 15 bits of counter are left: more
/// than 32,768 in a second borrow from the next.
package final class ReferenceSource: Sendable {
  private let time: any TimeSource
  private let code: ReferenceCode
  /// The last number given out.
  private let last: Atomic<UInt64>

  /// A source for the host `node`, one of the digits of references; anything else means none.
  package init(_ services: Services, node: String = "") {
    time = services.time
    code = ReferenceCode(node: node)
    // From the next second on, at a random place in it: a start within a second of the end of the
    // process before does not repeat its references.
    let start = (code.seconds(at: time.milliseconds) + 1) << code.counterBits
    last = Atomic(start + services.random.next() & (1 << (code.counterBits - 1) - 1))
  }

  package func next() -> Reference {
    let now = code.seconds(at: time.milliseconds) << code.counterBits
    var known = last.load(ordering: .relaxed)
    while true {
      let next = max(known &+ 1, now)
      let (exchanged, original) = last.compareExchange(
        expected: known, desired: next, ordering: .relaxed)
      if exchanged { return code.reference(next) }
      known = original
    }
  }

  /// Never gives out what may have been given out up to that time, in milliseconds since 1970.
  package func `continue`(after milliseconds: Int64) {
    let floor = (code.seconds(at: milliseconds) + 2) << code.counterBits
    var known = last.load(ordering: .relaxed)
    while known < floor {
      let (exchanged, original) = last.compareExchange(
        expected: known, desired: floor, ordering: .relaxed)
      if exchanged { return }
      known = original
    }
  }
}

/// How numbers become references and back.
package struct ReferenceCode: Sendable {
  /// The value of the node's digit; nil without a node.
  private let node: UInt64?
  let counterBits: UInt64
  private var bits: UInt64 { 30 + counterBits }
  private var mask: UInt64 { (1 << bits) - 1 }

  /// 2026-01-01 00:00 UTC; 30 bits of seconds from here end in 2060.
  private static let epoch: Int64 = 1_767_225_600
  /// Odd, and its inverse modulo 2^50 and so modulo 2^45.
  private static let factor: UInt64 = 0x2_5A3D_9C1B_7F65
  private static let inverse: UInt64 = {
    // Newton's method doubles the right bits: 3, 6, 12, 24, 48, 96.
    var inverse = factor
    for _ in 0..<5 { inverse = inverse &* (2 &- factor &* inverse) }
    return inverse
  }()

  /// The code of a host; `node` is one digit of `Reference.alphabet` or none.
  package init(node: String) {
    let digit = node.count == 1 ? Self.digit(node) : nil
    self.node = digit.map { UInt64($0) }
    counterBits = digit == nil ? 20 : 15
  }

  /// Whether `node` can begin a reference: one letter or digit, but not I, L, O or U.
  package static func isNode(_ node: String) -> Bool { node.count == 1 && digit(node) != nil }

  private static func digit(_ node: String) -> Int? {
    node.uppercased().first.flatMap { Reference.alphabet.firstIndex(of: $0) }
  }

  /// When a reference was made, in milliseconds since 1970, if this host made it; nil when its
  /// first character is another's.
  package func time(of reference: Reference) -> Int64? {
    var value: UInt64 = 0
    for character in reference.description {
      value = value << 5 | UInt64(Reference.alphabet.firstIndex(of: character) ?? 0)
    }
    if let node, value >> bits != node { return nil }
    let seconds = unscramble(value & mask) >> counterBits
    return (Int64(seconds) + Self.epoch) * 1000
  }

  func seconds(at milliseconds: Int64) -> UInt64 {
    UInt64(max(0, milliseconds / 1000 - Self.epoch)) & (1 << 30 - 1)
  }

  func reference(_ number: UInt64) -> Reference {
    Reference(bits: scramble(number) | (node ?? 0) << bits)
  }

  /// A bijection of numbers of `bits` bits: multiplication by an odd number and xor with the upper
  /// half can both be undone, so distinct numbers stay distinct.
  private func scramble(_ value: UInt64) -> UInt64 {
    var value = value & mask
    for _ in 0..<2 {
      value = (value &* Self.factor) & mask
      value ^= value >> 25
    }
    return value
  }

  private func unscramble(_ value: UInt64) -> UInt64 {
    var value = value & mask
    for _ in 0..<2 {
      // A shift by half the bits or more undoes itself.
      value ^= value >> 25
      value = (value &* Self.inverse) & mask
    }
    return value
  }
}
