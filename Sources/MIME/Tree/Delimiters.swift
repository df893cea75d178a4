// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A delimiter line of a multipart (RFC 2046 §5.1.1).
struct Delimiter: Equatable {
  /// Where the line begins.
  var line: Int
  /// Where the part before it ends: the line end before the delimiter belongs to the delimiter.
  var before: Int
  /// Where the next line begins.
  var next: Int
  /// Whether it closes the multipart.
  var isClosing: Bool
  /// Whether nothing but white space follows the boundary.
  var isExact: Bool
}

/// One part between delimiters.
struct Section: Equatable {
  var range: Range<Int>
  var outer: Range<Int>
}

/// A body split by a boundary.
struct Split: Equatable {
  var sections: [Section] = []
  var hasEnd = false
  /// Whether parts follow behind the closing delimiter.
  var hasPartsBehindEnd = false
  /// Text before the first and behind the closing delimiters.
  var outside: [Range<Int>] = []

  // RFC 2046 §5.1.1: multipart-body := [preamble CRLF] dash-boundary ... close-delimiter ... epilogue.
  /// Splits a range at delimiters, which stand in it in order. Most programs ignore what stands
  /// behind the closing delimiter; some read on at the next one. Sections behind the first `most` are
  /// left out.
  init(_ delimiters: [Delimiter], in range: Range<Int>, most: Int) {
    var outsideStart: Int? = range.lowerBound
    for (index, delimiter) in delimiters.enumerated() {
      if let start = outsideStart { outside.append(MessageBytes.range(start, delimiter.line)) }
      outsideStart = nil
      if delimiter.isClosing {
        hasEnd = true
        outsideStart = delimiter.next
        continue
      }
      if hasEnd { hasPartsBehindEnd = true }
      guard sections.count < most else { continue }
      let following = delimiters.dropFirst(index &+ 1).first
      let end = following?.before ?? range.upperBound
      sections.append(
        Section(
          range: MessageBytes.range(delimiter.next, end),
          outer: MessageBytes.range(delimiter.line, following?.line ?? range.upperBound)))
    }
    if let start = outsideStart { outside.append(MessageBytes.range(start, range.upperBound)) }
  }
}

/// Finds the delimiters of one body.
struct DelimiterFinder {
  let buffer: MessageBytes
  let ends: LineEnds
  let range: Range<Int>
  /// The lines of the range that begin with two hyphens.
  let candidates: ArraySlice<Int>

  /// The bytes that looking for a boundary comes to: at most so many of each line, and no more than
  /// there are.
  func cost(of boundary: [UInt8]) -> Int {
    let (bytes, isHuge) = candidates.count.multipliedReportingOverflow(by: boundary.count)
    return candidates.count &* 16 &+ min(isHuge ? Int.max : bytes, range.count)
  }

  /// All lines that begin with two hyphens and the boundary; if it is empty, those that have nothing
  /// but the hyphens of a delimiter.
  func delimiters(_ boundary: [UInt8]) -> [Delimiter] {
    candidates.compactMap { start in
      let text = MessageBytes.range(start &+ 2, start &+ 2 &+ boundary.count)
      guard text.upperBound <= range.upperBound, buffer[text].elementsEqual(boundary) else {
        return nil
      }
      let line = buffer.line(at: start, in: range, ends)
      guard text.upperBound <= line.content.upperBound else { return nil }
      var rest = buffer[text.upperBound..<line.content.upperBound]
      let isClosing = rest.starts(with: [0x2D, 0x2D])
      if isClosing { rest = rest.dropFirst(2) }
      let isExact = rest.allSatisfy(\.isSpace)
      guard isExact || !boundary.isEmpty else { return nil }
      return Delimiter(
        line: start, before: endOfLine(before: start), next: line.next, isClosing: isClosing,
        isExact: isExact)
    }
  }

  /// A boundary that nobody declared: what the first line with two hyphens has, behind which a field
  /// of MIME stands. Some programs look for that where the boundary is missing or wrong.
  func guess() -> [UInt8]? {
    for start in candidates.prefix(16) {
      let line = buffer.line(at: start, in: range, ends)
      var text = buffer[line.content].dropFirst(2).prefix(256)
      while text.last?.isSpace == true { text = text.dropLast() }
      guard !text.isEmpty else { continue }
      let next = buffer[buffer.line(at: line.next, in: range, ends).content].prefix(80)
      guard let colon = next.firstIndex(of: 0x3A) else { continue }
      if ContentFieldName(next[..<colon].trimmed) != nil { return Array(text) }
    }
    return nil
  }

  private func endOfLine(before start: Int) -> Int {
    guard start > range.lowerBound else { return range.lowerBound }
    let last = start &- 1
    // The line end is an LF, a CR, or both.
    if buffer[last] == 0x0A, last > range.lowerBound, buffer[last &- 1] == 0x0D { return last &- 1 }
    return last
  }
}
