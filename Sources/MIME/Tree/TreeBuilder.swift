// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Builds the tree of a message with a stack of its own: however deep a message nests, the call
/// depth stays the same.
struct TreeBuilder {
  var texts: TreeTexts
  private(set) var parts: [MIMEPart] = []
  let limits: MIMELimits
  private var pending: [PendingPart] = []
  /// The most that `pending` held.
  private(set) var mostPending = 0
  private var groups = 0

  init(message: MessageBytes, limits: MIMELimits) {
    texts = TreeTexts(message: message, limits: limits)
    self.limits = limits
  }

  mutating func build() {
    let whole = 0..<texts[0].count
    // The last one pushed is read first.
    for (reading, ends) in texts.lineEnds(0).enumerated().reversed() {
      pending.append(
        PendingPart(
          range: whole, buffer: 0, ends: ends, reading: reading,
          difference: reading == 0 ? nil : .lineEnds))
    }
    while let next = pending.popLast() {
      defer { dropUnreachable() }
      if let limit = limit(for: next) {
        note(.notInspected(limit), on: next.parent ?? 0)
      } else if next.isEmbedded {
        addEmbedded(next)
      } else {
        read(next)
      }
    }
  }

  /// The limit that forbids to read the part.
  private func limit(for part: PendingPart) -> MIMELimit? {
    if parts.isEmpty { return nil }
    if part.depth > limits.depth { return .depth }
    if parts.count >= limits.parts { return .parts }
    return texts.isExhausted ? .work : nil
  }

  /// Forgets what would be read so late that there can be no more parts by then: each part on the
  /// stack makes one at least. Parts within parts would heap up all delimiters for each level.
  private mutating func dropUnreachable() {
    mostPending = max(mostPending, pending.count)
    guard pending.count > limits.parts, pending.count / 2 > limits.parts else { return }
    for part in pending.prefix(pending.count &- limits.parts) {
      note(.notInspected(.parts), on: part.parent ?? 0)
    }
    pending.removeFirst(pending.count &- limits.parts)
  }

  private mutating func note(_ finding: PartFinding, on id: Int) {
    guard parts.indices.contains(id) else { return }
    parts[id].note(finding)
  }

  /// Adds all readings of one part to the tree and puts what is in them on the stack.
  private mutating func read(_ pending: PendingPart) {
    var reader = PartReader(part: pending, limits: limits)
    reader.read(&texts)
    groups &+= 1
    var ids: [Int] = []
    for (index, interpretation) in reader.interpretations.enumerated() {
      guard parts.isEmpty || parts.count < limits.parts else {
        note(.notInspected(.parts), on: ids.first ?? 0)
        break
      }
      ids.append(add(interpretation, pending, index))
    }
    for finding in reader.findings { note(finding, on: ids.first ?? 0) }
    // The first reading is put on last, and so read first.
    for (id, interpretation) in zip(ids, reader.interpretations).reversed() {
      pushChildren(of: interpretation, id)
    }
  }

  private mutating func add(
    _ interpretation: Interpretation, _ pending: PendingPart, _ index: Int
  ) -> Int {
    let id = parts.count
    let header = interpretation.header
    var part = MIMEPart(
      id: id, parent: pending.parent, depth: pending.depth, buffer: pending.buffer,
      range: pending.range, outer: pending.outer, header: header.range,
      body: MessageBytes.range(header.bodyStart, pending.range.upperBound),
      fields: header.fields, type: interpretation.type, hasType: interpretation.hasType,
      encoding: interpretation.encoding, lineEnds: pending.ends, names: interpretation.names,
      kind: .leaf,
      reading: pending.reading &+ index,
      difference: interpretation.difference ?? pending.difference, group: groups)
    switch interpretation.structure {
    case .leaf: break
    case .message: part.kind = .message
    case .multipart(_, let boundary, let split):
      part.kind = .multipart
      part.boundary = boundary
      if !split.hasEnd { part.note(.missingEnd) }
      if split.hasPartsBehindEnd { part.note(.ambiguous(.partsBehindEnd)) }
    }
    for finding in interpretation.findings { part.note(finding) }
    if let limit = header.limit { part.note(.notInspected(limit)) }
    if part.type.name == "message/partial" { part.note(.partialMessage) }
    if part.type.name == "message/external-body" { part.note(.externalBody) }
    if part.type.isMultipart, part.kind == .leaf, hasBoundaryOfParent(part) {
      part.note(.ambiguous(.boundaryOfParent))
    }
    parts.append(part)
    if let parent = pending.parent, parts.indices.contains(parent) {
      parts[parent].children.append(id)
    }
    return id
  }

  /// Whether a part in which the boundary does not occur names that of one it is in, where some
  /// programs would go on looking for it.
  private func hasBoundaryOfParent(_ part: MIMEPart) -> Bool {
    var above = part.parent
    while let id = above, parts.indices.contains(id) {
      if let boundary = parts[id].boundary, part.type.boundaries.contains(boundary) { return true }
      above = parts[id].parent
    }
    return false
  }

  private mutating func pushChildren(of interpretation: Interpretation, _ id: Int) {
    guard parts.indices.contains(id) else { return }
    let depth = parts[id].depth &+ 1
    guard depth <= limits.depth || interpretation.structure == .leaf else {
      note(.notInspected(.depth), on: id)
      return
    }
    switch interpretation.structure {
    case .message(let inside):
      pending.append(
        PendingPart(
          range: inside.range, buffer: inside.buffer, ends: inside.ends, parent: id, depth: depth))
    case .multipart(let inside, _, let split):
      // RFC 2046 §5.1.5.
      let standard =
        interpretation.type.name == "multipart/digest"
        ? ContentType(name: "message/rfc822") : .standard
      for range in split.outside.reversed() {
        pushEmbedded(in: range, of: inside.buffer, inside.ends, id, depth)
      }
      if split.sections.count > limits.parts { note(.notInspected(.parts), on: id) }
      for section in split.sections.prefix(limits.parts).reversed() {
        pending.append(
          PendingPart(
            range: section.range, outer: section.outer, buffer: inside.buffer, ends: inside.ends,
            parent: id, depth: depth, standardType: standard))
      }
    case .leaf:
      pushEmbedded(inLeaf: parts[id])
    }
  }
}

// MARK: - Data inside text

extension TreeBuilder {
  /// Looks for `begin` lines in a leaf: in the lines as they are, and in what encoded text says.
  private mutating func pushEmbedded(inLeaf part: MIMEPart) {
    let depth = part.depth &+ 1
    let charset = part.type.charset.flatMap { Charset.hidesASCII($0) ? $0 : nil }
    if part.encoding == .identity || part.encoding == .uuencode {
      // The whole part: a begin line among the fields is body for some.
      pushEmbedded(in: part.range, of: part.buffer, part.lineEnds, part.id, depth)
      guard charset != nil else { return }
    }
    guard part.type.isText else { return }
    let known = texts.buffers.count
    let decoded =
      if let charset {
        texts.decode(part.buffer, part.body, part.encoding, charset: charset)
      } else {
        texts.decode(part.buffer, part.body, part.encoding)
      }
    guard let text = decoded else {
      note(.notInspected(.decoded), on: part.id)
      return
    }
    let ends = texts.lineEnds(text).filter { !texts.structure(text, $0).begins.isEmpty }
    guard !ends.isEmpty else {
      // A text that was there before belongs to other parts.
      if text >= known { texts.forget(text) }
      return
    }
    for ends in ends { pushEmbedded(in: 0..<texts[text].count, of: text, ends, part.id, depth) }
  }

  private mutating func pushEmbedded(
    in range: Range<Int>, of buffer: Int, _ ends: LineEnds, _ parent: Int, _ depth: Int
  ) {
    let structure = texts.structure(buffer, ends)
    if structure.isOverLimit { note(.notInspected(.delimiters), on: parent) }
    let begins = StructuralLines.places(structure.begins, in: range)
    guard !begins.isEmpty else { return }
    let text = texts[buffer]
    let lines = begins.compactMap { BeginLine(text, at: $0, in: range, ends) }
    var found: [PendingPart] = []
    for (index, begin) in lines.enumerated() {
      // Data without an end goes on to the next beginning.
      let next = lines.dropFirst(index &+ 1).first?.line.content.lowerBound ?? range.upperBound
      let data = MessageBytes.range(begin.line.next, next)
      texts.charge(data.count)
      guard let end = begin.endOfData(text, data, ends) else { continue }
      found.append(
        PendingPart(
          range: begin.line.content.lowerBound..<max(end, begin.line.next), buffer: buffer,
          ends: ends, parent: parent, depth: depth, isEmbedded: true))
    }
    guard depth <= limits.depth || found.isEmpty else {
      note(.notInspected(.depth), on: parent)
      return
    }
    if found.count > limits.parts { note(.notInspected(.parts), on: parent) }
    pending.append(contentsOf: found.prefix(limits.parts).reversed())
  }

  private mutating func addEmbedded(_ pending: PendingPart) {
    let text = texts[pending.buffer]
    guard
      let begin = BeginLine(text, at: pending.range.lowerBound, in: pending.range, pending.ends)
    else { return }
    let collector = texts.collectNames { $0.takeBegin(text[begin.name]) }
    groups &+= 1
    let id = parts.count
    parts.append(
      MIMEPart(
        id: id, parent: pending.parent, depth: pending.depth, buffer: pending.buffer,
        range: pending.range, outer: nil, header: begin.line.content,
        body: MessageBytes.range(begin.line.next, pending.range.upperBound), fields: [],
        type: ContentType(name: "application/octet-stream"), hasType: false,
        encoding: begin.encoding, lineEnds: pending.ends, names: collector.names, kind: .embedded,
        reading: 0, difference: nil, group: groups))
    if collector.isOverLimit { note(.notInspected(.names), on: id) }
    if let parent = pending.parent, parts.indices.contains(parent) {
      parts[parent].children.append(id)
    }
  }
}
