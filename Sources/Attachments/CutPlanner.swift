// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import MIME

/// Says which bytes have to change for a part to go.
struct CutPlanner {
  let tree: MIMETree
  let lineEnd: [UInt8]

  /// The bytes that go and what takes their place; `removed` are the parts that go already.
  func splice(
    for part: MIMEPart, _ treatment: Surgery.Treatment, removed: Set<Int>
  ) -> Splice {
    switch (part.kind, part.outer, treatment) {
    case (.embedded, _, .replace(let notice)):
      return Splice(buffer: part.buffer, range: part.range, bytes: notice.inline(lineEnd))
    case (.embedded, _, .remove):
      return Splice(buffer: part.buffer, range: part.range, bytes: [])
    case (_, let outer?, .remove) where hasSiblings(part, removed):
      return Splice(buffer: part.buffer, range: outer, bytes: [])
    case (_, let outer?, _):
      return Splice(
        buffer: part.buffer, range: part.range,
        bytes: self.part(notice(treatment)) + missingLineEnd(part, outer))
    case (_, nil, _):
      return Splice(
        buffer: part.buffer, range: part.range, bytes: message(part, notice(treatment)))
    }
  }

  private func notice(_ treatment: Surgery.Treatment) -> Notice {
    guard case .replace(let notice) = treatment else { return Notice("") }
    return notice
  }

  /// Whether something is left of the multipart when the part is taken out.
  private func hasSiblings(_ part: MIMEPart, _ removed: Set<Int>) -> Bool {
    guard let parent = part.parent.flatMap({ tree[$0] }) else { return false }
    // Parts go from the first to the last: what is left is found soonest from the end.
    return parent.children.reversed().contains { id in
      guard let sibling = tree[id], sibling.outer != nil, sibling.outer != part.outer else {
        return false
      }
      return !removed.contains(id)
    }
  }

  /// A part of a multipart that holds the notice.
  private func part(_ notice: Notice) -> [UInt8] {
    fields(notice) + lineEnd + notice.body(lineEnd)
  }

  private func fields(_ notice: Notice) -> [UInt8] {
    notice.fields.flatMap { Array($0.utf8) + lineEnd }
  }

  /// Two delimiters that follow one another have one line end between them; a part in between needs
  /// its own.
  private func missingLineEnd(_ part: MIMEPart, _ outer: Range<Int>) -> [UInt8] {
    let isBeforeDelimiter = tree.buffer(of: part)[outer.upperBound] != nil
    return part.range.upperBound == outer.upperBound && isBeforeDelimiter ? lineEnd : []
  }

  /// The message or nested message with the header fields that are not about content, and the notice
  /// as its body.
  private func message(_ part: MIMEPart, _ notice: Notice) -> [UInt8] {
    let text = tree.buffer(of: part)
    let end = headerEnd(part)
    var header: [UInt8] = []
    var at = part.header.lowerBound
    for field in contentFields(part, before: end) {
      header += text[at..<max(at, field.lowerBound)]
      // A bare return before what goes would make an empty line of the next line end; an MTA does
      // not keep it in a field that it changes.
      while header.last == 0x0D { header.removeLast() }
      at = max(at, min(field.upperBound, end))
    }
    header += text[at..<max(at, end)]
    while header.last == 0x0D { header.removeLast() }
    if !header.isEmpty, header.last != 0x0A { header += lineEnd }
    let body = notice.body(lineEnd)
    let needsEnd = text[part.body].last == 0x0A && body.last != 0x0A
    return header + fields(notice) + lineEnd + body + (needsEnd ? lineEnd : [])
  }

  /// Where what stays of the header ends: in the message itself no later than its header ends for an
  /// MTA, which could not delete what a reading takes for fields behind that.
  private func headerEnd(_ part: MIMEPart) -> Int {
    guard part.parent == nil else { return part.header.upperBound }
    let header = MIMETree.split(tree.buffer(of: part).bytes).header
    return min(header.upperBound, part.header.upperBound)
  }

  /// The fields about content, in order: those of the part's reading, and of the message itself those
  /// that the MTA sees too, which it changes as a whole.
  private func contentFields(_ part: MIMEPart, before end: Int) -> [Range<Int>] {
    var fields = part.fields.map(\.position.whole)
    if part.parent == nil {
      let text = tree.buffer(of: part)
      fields += text.fields(in: MIMETree.split(text.bytes).header)
        .filter { ContentFieldName(text[$0.name]) != nil }
        .map(\.whole)
    }
    return fields.filter { $0.lowerBound < end }.sorted { $0.lowerBound < $1.lowerBound }
  }
}
