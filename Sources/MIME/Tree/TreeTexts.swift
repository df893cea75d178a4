// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Where a decoded text comes from.
package struct TextSource: Sendable, Hashable {
  /// The text that holds it encoded.
  package var buffer: Int
  /// The encoded bytes.
  package var range: Range<Int>
  /// How they are encoded.
  package var encoding: TransferEncoding
  /// The charset that was made UTF-8, nil where bytes stayed as they are.
  package var charset: String?
}

/// The texts that parts are in, what was found in them, and what looking at them has cost.
struct TreeTexts {
  private(set) var buffers: [MessageBytes]
  /// Where each text comes from, nil for the message.
  private(set) var sources: [TextSource?] = [nil]
  private let limits: MIMELimits
  private var lines: [Key: StructuralLines] = [:]
  private var decoded: [DecodedKey: Int] = [:]
  private var lineEnds: [Int: [LineEnds]] = [:]
  private var decodedBytes = 0
  private var workLeft: Int
  /// How many names and fields may still be kept.
  private(set) var namesLeft: Int
  /// How many bytes were looked at.
  private(set) var bytesRead = 0

  private struct Key: Hashable {
    var buffer: Int
    var ends: LineEnds
  }

  private struct DecodedKey: Hashable {
    var buffer: Int
    var range: Range<Int>
    var encoding: TransferEncoding
  }

  init(message: MessageBytes, limits: MIMELimits) {
    buffers = [message]
    self.limits = limits
    workLeft = limits.work(forSize: message.count)
    namesLeft = limits.names
  }

  /// Whether more may be looked at.
  var isExhausted: Bool { workLeft <= 0 }

  /// Counts bytes looked at.
  mutating func charge(_ bytes: Int) {
    bytesRead &+= max(0, bytes)
    workLeft = max(0, workLeft &- max(0, bytes))
  }

  /// How many bytes of fields may still be read.
  var fieldRoom: Int { workLeft / MIMELimits.fieldWork }

  /// Counts bytes of fields that were read.
  mutating func chargeFields(_ bytes: Int) {
    let (cost, isHuge) = bytes.multipliedReportingOverflow(by: MIMELimits.fieldWork)
    charge(isHuge ? Int.max / 2 : cost)
  }

  /// Counts names and fields that are kept.
  mutating func keep(_ names: Int) { namesLeft = max(0, namesLeft &- names) }

  /// Collects the names of one part with what is left for the message.
  mutating func collectNames(_ collect: (inout NameCollector) -> Void) -> NameCollector {
    var collector = NameCollector(
      limit: limits.namesPerPart, mostKept: namesLeft, mostRead: fieldRoom)
    collect(&collector)
    keep(collector.kept)
    chargeFields(collector.cost)
    return collector
  }

  subscript(buffer: Int) -> MessageBytes {
    buffers.indices.contains(buffer) ? buffers[buffer] : MessageBytes([])
  }

  /// The structural lines of a text.
  mutating func structure(_ buffer: Int, _ ends: LineEnds) -> StructuralLines {
    let key = Key(buffer: buffer, ends: ends)
    if let known = lines[key] { return known }
    charge(self[buffer].count)
    let found = StructuralLines(self[buffer], ends, limit: limits.delimiters)
    lines[key] = found
    return found
  }

  /// The ways to tell the lines of a text, the commonest first.
  mutating func lineEnds(_ buffer: Int) -> [LineEnds] {
    if let known = lineEnds[buffer] { return known }
    charge(self[buffer].count)
    let returns = ByteLoops.returns(in: self[buffer].bytes)
    var readings = [LineEnds.lf]
    if returns.all > returns.beforeFeed { readings.append(.any) }
    // Where the first line ends in LF, nobody waits for CR.
    let hasBareFeeds = structure(buffer, .lf).feeds > returns.beforeFeed
    if returns.beforeFeed > 0, hasBareFeeds, startsWithPair(buffer) { readings.append(.crlf) }
    lineEnds[buffer] = readings
    return readings
  }

  private func startsWithPair(_ buffer: Int) -> Bool {
    let text = self[buffer]
    guard let feed = text.firstIndex(of: 0x0A, in: 0..<text.count) else { return false }
    return feed > 0 && text[feed &- 1] == 0x0D
  }

  /// The text that a range decodes to; nil when it would exceed the limit.
  mutating func decode(_ buffer: Int, _ range: Range<Int>, _ encoding: TransferEncoding) -> Int? {
    let key = DecodedKey(buffer: buffer, range: range, encoding: encoding)
    if let known = decoded[key] { return known }
    charge(range.count)
    var decoder = ContentDecoder(self[buffer], range, encoding)
    guard let content = decoder.content(limit: limits.decodedBytes &- decodedBytes) else {
      return nil
    }
    append(
      content, from: TextSource(buffer: buffer, range: range, encoding: encoding, charset: nil))
    decoded[key] = buffers.count &- 1
    return buffers.count &- 1
  }

  /// The text in UTF-8 that a range decodes to in a charset that hides ASCII.
  mutating func decode(
    _ buffer: Int, _ range: Range<Int>, _ encoding: TransferEncoding, charset: String
  ) -> Int? {
    charge(range.count &* 4)
    // UTF-8 can take up to three bytes for one in the other charset.
    let limit = (limits.decodedBytes &- decodedBytes) / 3
    var decoder = ContentDecoder(self[buffer], range, encoding)
    guard let content = decoder.content(limit: limit) else { return nil }
    append(
      Array(Charset.text(content, label: charset).utf8),
      from: TextSource(buffer: buffer, range: range, encoding: encoding, charset: charset))
    return buffers.count &- 1
  }

  private mutating func append(_ content: [UInt8], from source: TextSource) {
    decodedBytes &+= content.count
    buffers.append(MessageBytes(content))
    sources.append(source)
  }

  /// Drops the last text if it is `buffer`, which nothing refers to.
  mutating func forget(_ buffer: Int) {
    guard buffer == buffers.count &- 1, buffer > 0 else { return }
    decodedBytes &-= self[buffer].count
    buffers.removeLast()
    sources.removeLast()
    decoded = decoded.filter { $0.value != buffer }
    lineEnds[buffer] = nil
    lines = lines.filter { $0.key.buffer != buffer }
  }
}
