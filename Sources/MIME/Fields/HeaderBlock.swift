// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The header of a part as one mail program may see it.
struct HeaderBlock: Equatable {
  /// The lines of the header, without the empty line behind them.
  var range: Range<Int>
  /// Where the body begins.
  var bodyStart: Int
  /// The fields that describe the content, top first.
  var fields: [ContentField] = []
  /// What makes this reading differ from the first, nil for the first.
  var ambiguity: Ambiguity?
  /// The limit that cut the list of fields short.
  var limit: MIMELimit?
}

/// Reads headers in all the ways that mail programs do.
struct HeaderReader {
  let buffer: MessageBytes
  let ends: LineEnds
  let limits: MIMELimits
  /// Fields that describe content that are kept.
  let mostFields: Int

  /// Reads headers in a text; `room` is for how many fields there is still room.
  init(buffer: MessageBytes, ends: LineEnds, limits: MIMELimits, room: Int = Int.max) {
    self.buffer = buffer
    self.ends = ends
    self.limits = limits
    mostFields = min(limits.namesPerPart, room)
  }

  /// The header at the start of `part` in every reading, the commonest first; never empty.
  ///
  /// A line that is no field is skipped by most programs, ends the header for some. A line of white
  /// space only continues a field for most, ends the header for some. Empty lines before the first
  /// field end the header for most, are skipped by some.
  func readings(of part: Range<Int>) -> [HeaderBlock] {
    let part = buffer.clamped(part)
    let (first, junk, blank) = read(part)
    var readings = [first]
    for (cut, ambiguity) in [(junk, Ambiguity.junkInHeader), (blank, .blankLineInHeader)] {
      guard let cut else { continue }
      let fields = first.fields.filter { $0.position.whole.lowerBound < cut.line }.map {
        var field = $0
        // A field that the line of white space continued ends before it.
        field.position.whole = MessageBytes.range(
          field.position.whole.lowerBound, min(field.position.whole.upperBound, cut.line))
        field.position.value = MessageBytes.range(
          field.position.value.lowerBound, min(field.position.value.upperBound, cut.line))
        return field
      }
      readings.append(
        HeaderBlock(
          range: part.lowerBound..<cut.line, bodyStart: cut.body, fields: fields,
          ambiguity: ambiguity, limit: first.limit))
    }
    if first.range.isEmpty, let late = headerBehindEmptyLines(part, first.bodyStart) {
      readings.append(late)
    }
    return readings
  }

  /// Where a reading ends the header early: the line there, and where its body begins.
  private struct Cut {
    var line: Int
    var body: Int
  }

  /// Reads up to the first empty line, past all that is no field.
  private func read(_ part: Range<Int>) -> (HeaderBlock, junk: Cut?, blank: Cut?) {
    var block = HeaderBlock(range: part.lowerBound..<part.lowerBound, bodyStart: part.upperBound)
    var junk: Cut?
    var blank: Cut?
    var isContinuing = false
    var isMIME = false
    var start = part.lowerBound
    while start < part.upperBound {
      let line = buffer.line(at: start, in: part, ends)
      defer { start = line.next }
      if line.content.isEmpty {
        block.range = part.lowerBound..<start
        block.bodyStart = line.next
        return (block, junk, blank)
      }
      guard line.next &- part.lowerBound <= limits.headerBytes else {
        block.limit = .header
        return (finding(theEndOf: block, from: line.next, part), junk, blank)
      }
      if buffer[line.content.lowerBound]?.isBlank == true {
        if blank == nil, buffer[line.content].allSatisfy(\.isBlank) {
          blank = Cut(line: start, body: line.next)
        }
        if isContinuing, isMIME { block.extendLastField(line) }
        continue
      }
      guard let position = field(on: line) else {
        // The line that mbox files and some gateways put before a message is skipped by all.
        let isEnvelope = start == part.lowerBound && isEnvelopeLine(line)
        if junk == nil, !isEnvelope { junk = Cut(line: start, body: start) }
        isContinuing = false
        continue
      }
      isContinuing = true
      let name = ContentFieldName(buffer[position.name])
      isMIME = name != nil
      guard let name else { continue }
      if block.fields.count < mostFields {
        block.fields.append(ContentField(name: name, position: position))
      } else {
        block.limit = .names
        isMIME = false
      }
    }
    block.range = part
    return (block, junk, blank)
  }

  /// The block with the end that the header has beyond its limit.
  private func finding(
    theEndOf block: HeaderBlock, from start: Int, _ part: Range<Int>
  ) -> HeaderBlock {
    var block = block
    var start = start
    while start < part.upperBound {
      let line = buffer.line(at: start, in: part, ends)
      if line.content.isEmpty {
        block.range = part.lowerBound..<start
        block.bodyStart = line.next
        return block
      }
      start = line.next
    }
    block.range = part
    return block
  }

  // RFC 5322 §2.2: field-name ":" field-body; §4.5 (obsolete) white space before the colon.
  /// The field that begins on a line, nil when none can.
  func field(on line: Line) -> FieldPosition? {
    var end = line.content.lowerBound
    // Names are short; a long line without a colon shall not be searched whole for one.
    while end < line.content.upperBound, let byte = buffer[end], byte > 0x20, byte != 0x3A,
      byte != 0x7F
    {
      end &+= 1
    }
    guard end > line.content.lowerBound else { return nil }
    var colon = end
    while colon < line.content.upperBound, buffer[colon]?.isBlank == true { colon &+= 1 }
    guard colon < line.content.upperBound, buffer[colon] == 0x3A else { return nil }
    return FieldPosition(
      name: line.content.lowerBound..<end, value: (colon &+ 1)..<line.content.upperBound,
      whole: line.content.lowerBound..<line.next)
  }

  private func isEnvelopeLine(_ line: Line) -> Bool {
    let text = buffer[line.content]
    return text.starts(with: "From ".utf8) || text.starts(with: ">From ".utf8)
  }

  /// The header that some programs see behind empty lines: only where fields of MIME stand in it,
  /// else every text that begins with a word and a colon would have one.
  private func headerBehindEmptyLines(_ part: Range<Int>, _ bodyStart: Int) -> HeaderBlock? {
    var start = bodyStart
    while start < part.upperBound {
      let line = buffer.line(at: start, in: part, ends)
      if !line.content.isEmpty {
        guard field(on: line) != nil else { return nil }
        break
      }
      start = line.next
    }
    guard start < part.upperBound else { return nil }
    var (block, _, _) = read(start..<part.upperBound)
    guard !block.fields.isEmpty || block.limit != nil else { return nil }
    block.ambiguity = .headerBehindEmptyLines
    block.range = part.lowerBound..<block.range.upperBound
    return block
  }
}

extension HeaderBlock {
  /// Takes a continuation line into the last field.
  fileprivate mutating func extendLastField(_ line: Line) {
    guard let last = fields.indices.last else { return }
    let position = fields[last].position
    fields[last].position.value = position.value.lowerBound..<line.content.upperBound
    fields[last].position.whole = position.whole.lowerBound..<line.next
  }
}
