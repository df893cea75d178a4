// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Where the lines begin that can matter to the structure of a text.
struct StructuralLines: Equatable {
  /// Lines that begin with two hyphens: all that can be delimiters (RFC 2046 §5.1.1).
  private(set) var hyphens: [Int] = []
  /// Lines that can begin a file inside text: `begin 644 name`, `=ybegin ... name=`.
  private(set) var begins: [Int] = []
  /// Whether there are more than were noted.
  private(set) var isOverLimit = false
  /// The number of LF in the text.
  private(set) var feeds = 0

  /// Notes at most `limit` lines of each kind.
  init(_ buffer: MessageBytes, _ ends: LineEnds, limit: Int) {
    var hyphens: [Int] = []
    var begins: [Int] = []
    var isOverLimit = false
    feeds = ByteLoops.forEachStructuralLine(in: buffer.bytes, ends) { start, isHyphens in
      if (isHyphens ? hyphens.count : begins.count) >= limit {
        isOverLimit = true
      } else if isHyphens {
        hyphens.append(start)
      } else {
        begins.append(start)
      }
    }
    (self.hyphens, self.begins, self.isOverLimit) = (hyphens, begins, isOverLimit)
  }

  /// The noted places of `list` inside a range.
  static func places(_ list: [Int], in range: Range<Int>) -> ArraySlice<Int> {
    list[
      firstPlace(list, notBelow: range.lowerBound)..<firstPlace(list, notBelow: range.upperBound)]
  }

  /// The index of the first element that is not below `bound`, by halving.
  private static func firstPlace(_ list: [Int], notBelow bound: Int) -> Int {
    var low = 0
    var high = list.count
    while low < high {
      let middle = low &+ (high &- low) / 2
      if list[middle] < bound { low = middle &+ 1 } else { high = middle }
    }
    return low
  }
}
