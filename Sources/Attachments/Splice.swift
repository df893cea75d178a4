// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import MIME

/// A range of a text that other bytes take the place of.
struct Splice {
  var buffer: Int
  var range: Range<Int>
  var bytes: [UInt8]
}

/// Puts splices into the texts of a tree, encoded ones back into those that hold them, until the
/// message itself is changed. All bytes outside stay as they are.
struct SplicedTree {
  private let tree: MIMETree
  private let lineEnd: [UInt8]
  /// The splices of each text, in its order and apart.
  private var splices: [Int: [Splice]] = [:]

  init(_ tree: MIMETree, lineEnd: [UInt8]) {
    self.tree = tree
    self.lineEnd = lineEnd
  }

  /// Takes a splice; false when it overlaps one that was taken before, or is at the same place.
  @discardableResult
  mutating func add(_ splice: Splice) -> Bool {
    guard let place = place(for: splice) else { return false }
    splices[splice.buffer, default: []].insert(splice, at: place)
    return true
  }

  /// Where a splice goes among those of its text; nil when a neighbour is in the way. Apart from
  /// `add`, so that nothing holds the array while it grows: it would be copied each time.
  private func place(for splice: Splice) -> Int? {
    let taken = splices[splice.buffer, default: []]
    // Encoded texts are put back when all else of the text that holds them is planned: not all come
    // in the order of the message.
    let place = taken.partitioningIndex { $0.range.lowerBound >= splice.range.lowerBound }
    let neighbours = taken[max(0, place - 1)..<min(taken.count, place + 1)]
    return neighbours.contains { Self.collide($0.range, splice.range) } ? nil : place
  }

  /// Whether both change the same bytes, or one is a place inside what the other takes away.
  private static func collide(_ one: Range<Int>, _ other: Range<Int>) -> Bool {
    one.lowerBound == other.lowerBound || one.contains(other.lowerBound)
      || other.contains(one.lowerBound)
  }

  /// The message with all splices made, nil when a text that was converted from another charset
  /// would have to be put back.
  mutating func message() -> [UInt8]? {
    // A text that another holds has the higher number.
    for buffer in tree.buffers.indices.reversed() where buffer > 0 {
      guard splices[buffer] != nil else { continue }
      guard tree.sources.indices.contains(buffer), let source = tree.sources[buffer],
        source.charset == nil
      else { return nil }
      let encoded = ContentEncoder.encode(
        text(buffer), source.encoding, lineEnd: lineEnd)
      // Two readings of the same encoded bytes cannot both be put back; the message is read again,
      // and what is still dangerous then is cut next.
      add(
        Splice(
          buffer: source.buffer, range: source.range,
          bytes: encoded + trailingLineEnd(source, encoded)))
    }
    return text(0)
  }

  private func text(_ buffer: Int) -> [UInt8] {
    guard tree.buffers.indices.contains(buffer) else { return [] }
    let original = tree.buffers[buffer]
    var text: [UInt8] = []
    text.reserveCapacity(original.count)
    var at = 0
    for splice in splices[buffer, default: []] {
      text += original[at..<max(at, splice.range.lowerBound)]
      text += splice.bytes
      at = max(at, splice.range.upperBound)
    }
    return text + original[at..<max(at, original.count)]
  }

  /// The line end after the last line of encoded text, if there was one.
  private func trailingLineEnd(_ source: TextSource, _ encoded: [UInt8]) -> [UInt8] {
    guard tree.buffers.indices.contains(source.buffer), source.encoding != .quotedPrintable,
      encoded.last != 0x0A
    else { return [] }
    let hasEnd = tree.buffers[source.buffer][source.range].last == 0x0A
    return hasEnd ? lineEnd : []
  }
}

extension Array {
  /// The index of the first element that `isBehind` holds for, where it holds for all that follow.
  fileprivate func partitioningIndex(_ isBehind: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = low + (high - low) / 2
      if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
