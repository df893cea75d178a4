// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Finds all readings of one part: headers times types times encodings times boundaries, as far as
/// they differ. An ordinary part has one.
struct PartReader {
  let part: PendingPart
  let limits: MIMELimits
  /// The readings, that of most programs first; never empty once read.
  private(set) var interpretations: [Interpretation] = []
  /// What holds for all of them.
  private(set) var findings: [PartFinding] = []

  init(part: PendingPart, limits: MIMELimits) {
    self.part = part
    self.limits = limits
  }

  mutating func read(_ texts: inout TreeTexts) {
    let buffer = texts[part.buffer]
    let headers = HeaderReader(
      buffer: buffer, ends: part.ends, limits: limits, room: texts.namesLeft
    ).readings(of: part.range)
    for header in headers {
      texts.charge((header.bodyStart &- part.range.lowerBound) &* 2)
      texts.keep(header.fields.count)
      let (types, leavesOutTypes) = Self.types(in: header, buffer, &texts)
      let (encodings, difference) = Self.encodings(in: header, buffer)
      let (names, nameFindings) = Self.names(of: header, in: buffer, &texts)
      let saysMessage = names.contains(where: \.saysMessage)
      if Set(types.map(\.name)).count > 1 { add(.ambiguous(.contentTypes)) }
      if leavesOutTypes { add(.notInspected(.readings)) }
      if let difference { add(.ambiguous(difference)) }
      if types.contains(where: \.leavesOutBoundaries) { add(.notInspected(.names)) }
      for (typeIndex, type) in (types.isEmpty ? [part.standardType] : types).enumerated() {
        for (encodingIndex, encoding) in encodings.enumerated() {
          let ambiguity =
            header.ambiguity ?? (typeIndex > 0 ? .contentTypes : nil)
            ?? (encodingIndex > 0 ? difference : nil)
          let base = Interpretation(
            header: header, names: names, saysMessage: saysMessage, type: type,
            hasType: !types.isEmpty, encoding: encoding, structure: .leaf, difference: ambiguity,
            findings: nameFindings)
          interpret(base, &texts)
        }
      }
    }
  }

  /// Takes a reading unless it is there or there are too many.
  private mutating func add(_ reading: Interpretation) {
    guard !interpretations.contains(where: { reading.isSame(as: $0) }) else {
      // It may be the same only as far as it was looked at.
      if let limit = reading.header.limit { add(.notInspected(limit)) }
      for case .notInspected(let limit) in reading.findings { add(.notInspected(limit)) }
      return
    }
    guard interpretations.count < limits.readings else {
      add(.notInspected(.readings))
      return
    }
    var reading = reading
    if interpretations.isEmpty {
      reading.difference = nil
    } else if reading.difference == nil {
      reading.difference = .partsInOtherType
    }
    interpretations.append(reading)
  }

  private mutating func add(_ finding: PartFinding) {
    if !findings.contains(finding) { findings.append(finding) }
  }

  /// Finds what is in the body under one header, type and encoding.
  private mutating func interpret(_ base: Interpretation, _ texts: inout TreeTexts) {
    let body = MessageBytes.range(base.header.bodyStart, part.range.upperBound)
    let before = interpretations.count
    if base.type.isMultipart || !base.type.boundaries.isEmpty {
      splits(of: base, body, &texts)
      // Programs that believe no empty boundary look for another one.
      let isKnown = interpretations.count > before && base.type.boundaries.contains { !$0.isEmpty }
      if !isKnown, base.type.isMultipart { guesses(of: base, body, &texts) }
      // Programs that go by the type of what is not multipart see one part.
      if interpretations.count > before, base.type.isMultipart { return }
    }
    // Mail programs open an attached .eml as a message, whatever its type.
    if base.type.isMessage || base.saysMessage {
      messages(in: base, body, &texts)
    } else {
      add(base)
    }
  }

  /// The texts in which parts can be: the body as it stands, and decoded.
  private mutating func insides(
    of base: Interpretation, _ body: Range<Int>, _ texts: inout TreeTexts
  ) -> [Interpretation.Inside] {
    var insides = [Interpretation.Inside(buffer: part.buffer, range: body, ends: part.ends)]
    guard base.encoding != .identity else { return insides }
    guard let decoded = texts.decode(part.buffer, body, base.encoding) else {
      add(.notInspected(.decoded))
      return insides
    }
    let range = 0..<texts[decoded].count
    insides += texts.lineEnds(decoded).map { .init(buffer: decoded, range: range, ends: $0) }
    return insides
  }

  // MARK: Multiparts

  private mutating func splits(
    of base: Interpretation, _ body: Range<Int>, _ texts: inout TreeTexts
  ) {
    let insides = insides(of: base, body, &texts)
    // Delimiters that are nothing but that come before those with something behind them.
    for isExact in [true, false] {
      for (index, inside) in insides.enumerated() {
        let finder = finder(inside, &texts)
        for (number, boundary) in base.type.boundaries.enumerated() {
          // Text has lines of two hyphens; what is no multipart is split there by nobody.
          guard !boundary.isEmpty || base.type.isMultipart else { continue }
          texts.charge(finder.cost(of: boundary))
          let all = finder.delimiters(boundary)
          let exact = all.filter(\.isExact)
          guard isExact || exact.count < all.count else { continue }
          var reading = base
          if number > 0 { reading.difference = reading.difference ?? .boundaries }
          if index > 0 { reading.difference = reading.difference ?? .encodedContainer }
          if !isExact { reading.difference = reading.difference ?? .longerDelimiter }
          add(reading, inside, boundary, isExact ? exact : all)
        }
      }
    }
  }

  private mutating func guesses(
    of base: Interpretation, _ body: Range<Int>, _ texts: inout TreeTexts
  ) {
    for inside in insides(of: base, body, &texts) {
      let finder = finder(inside, &texts)
      guard let boundary = finder.guess() else { continue }
      var reading = base
      reading.findings.append(.ambiguous(.guessedBoundary))
      reading.difference = reading.difference ?? .guessedBoundary
      add(reading, inside, boundary, finder.delimiters(boundary).filter(\.isExact))
    }
  }

  private mutating func add(
    _ base: Interpretation, _ inside: Interpretation.Inside, _ boundary: [UInt8],
    _ delimiters: [Delimiter]
  ) {
    var reading = base
    // One more than can be read shows that there are too many.
    let split = Split(delimiters, in: inside.range, most: limits.parts &+ 1)
    guard !split.sections.isEmpty else { return }
    reading.structure = .multipart(inside, boundary: boundary, split)
    add(reading)
  }

  private mutating func finder(
    _ inside: Interpretation.Inside, _ texts: inout TreeTexts
  ) -> DelimiterFinder {
    let structure = texts.structure(inside.buffer, inside.ends)
    if structure.isOverLimit { add(.notInspected(.delimiters)) }
    return DelimiterFinder(
      buffer: texts[inside.buffer], ends: inside.ends, range: inside.range,
      candidates: StructuralLines.places(structure.hyphens, in: inside.range))
  }

  // MARK: Messages

  private mutating func messages(
    in base: Interpretation, _ body: Range<Int>, _ texts: inout TreeTexts
  ) {
    let insides = insides(of: base, body, &texts)
    // What is decoded comes first; that RFC 2045 §6.4 forbids the encoding hinders few programs.
    for (index, inside) in (insides.dropFirst() + insides.prefix(1)).enumerated() {
      var reading = base
      if index > 0 {
        // Undecoded, a header of MIME must show, else it is no message to anybody.
        let isRaw = inside.buffer == part.buffer
        guard !isRaw || hasMIMEHeader(inside, texts) else { continue }
        reading.difference = reading.difference ?? (isRaw ? .encodedContainer : .lineEnds)
      }
      reading.structure = .message(inside)
      add(reading)
    }
  }

  private func hasMIMEHeader(_ inside: Interpretation.Inside, _ texts: TreeTexts) -> Bool {
    HeaderReader(buffer: texts[inside.buffer], ends: inside.ends, limits: limits)
      .readings(of: inside.range).contains { !$0.fields.isEmpty }
  }
}

// MARK: - What the fields say

extension PartReader {
  /// The types that Content-Type fields say, without repetitions, and whether some are left out: of
  /// too many, all but the first ones and the last, which mutt takes.
  private static func types(
    in header: HeaderBlock, _ buffer: MessageBytes, _ texts: inout TreeTexts
  ) -> (types: [ContentType], leavesOut: Bool) {
    let fields = header.fields.filter { $0.name == .type }
    var types: [ContentType] = []
    var seen: Set<ContentType> = []
    var leavesOut = false
    func take(_ field: ContentField) {
      let value = buffer.unfolded(field.position)
      guard value.count <= texts.fieldRoom else {
        leavesOut = true
        return
      }
      var cost = 0
      var readings = [ContentType(field: value, cost: &cost)]
      if EncodedWord.occurs(in: value) {
        // Of a long one, or where much was looked at, the commonest way to decode it.
        let isLong = value.count > EncodedWord.longest || texts.isExhausted
        let decoded =
          isLong ? [EncodedWord.decode(value)] : EncodedWord.readings(value, cost: &cost)
        leavesOut = leavesOut || isLong
        cost &+= value.count
        readings += decoded.map { ContentType(field: Array($0.utf8)[...], cost: &cost) }
      }
      texts.chargeFields(cost)
      for type in readings where seen.insert(type).inserted { types.append(type) }
    }
    for field in fields {
      take(field)
      guard types.count > mostTypes || texts.isExhausted else { continue }
      types.removeLast(max(0, types.count &- mostTypes))
      seen = Set(types)
      if let last = fields.last { take(last) }
      return (types, true)
    }
    return (types, leavesOut)
  }

  /// The encodings that Content-Transfer-Encoding fields say, and why there are several.
  private static func encodings(
    in header: HeaderBlock, _ buffer: MessageBytes
  ) -> ([TransferEncoding], Ambiguity?) {
    var encodings: [TransferEncoding] = []
    var ambiguity: Ambiguity?
    for field in header.fields where field.name == .transferEncoding {
      let (readings, isKnown) = TransferEncoding.readings(buffer.unfolded(field.position))
      if !isKnown { ambiguity = .unknownEncoding }
      if !encodings.isEmpty, Set(readings) != Set(encodings) {
        ambiguity = ambiguity ?? .transferEncodings
      }
      for encoding in readings where !encodings.contains(encoding) { encodings.append(encoding) }
    }
    return (encodings.isEmpty ? [.identity] : encodings, ambiguity)
  }

  private static let mostTypes = 8

  /// Every name that the fields give the content.
  private static func names(
    of header: HeaderBlock, in buffer: MessageBytes, _ texts: inout TreeTexts
  ) -> (names: [PartName], findings: [PartFinding]) {
    var findings: [PartFinding] = []
    let collector = texts.collectNames { collect(from: header, in: buffer, &$0, &findings) }
    if collector.isOverLimit { findings.append(.notInspected(.names)) }
    return (collector.names, findings)
  }

  private static func collect(
    from header: HeaderBlock, in buffer: MessageBytes, _ collector: inout NameCollector,
    _ findings: inout [PartFinding]
  ) {
    for field in header.fields {
      let value = buffer.unfolded(field.position)
      if value.contains(0), !findings.contains(.ambiguous(.nulInHeader)) {
        findings.append(.ambiguous(.nulInHeader))
      }
      switch field.name {
      case .type, .disposition: collector.take(field.name, value)
      case .location: collector.takeLocation(value)
      case .name, .sunName: collector.takeName(field.name, value)
      case .transferEncoding, .description, .id: break
      }
    }
    if !collector.names.contains(where: \.isFileName) {
      for field in header.fields where field.name == .description || field.name == .id {
        collector.takeText(field.name, buffer.unfolded(field.position))
      }
    }
  }
}
