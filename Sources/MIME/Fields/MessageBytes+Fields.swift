// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension MessageBytes {
  /// All fields of a header, top first, as an MTA sees them; what is no field is left out.
  ///
  /// Every field is listed, however many there are: a header that a milter gets is bounded already.
  package func fields(in header: Range<Int>, _ ends: LineEnds = .lf) -> [FieldPosition] {
    let reader = HeaderReader(buffer: self, ends: ends, limits: MIMELimits())
    var fields: [FieldPosition] = []
    var isContinuing = false
    var start = clamped(header).lowerBound
    while start < clamped(header).upperBound {
      let line = line(at: start, in: header, ends)
      defer { start = line.next }
      if self[line.content.lowerBound]?.isBlank == true {
        guard isContinuing, let last = fields.popLast() else { continue }
        fields.append(
          FieldPosition(
            name: last.name, value: last.value.lowerBound..<line.content.upperBound,
            whole: last.whole.lowerBound..<line.next))
      } else if let field = reader.field(on: line) {
        fields.append(field)
        isContinuing = true
      } else {
        isContinuing = false
      }
    }
    return fields
  }
}
