// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A contiguous piece of text: a message as it came, or what an encoded part of it decodes to.
///
/// Every position is checked: what lies outside reads as nothing.
package struct MessageBytes: Sendable, Equatable {
  /// The bytes, shared and not copied.
  package let bytes: [UInt8]

  /// Takes the bytes of a message.
  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// How many bytes there are.
  package var count: Int { bytes.count }

  /// The byte there, or nil outside.
  @inline(__always)
  package subscript(position: Int) -> UInt8? {
    position >= 0 && position < bytes.count ? bytes[position] : nil
  }

  /// The bytes of a range, as far as there are any.
  package subscript(range: Range<Int>) -> ArraySlice<UInt8> { bytes[clamped(range)] }

  /// The part of a range that is inside.
  package func clamped(_ range: Range<Int>) -> Range<Int> { range.clamped(to: 0..<bytes.count) }

  /// The range between two positions, empty when they are in the wrong order.
  static func range(_ from: Int, _ to: Int) -> Range<Int> { from..<max(from, to) }

  /// The first place of `byte` in a range.
  func firstIndex(of byte: UInt8, in range: Range<Int>) -> Int? {
    ByteLoops.firstIndex(of: byte, in: bytes, clamped(range))
  }

  /// The line that begins at `start`, up to the end of the range.
  func line(at start: Int, in range: Range<Int>, _ ends: LineEnds) -> Line {
    let limit = clamped(range).upperBound
    let start = min(start, limit)
    let last = Line(content: start..<limit, next: limit)
    switch ends {
    case .lf:
      guard let lf = firstIndex(of: 0x0A, in: start..<limit) else { return last }
      let hasReturn = lf > start && self[lf &- 1] == 0x0D
      return Line(content: start..<(hasReturn ? lf &- 1 : lf), next: lf &+ 1)
    case .crlf:
      var from = start
      while let lf = firstIndex(of: 0x0A, in: from..<limit) {
        if lf > start, self[lf &- 1] == 0x0D {
          return Line(content: start..<(lf &- 1), next: lf &+ 1)
        }
        from = lf &+ 1
      }
      return last
    case .any:
      // Byte by byte: looking for LF and CR each on its own would be quadratic without the other.
      var end = start
      while end < limit, let byte = self[end], byte != 0x0A, byte != 0x0D { end &+= 1 }
      guard end < limit else { return last }
      let isPair = self[end] == 0x0D && end &+ 1 < limit && self[end &+ 1] == 0x0A
      return Line(content: start..<end, next: end &+ (isPair ? 2 : 1))
    }
  }
}
