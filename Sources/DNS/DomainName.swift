// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing

/// A domain name (RFC 1035 §2.3, §3.1): labels of bytes, from the leftmost to the root.
///
/// The bytes stay as they came; comparison ignores the case of ASCII letters (RFC 4343 §3). A name
/// is at most 255 octets on the wire and a label at most 63. Internationalised names are A-labels
/// as they come: nothing is converted.
package struct DomainName: Sendable {
  /// The most bytes of a name in text form, without a final dot.
  package static let longestText = 253
  /// The most bytes of a label.
  package static let longestLabel = 63
  /// The most octets of the labels on the wire, without the root's.
  static let longestWire = 254

  /// The name that has no label.
  package static let root = DomainName(wire: [])

  /// The labels, each after its length, as on the wire but without the root's empty one.
  let wire: [UInt8]
  /// The same in lower case. A length is at most 63 and so is never taken for a letter.
  private let folded: [UInt8]

  /// - Precondition: `wire` is well formed and within the limits.
  init(wire: [UInt8]) {
    self.wire = wire
    let hasUpperCase = wire.contains { (0x41...0x5A).contains($0) }
    folded = hasUpperCase ? wire.map(Self.folded) : wire
  }

  /// The name whose labels stand between the dots of `text`, a final dot left aside; every other
  /// byte stands for itself. Nil for an empty label and beyond the limits.
  package init?(_ text: some Collection<UInt8>) { self.init(Array(text)) }

  /// The same of an array. In one pass: a name is made of every sender and every HELO.
  package init?(_ text: [UInt8]) {
    guard !text.isEmpty, text.count <= Self.longestText + 1 else { return nil }
    // Each label begins with a place for its length.
    var wire: [UInt8] = [0]
    wire.reserveCapacity(text.count + 2)
    var start = 0
    for byte in text {
      guard byte == UInt8(ascii: ".") else {
        wire.append(byte)
        continue
      }
      guard Self.close(&wire, from: start) else { return nil }
      start = wire.count
      wire.append(0)
    }
    // Behind a final dot stands nothing.
    if start > 0, wire.count == start + 1 {
      wire.removeLast()
    } else if !Self.close(&wire, from: start) {
      return nil
    }
    guard wire.count <= Self.longestWire else { return nil }
    self.init(wire: wire)
  }

  /// Writes the length of the label that begins at `start`.
  private static func close(_ wire: inout [UInt8], from start: Int) -> Bool {
    guard let length = UInt8(exactly: wire.count - start - 1),
      (1...UInt8(longestLabel)).contains(length)
    else { return false }
    wire[start] = length
    return true
  }

  /// The name that `text` spells; see `init(_:)` of bytes.
  package init?(_ text: String) { self.init(Array(text.utf8)) }

  /// The name of these labels; nil for an empty label and beyond the limits.
  package init?(labels: some Sequence<some Collection<UInt8>>) {
    var wire: [UInt8] = []
    for label in labels { guard Self.append(label, to: &wire) else { return nil } }
    self.init(wire: wire)
  }

  /// The name under which the PTR records of `address` are kept: below in-addr.arpa (RFC 1035
  /// §3.5) or ip6.arpa (RFC 3596 §2.5).
  package init(reverse address: IPAddress) {
    var wire: [UInt8] = []
    for octet in address.octets.reversed() {
      let labels =
        address.isIPv4
        ? [String(octet)]
        : [String(octet & 15, radix: 16), String(octet >> 4, radix: 16)]
      for label in labels { _ = Self.append(label.utf8, to: &wire) }
    }
    _ = Self.append((address.isIPv4 ? "in-addr" : "ip6").utf8, to: &wire)
    _ = Self.append("arpa".utf8, to: &wire)
    self.init(wire: wire)
  }

  static func append(_ label: some Collection<UInt8>, to wire: inout [UInt8]) -> Bool {
    guard let length = UInt8(exactly: label.count), (1...UInt8(longestLabel)).contains(length),
      wire.count + label.count + 1 <= longestWire
    else { return false }
    wire.append(length)
    wire.append(contentsOf: label)
    return true
  }

  /// About how many bytes it takes in memory.
  package var cost: Int { 64 + 2 * wire.count }

  /// Whether the name is the root's.
  package var isRoot: Bool { wire.isEmpty }

  /// Whether there are two labels or more.
  package var hasParent: Bool { wire.first.map { Int($0) + 1 < wire.count } ?? false }

  /// The labels from left to right.
  package var labels: [ArraySlice<UInt8>] {
    var labels: [ArraySlice<UInt8>] = []
    var rest = wire[...]
    while let length = rest.popFirst() {
      labels.append(rest.prefix(Int(length)))
      rest = rest.dropFirst(Int(length))
    }
    return labels
  }

  /// The labels with dots between them and none at the end, bytes as they are.
  package var text: [UInt8] { dotted { $1.append($0) } }

  /// The labels with dots between them, each byte of theirs written by `append`. In one pass: names
  /// are put into words with every message.
  private func dotted(_ append: (UInt8, inout [UInt8]) -> Void) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(wire.count)
    var left: UInt8 = 0
    for byte in wire {
      if left > 0 {
        left -= 1
        append(byte, &text)
      } else {
        // The length of a label, which is never empty.
        left = byte
        if !text.isEmpty { text.append(UInt8(ascii: ".")) }
      }
    }
    return text
  }

  /// The name without its leftmost label; nil for the root.
  package var parent: DomainName? {
    guard let length = wire.first else { return nil }
    return DomainName(wire: Array(wire.dropFirst(Int(length) + 1)))
  }

  /// Whether `text` spells this name, whatever the case of its letters; see `init(_:)`.
  package func isSpelled(by text: [UInt8]) -> Bool {
    // Without a name made of it: this is asked with every message.
    var rest = folded.makeIterator()
    guard var left = rest.next() else { return false }
    var isOver = false
    for byte in text {
      if left > 0 {
        // In a label of the name a dot may stand, in a label of the text it cannot.
        guard byte != UInt8(ascii: "."), rest.next() == Self.folded(byte) else { return false }
        left -= 1
      } else {
        guard byte == UInt8(ascii: "."), !isOver else { return false }
        if let length = rest.next() { left = length } else { isOver = true }
      }
    }
    return left == 0 && (isOver || rest.next() == nil)
  }

  private static func folded(_ byte: UInt8) -> UInt8 {
    (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
  }

  /// Whether this is `ancestor` or a name below it.
  package func isWithin(_ ancestor: DomainName) -> Bool {
    var rest = folded[...]
    while rest.count > ancestor.folded.count, let length = rest.first {
      rest = rest.dropFirst(Int(length) + 1)
    }
    return rest.elementsEqual(ancestor.folded)
  }

  /// This name below `suffix`; nil where the two are too long together.
  package func below(_ suffix: DomainName) -> DomainName? {
    guard wire.count + suffix.wire.count <= Self.longestWire else { return nil }
    return DomainName(wire: wire + suffix.wire)
  }

  /// The name in lower case.
  package var lowercased: DomainName { DomainName(wire: folded) }
}

extension DomainName: Hashable {
  /// Compares without regard to the case of ASCII letters.
  package static func == (left: DomainName, right: DomainName) -> Bool {
    left.folded == right.folded
  }

  /// Hashes the name in lower case.
  package func hash(into hasher: inout Hasher) {
    // All bytes at once: an array would hash one after the other.
    hasher.combine(folded.count)
    folded.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}

extension DomainName: CustomStringConvertible {
  /// The name as a zone file writes it, without a final dot: `.` and `\` in a label after a
  /// backslash, bytes that are not visible ASCII as `\DDD` (RFC 1035 §5.1); `.` for the root.
  package var description: String {
    isRoot ? "." : String(decoding: dotted(Self.appendEscaped), as: UTF8.self)
  }

  private static func appendEscaped(_ byte: UInt8, to text: inout [UInt8]) {
    let backslash = UInt8(ascii: "\\")
    switch byte {
    case UInt8(ascii: "."), backslash, UInt8(ascii: "\""), UInt8(ascii: ";"):
      text += [backslash, byte]
    case 0x21...0x7E: text.append(byte)
    default:
      let zero = UInt8(ascii: "0")
      text += [backslash, zero + byte / 100, zero + byte / 10 % 10, zero + byte % 10]
    }
  }
}
