// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Synchronization

/// The ten characters by which people name a connection, a message or a refusal.
///
/// Base32 without I, L, O and U, so that it can be read out over the telephone.
package struct Reference: Sendable, Hashable, CustomStringConvertible {
  package let description: String

  /// The digits, by value.
  static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
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

/// Makes references that do not repeat: 30 bits of seconds and 20 bits of a counter, scrambled so
/// that neighbours do not look alike.
///
/// Unique while the clock does not go back and no second makes more than a million: two starts in
/// one second begin at random places of the counter.
package final class ReferenceSource: Sendable {
  private let time: any TimeSource
  private let counter: Atomic<UInt64>

  /// 2026-01-01 00:00 UTC; 30 bits of seconds from here end in 2060.
  private static let epoch: Int64 = 1_767_225_600
  private static let mask: UInt64 = (1 << 50) - 1

  package init(_ services: Services) {
    time = services.time
    counter = Atomic(services.random.next())
  }

  package func next() -> Reference {
    let seconds = UInt64(truncatingIfNeeded: max(0, time.milliseconds / 1000 - Self.epoch))
    let count = counter.wrappingAdd(1, ordering: .relaxed).newValue
    return Reference(bits: Self.scramble((seconds << 20 | count & 0xFFFFF) & Self.mask))
  }

  /// A bijection of 50-bit numbers: multiplication by an odd number and xor with the upper half
  /// can both be undone, so distinct numbers stay distinct.
  static func scramble(_ value: UInt64) -> UInt64 {
    var value = value & mask
    for _ in 0..<2 {
      value = (value &* 0x2_5A3D_9C1B_7F65) & mask
      value ^= value >> 25
    }
    return value
  }
}
