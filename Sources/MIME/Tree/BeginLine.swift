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
  /// Whether the line has what its format asks for. Outlook Express before update 900930 takes one
  /// without a mode too (Microsoft's article 898124), and so makes a file of the words behind
  /// "begin  " in prose: of such a line it is the data that counts.
  let isComplete: Bool
  private let isYEnc: Bool

  /// The begin line at `start`, nil when it is just text.
  init?(_ text: MessageBytes, at start: Int, in range: Range<Int>, _ ends: LineEnds) {
    line = text.line(at: start, in: range, ends)
    let bytes = text[line.content]
    isYEnc = bytes.first == 0x3D
    if isYEnc {
      encoding = .identity
      guard let name = Self.behind("name=", in: bytes) else { return nil }
      isComplete = true
      self.name = name..<line.content.upperBound
      return
    }
    let isBase64 = bytes.starts(with: "begin-base64".utf8)
    encoding = isBase64 ? .base64 : .uuencode
    let behind = bytes.dropFirst(isBase64 ? 12 : 5)
    guard behind.first?.isBlank == true else { return nil }
    let blanks = behind.prefix(while: \.isBlank)
    let mode = behind[blanks.endIndex...].prefix { (0x30...0x37).contains($0) }
    let rest = behind[mode.endIndex...]
    if (3...6).contains(mode.count), rest.first?.isBlank == true {
      name = rest.startIndex..<line.content.upperBound
      isComplete = true
    } else if !isBase64, blanks.count == 2, !behind[blanks.endIndex...].isEmpty {
      name = blanks.endIndex..<line.content.upperBound
      isComplete = false
    } else {
      return nil
    }
  }

  /// Where the data that begins with this line ends, the line `end` included.
  func endOfData(_ text: MessageBytes, _ range: Range<Int>, _ ends: LineEnds) -> Int {
    let range = text.clamped(range)
    var start = range.lowerBound
    while start < range.upperBound {
      let line = text.line(at: start, in: range, ends)
      let bytes = text[line.content]
      let isEnd =
        if isYEnc {
          bytes.starts(with: "=yend".utf8)
        } else if encoding == .base64 {
          bytes.elementsEqual("====".utf8)
        } else {
          bytes.starts(with: "end".utf8) && bytes.dropFirst(3).allSatisfy(\.isSpace)
        }
      if isEnd { return line.next }
      start = line.next
    }
    return range.upperBound
  }

  /// Whether any line of a range can be uuencoded data: prose has small letters, which that does not.
  func holdsData(_ text: MessageBytes, _ range: Range<Int>, _ ends: LineEnds) -> Bool {
    let range = text.clamped(range)
    var start = range.lowerBound
    while start < range.upperBound {
      let line = text.line(at: start, in: range, ends)
      if Self.isData(text[line.content]) { return true }
      start = line.next
    }
    return false
  }

  // IEEE Std 1003.1, uuencode: a character that tells how many bytes the line has, then four for
  // every three bytes.
  /// Programs forgive white space that is lost at the end of a line, and a sum added there.
  private static func isData(_ line: ArraySlice<UInt8>) -> Bool {
    guard let first = line.first, (0x21...0x5F).contains(first) else { return false }
    let characters = (Int(first) &- 0x20 &+ 2) / 3 &* 4
    let tolerance = 4
    return line.count > 2 && abs(line.count &- 1 &- characters) <= tolerance
      && line.allSatisfy { (0x20...0x60).contains($0) }
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
