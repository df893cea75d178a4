// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Decodes the content of a part piece by piece, so that a large one never stands in memory twice.
package struct ContentDecoder {
  private let buffer: MessageBytes
  private let range: Range<Int>
  private let encoding: TransferEncoding
  private let lineEnds: LineEnds

  /// Whether base64 data stood behind padding; true only after decoding.
  package private(set) var hasDataBehindPadding = false

  /// Bytes of encoded text taken at once. A piece stays in the cache of one core between decoding it
  /// and looking at it.
  private static let step = 24 * 1024

  /// Decodes `range` of `buffer`, whose lines matter to uuencode.
  package init(
    _ buffer: MessageBytes, _ range: Range<Int>, _ encoding: TransferEncoding,
    _ lineEnds: LineEnds = .lf
  ) {
    self.buffer = buffer
    self.range = buffer.clamped(range)
    self.encoding = encoding
    self.lineEnds = lineEnds
  }

  /// Calls `take` with each piece of the content in order until it returns false.
  package mutating func decode(_ take: (ArraySlice<UInt8>) -> Bool) {
    switch encoding {
    case .identity: if !range.isEmpty { _ = take(buffer[range]) }
    case .base64, .base64UpToPadding: base64(take)
    case .quotedPrintable: quotedPrintable(take)
    case .uuencode: uuencode(take)
    }
  }

  /// The whole content, nil when it has more than `limit` bytes.
  package mutating func content(limit: Int) -> [UInt8]? {
    var content: [UInt8] = []
    content.reserveCapacity(min(limit, range.count))
    var isOver = false
    decode { piece in
      guard piece.count <= limit &- content.count else {
        isOver = true
        return false
      }
      content += piece
      return true
    }
    return isOver ? nil : content
  }

  private mutating func base64(_ take: (ArraySlice<UInt8>) -> Bool) {
    var decoder = Base64Decoder(stopsAtPadding: encoding == .base64UpToPadding)
    defer { hasDataBehindPadding = decoder.hasDataBehindPadding }
    var output = [UInt8](repeating: 0, count: Base64Decoder.room(for: min(Self.step, range.count)))
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start &+ Self.step, range.upperBound)
      let written = decoder.decode(buffer.bytes, start..<end, into: &output)
      guard written == 0 || take(output[..<written]) else { return }
      start = end
    }
    let written = decoder.finish(into: &output)
    if written > 0 { _ = take(output[..<written]) }
  }

  private func quotedPrintable(_ take: (ArraySlice<UInt8>) -> Bool) {
    var output = [UInt8](repeating: 0, count: min(Self.step, range.count))
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start &+ Self.step, range.upperBound)
      let (written, next) = QuotedPrintable.decode(
        buffer.bytes, start..<end, isLast: end == range.upperBound, into: &output)
      guard written == 0 || take(output[..<written]) else { return }
      guard next > start else { return }
      start = next
    }
  }

  private func uuencode(_ take: (ArraySlice<UInt8>) -> Bool) {
    var start = range.lowerBound
    var output: [UInt8] = []
    var hasBegun = false
    while start < range.upperBound {
      let line = buffer.line(at: start, in: range, lineEnds)
      start = line.next
      let text = buffer[line.content]
      if !hasBegun, text.starts(with: "begin".utf8) {
        // What stood before was no data.
        hasBegun = true
        output = []
        continue
      }
      if text.elementsEqual("end".utf8) { break }
      Self.decodeUULine(text, into: &output)
      if output.count >= Self.step, hasBegun {
        guard take(output[...]) else { return }
        output.removeAll(keepingCapacity: true)
      }
    }
    if !output.isEmpty { _ = take(output[...]) }
  }

  /// A line of uuencoded data: its length, then four characters for three bytes.
  private static func decodeUULine(_ line: ArraySlice<UInt8>, into output: inout [UInt8]) {
    guard let first = line.first, (0x20...0x60).contains(first) else { return }
    let length = Int((first &- 0x20) & 0x3F)
    let start = output.count
    var bits: UInt32 = 0
    var digits = 0
    for byte in line.dropFirst() {
      bits = bits << 6 | UInt32((byte &- 0x20) & 0x3F)
      digits &+= 1
      guard digits == 4 else { continue }
      for shift in [UInt32(16), 8, 0] where output.count &- start < length {
        output.append(UInt8(truncatingIfNeeded: bits >> shift))
      }
      bits = 0
      digits = 0
      if output.count &- start >= length { return }
    }
    // Spaces at the end of a line are often lost.
    guard digits > 0 else { return }
    bits <<= 6 &* UInt32(4 &- digits)
    for shift in [UInt32(16), 8, 0] where output.count &- start < length {
      output.append(UInt8(truncatingIfNeeded: bits >> shift))
    }
  }
}
