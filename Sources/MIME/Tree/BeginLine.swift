// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The line that begins a file inside text.
///
///     begin 644 name            uuencode
///     begin-base64 644 name     the same with base64 (POSIX uuencode -m)
///     begin  name               taken for uuencode by old programs
///     =ybegin line=128 size=9 name=the name
struct BeginLine {
  let line: Line
  let name: Range<Int>
  let encoding: TransferEncoding
  private let isYEnc: Bool
  /// Whether there is a mode, without which only data tells the line from prose.
  private let hasMode: Bool

  /// The begin line at `start`, nil when it is just text.
  init?(_ text: MessageBytes, at start: Int, in range: Range<Int>, _ ends: LineEnds) {
    line = text.line(at: start, in: range, ends)
    let bytes = text[line.content]
    isYEnc = bytes.first == 0x3D
    if isYEnc {
      encoding = .identity
      guard let name = Self.behind("name=", in: bytes) else { return nil }
      hasMode = true
      self.name = name..<line.content.upperBound
      return
    }
    let isBase64 = bytes.starts(with: "begin-base64".utf8)
    encoding = isBase64 ? .base64 : .uuencode
    let behind = bytes.dropFirst(isBase64 ? 12 : 5)
    guard behind.first?.isBlank == true else { return nil }
    let blanks = behind.prefix(while: \.isBlank)
    // POSIX asks for three or four octal digits; programs read on behind any number.
    let mode = behind[blanks.endIndex...].prefix { (0x30...0x39).contains($0) }
    let rest = behind[mode.endIndex...]
    hasMode = rest.first?.isBlank == true && !mode.isEmpty
    if (1...Self.longestMode).contains(mode.count), rest.first?.isBlank == true {
      name = rest.startIndex..<line.content.upperBound
    } else if !isBase64, blanks.count == 2, !behind[blanks.endIndex...].isEmpty {
      // Outlook Express before update 900930 takes a line without a mode too (Microsoft's article
      // 898124).
      name = blanks.endIndex..<line.content.upperBound
    } else {
      return nil
    }
  }

  private static let longestMode = 6

  /// Where the data that begins with this line ends, the line `end` included; nil when there is none,
  /// and the line is prose: `begin 100 days of code with example.com`.
  ///
  /// Without an end mark uuencoded data ends with the last line that can be data, everything else with
  /// the range.
  func endOfData(_ text: MessageBytes, _ range: Range<Int>, _ ends: LineEnds) -> Int? {
    let range = text.clamped(range)
    var data = UUDataFinder(mayBeEmpty: hasMode)
    var start = range.lowerBound
    while start < range.upperBound {
      let line = text.line(at: start, in: range, ends)
      let bytes = text[line.content]
      start = line.next
      if isYEnc {
        if bytes.starts(with: "=yend".utf8) { return line.next }
      } else if encoding == .base64 {
        if bytes.elementsEqual("====".utf8) { return line.next }
      } else if data.take(bytes, next: line.next) {
        return data.end
      }
    }
    return encoding == .uuencode ? data.end : range.upperBound
  }

  private static func behind(_ word: StaticString, in text: ArraySlice<UInt8>) -> Int? {
    let pattern = Array(word.description.utf8)
    var rest = text.prefix(1024)
    while let first = rest.firstIndex(of: pattern.first ?? 0) {
      if rest[first...].starts(with: pattern) { return first &+ pattern.count }
      rest = rest[(first &+ 1)...]
    }
    return nil
  }
}

/// Tells uuencoded data from prose, line by line (IEEE Std 1003.1, uuencode).
///
/// A line of data is a character that tells how many bytes the line has, and four for every three
/// bytes. Programs write these in the range without small letters; some read small letters as well,
/// so that lines that could be data only with them count where two follow one another. Programs read
/// past lines in between that are no data, up to the line `end`.
private struct UUDataFinder {
  /// Whether a file of no bytes counts.
  let mayBeEmpty: Bool
  /// Where the data ends as far as it was seen; nil while there is none.
  private(set) var end: Int?
  /// Whether there was any line but empty ones.
  private var hasBegun = false
  /// Whether the line before could be data in the wider sense.
  private var followsData = false

  init(mayBeEmpty: Bool) { self.mayBeEmpty = mayBeEmpty }

  /// Takes the next line; true when it is the end mark.
  mutating func take(_ line: ArraySlice<UInt8>, next: Int) -> Bool {
    guard let first = line.first else { return false }
    if line.starts(with: "end".utf8), line.dropFirst(3).allSatisfy(\.isSpace) {
      // Nothing between the two lines is a file of no bytes.
      guard end != nil || mayBeEmpty && !hasBegun else { return false }
      end = next
      return true
    }
    let kind = Self.kind(of: line, first)
    // The first line is where data is looked for: there it may have lost white space or got a sum.
    if kind == .exact || kind == .close && (!hasBegun || end != nil) || kind == .wide && followsData
      || kind == .empty && (!hasBegun || followsData)
    {
      end = next
    }
    hasBegun = true
    followsData = kind == .exact || kind == .wide
    return false
  }

  private enum Kind { case exact, close, wide, empty, prose }

  private static func kind(of line: ArraySlice<UInt8>, _ first: UInt8) -> Kind {
    if line.count == 1, first == 0x60 || first == 0x20 { return .empty }
    guard line.count > 2, line.count <= longest, (0x21...0x7E).contains(first),
      line.allSatisfy({ (0x20...0x7E).contains($0) })
    else { return .prose }
    let characters = (Int((first &- 0x20) & 0x3F) &+ 2) / 3 &* 4
    let distance = abs(line.count &- 1 &- characters)
    // Spaces at the end of a line are often lost, and sums are added.
    let tolerance = 4
    if line.allSatisfy({ $0 <= 0x60 }) {
      if distance == 0 { return .exact }
      return distance <= tolerance ? .close : .prose
    }
    return distance == 0 ? .wide : .prose
  }

  /// 63 bytes in four characters for three, the one before them, and some room.
  private static let longest = 96
}
