// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// The loops over every byte of a message. This is the one file of the target that touches raw
/// memory; whatever positions come in are clamped to the memory that is there.
enum ByteLoops {
  /// The first place of `byte` in a range.
  static func firstIndex(of byte: UInt8, in bytes: [UInt8], _ range: Range<Int>) -> Int? {
    let range = range.clamped(to: 0..<bytes.count)
    return bytes.withUnsafeBytes { memory in
      guard let base = memory.baseAddress, !range.isEmpty,
        let found = memchr(base + range.lowerBound, Int32(byte), range.count)
      else { return nil }
      return base.distance(to: UnsafeRawPointer(found))
    }
  }

  /// How many CR there are, and how many of them have an LF behind them.
  static func returns(in bytes: [UInt8]) -> (all: Int, beforeFeed: Int) {
    bytes.withUnsafeBytes { memory in
      guard let base = memory.baseAddress else { return (0, 0) }
      var all = 0
      var beforeFeed = 0
      var from = 0
      while from < memory.count, let found = memchr(base + from, 0x0D, memory.count &- from) {
        from = base.distance(to: UnsafeRawPointer(found)) &+ 1
        all &+= 1
        if from < memory.count, memory[from] == 0x0A { beforeFeed &+= 1 }
      }
      return (all, beforeFeed)
    }
  }

  /// Calls `note` with the start of each line that begins with two hyphens (true), or with what can
  /// begin a file inside text (false); gives the number of LF.
  static func forEachStructuralLine(
    in bytes: [UInt8], _ ends: LineEnds, note: (_ start: Int, _ isHyphens: Bool) -> Void
  ) -> Int {
    bytes.withUnsafeBytes { memory in
      guard let base = memory.baseAddress else { return 0 }
      var feeds = 0
      let count = memory.count
      func look(_ start: Int) {
        guard start &+ 2 <= count else { return }
        let first = memory[start]
        if first == 0x2D {
          if memory[start &+ 1] == 0x2D { note(start, true) }
        } else if first == 0x62 || first == 0x3D {
          if starts(memory, at: start, first == 0x62 ? "begin" : "=ybegin ") { note(start, false) }
        }
      }
      look(0)
      if ends == .any {
        for index in 0..<count where memory[index] == 0x0A || memory[index] == 0x0D {
          if memory[index] == 0x0A { feeds &+= 1 }
          look(index &+ 1)
        }
        return feeds
      }
      var from = 0
      while from < count, let found = memchr(base + from, 0x0A, count &- from) {
        from = base.distance(to: UnsafeRawPointer(found)) &+ 1
        feeds &+= 1
        if ends == .crlf, from < 2 || memory[from &- 2] != 0x0D { continue }
        look(from)
      }
      return feeds
    }
  }

  private static func starts(
    _ memory: UnsafeRawBufferPointer, at start: Int, _ text: StaticString
  ) -> Bool {
    guard let base = memory.baseAddress, memory.count &- start >= text.utf8CodeUnitCount else {
      return false
    }
    return memcmp(base + start, text.utf8Start, text.utf8CodeUnitCount) == 0
  }
}

// MARK: - Base64

/// Decodes base64 piece by piece.
struct Base64Decoder {
  /// Whether the data ends at the first padding, as some programs have it.
  let stopsAtPadding: Bool
  /// Whether data stood behind padding.
  private(set) var hasDataBehindPadding = false
  private var hasPadding = false
  private var isFinished = false
  private var bits: UInt32 = 0
  private var digits = 0

  init(stopsAtPadding: Bool) { self.stopsAtPadding = stopsAtPadding }

  /// How much room the decoded form of `count` bytes takes at most.
  static func room(for count: Int) -> Int { count / 4 &* 3 &+ 16 }

  /// Decodes all of `range` into the start of `output`, which must have the room; gives the number
  /// of bytes written.
  ///
  /// What is not in the alphabet is skipped (RFC 2045 §6.8). Padding ends a group of four and, for
  /// most programs, not the data.
  mutating func decode(_ bytes: [UInt8], _ range: Range<Int>, into output: inout [UInt8]) -> Int {
    let range = range.clamped(to: 0..<bytes.count)
    guard output.count >= Self.room(for: range.count) else { return 0 }
    return bytes.withUnsafeBytes { input in
      output.withUnsafeMutableBytes { output in
        Self.table.withUnsafeBufferPointer { table in
          run(UnsafeRawBufferPointer(rebasing: input[range]), output, table)
        }
      }
    }
  }

  /// Writes the bytes of a group that the end of the data cut short.
  mutating func finish(into output: inout [UInt8]) -> Int {
    output.withUnsafeMutableBytes { output in
      var written = 0
      flush(output, &written)
      return written
    }
  }

  private mutating func run(
    _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer,
    _ table: UnsafeBufferPointer<UInt32>
  ) -> Int {
    var at = 0
    var written = 0
    while at < input.count, !isFinished {
      if digits == 0 {
        let before = written
        while at &+ 8 <= input.count {
          let first = Self.group(input, at, table)
          let second = Self.group(input, at &+ 4, table)
          if (first | second) & Self.bad != 0 { break }
          let six = UInt64(first) << 40 | UInt64(second) << 16
          output.storeBytes(of: six.bigEndian, toByteOffset: written, as: UInt64.self)
          written &+= 6
          at &+= 8
        }
        if at &+ 4 <= input.count {
          let group = Self.group(input, at, table)
          if group & Self.bad == 0 {
            output.storeBytes(of: (group << 8).bigEndian, toByteOffset: written, as: UInt32.self)
            written &+= 3
            at &+= 4
          }
        }
        if hasPadding, written > before { hasDataBehindPadding = true }
        guard at < input.count else { break }
      }
      takeOne(input[at], table, output, &written)
      at &+= 1
    }
    return written
  }

  @inline(__always)
  private mutating func takeOne(
    _ byte: UInt8, _ table: UnsafeBufferPointer<UInt32>, _ output: UnsafeMutableRawBufferPointer,
    _ written: inout Int
  ) {
    let value = table[Int(byte) &+ 768]
    if value & Self.bad == 0 {
      if hasPadding { hasDataBehindPadding = true }
      bits = bits << 6 | value
      digits &+= 1
      if digits == 4 { flush(output, &written) }
    } else if byte == UInt8(ascii: "="), digits >= 2 {
      flush(output, &written)
      hasPadding = true
      isFinished = stopsAtPadding
    }
  }

  /// Writes the whole bytes of the digits that wait.
  private mutating func flush(_ output: UnsafeMutableRawBufferPointer, _ written: inout Int) {
    let group = bits << (6 &* UInt32(truncatingIfNeeded: max(0, 4 &- digits)))
    let count = digits == 4 ? 3 : max(0, digits &- 1)
    for index in 0..<count where written < output.count {
      output[written] = UInt8(truncatingIfNeeded: group >> (16 &- 8 &* UInt32(index)))
      written &+= 1
    }
    bits = 0
    digits = 0
  }

  @inline(__always)
  private static func group(
    _ input: UnsafeRawBufferPointer, _ at: Int, _ table: UnsafeBufferPointer<UInt32>
  ) -> UInt32 {
    // The table has 1024 entries, four times 256: no byte is outside.
    table[Int(input[at])] | table[Int(input[at &+ 1]) &+ 256]
      | table[Int(input[at &+ 2]) &+ 512] | table[Int(input[at &+ 3]) &+ 768]
  }

  private static let bad: UInt32 = 0x8000_0000

  /// The value of each byte as first, second, third and fourth digit of a group.
  private static let table: [UInt32] = [18, 12, 6, 0].flatMap { (shift: UInt32) in
    (UInt8.min ... .max).map { byte in
      Base64Alphabet.value(of: byte).map { UInt32($0) << shift } ?? bad
    }
  }
}

// MARK: - Quoted-printable

/// Decodes quoted-printable (RFC 2045 §6.7).
enum QuotedPrintable {
  /// Decodes `range` into the start of `output`, which must be as long as the range; gives the
  /// number of bytes written and where it stopped.
  ///
  /// An escape that the end of the range cuts is left for the next call unless `isLast`. An equals
  /// sign that begins no escape stays.
  static func decode(
    _ bytes: [UInt8], _ range: Range<Int>, isLast: Bool, into output: inout [UInt8]
  ) -> (written: Int, end: Int) {
    let range = range.clamped(to: 0..<bytes.count)
    guard output.count >= range.count else { return (0, range.lowerBound) }
    return bytes.withUnsafeBytes { input in
      output.withUnsafeMutableBytes { output in
        guard let from = input.baseAddress, let to = output.baseAddress else {
          return (0, range.upperBound)
        }
        var at = range.lowerBound
        var written = 0
        while at < range.upperBound {
          let left = range.upperBound &- at
          let found = memchr(from + at, 0x3D, left)
          let plain = found.map { from.distance(to: UnsafeRawPointer($0)) &- at } ?? left
          memcpy(to + written, from + at, plain)
          written &+= plain
          at &+= plain
          guard at < range.upperBound else { break }
          switch escape(bytes, at, range.upperBound) {
          case .byte(let value):
            output[written] = value
            written &+= 1
            at &+= 3
          case .softBreak(let next): at = next
          case .cut where !isLast && at > range.lowerBound: return (written, at)
          case .cut, .none:
            output[written] = 0x3D
            written &+= 1
            at &+= 1
          }
        }
        return (written, at)
      }
    }
  }

  private enum Escape {
    case byte(UInt8)
    case softBreak(next: Int)
    case cut, none
  }

  /// What the equals sign at `at` begins.
  private static func escape(_ bytes: [UInt8], _ at: Int, _ end: Int) -> Escape {
    let rest = bytes[(at &+ 1)..<max(at &+ 1, end)]
    if let value = HexDigits.value(rest) { return .byte(value) }
    // White space between the sign and the line end is transport padding.
    let blanks = rest.prefix(1000).prefix(while: \.isBlank).count
    let behind = rest.dropFirst(blanks)
    switch behind.first {
    case 0x0A: return .softBreak(next: behind.startIndex &+ 1)
    case 0x0D:
      guard let next = behind.dropFirst().first else { return .cut }
      return .softBreak(next: behind.startIndex &+ (next == 0x0A ? 2 : 1))
    case nil: return .cut
    default: return rest.count < 2 ? .cut : .none
    }
  }
}
