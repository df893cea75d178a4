// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Finds the known name that a misspelt one was probably meant to be.
enum Spelling {
  /// The nearest of `known`: few edits away, or part of the name or the other way round.
  static func nearest(to name: String, in known: [String]) -> String? {
    let name = name.lowercased()
    guard !name.isEmpty, name.utf8.count <= 48 else { return nil }
    let limit = max(1, name.utf8.count / 3)
    var best: (distance: Int, name: String)?
    for candidate in known where candidate.utf8.count <= 64 {
      let distance = distance(name, candidate.lowercased(), atMost: limit)
      if let distance, distance < best?.distance ?? .max { best = (distance, candidate) }
    }
    return best?.name ?? known.first { contains(name, $0.lowercased()) }
  }

  /// Edits between two names: insertions, deletions, replacements and swaps of neighbours; nil
  /// when they are more than `limit`.
  static func distance(_ left: String, _ right: String, atMost limit: Int) -> Int? {
    let left = Array(left.utf8)
    let right = Array(right.utf8)
    guard abs(left.count - right.count) <= limit else { return nil }
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    var leftBefore: UInt8?
    for (row, byte) in left.enumerated() {
      var next = [row + 1]
      var rightBefore: UInt8?
      for (column, other) in right.enumerated() {
        // All three rows have right.count + 1 cells but for the first `beforeLast`.
        let replaced = cell(last, column) + (byte == other ? 0 : 1)
        var cost = min(replaced, cell(last, column + 1) + 1, cell(next, column) + 1)
        if byte == rightBefore, other == leftBefore {
          cost = min(cost, cell(beforeLast, column - 1) + 1)
        }
        next.append(cost)
        rightBefore = other
      }
      beforeLast = last
      last = next
      leftBefore = byte
    }
    guard let result = last.last, result <= limit else { return nil }
    return result
  }

  private static func cell(_ row: [Int], _ column: Int) -> Int {
    row.indices.contains(column) ? row[column] : 1_000
  }

  private static func contains(_ left: String, _ right: String) -> Bool {
    let (short, long) = left.utf8.count < right.utf8.count ? (left, right) : (right, left)
    guard short.utf8.count >= 4 else { return false }
    let needle = Array(short.utf8)
    var rest = Array(long.utf8)[...]
    while rest.count >= needle.count {
      if rest.starts(with: needle) { return true }
      rest = rest.dropFirst()
    }
    return false
  }
}

extension String {
  /// The text in single quotes, cut where it is long, for a message.
  var quotedForFault: String {
    let limit = 60
    return count > limit ? "'\(prefix(limit))...'" : "'\(self)'"
  }

  /// The text without white space at either end.
  var trimmed: String {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    let head = drop(while: isSpace)
    guard let last = head.lastIndex(where: { !isSpace($0) }) else { return "" }
    return String(head[...last])
  }

  /// The items of a comma-separated list, trimmed, empty ones left out.
  var listItems: [String] {
    split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
  }
}

extension [String] {
  /// "a", "a or b", "a, b or c".
  var joinedByOr: String {
    guard let last, count > 1 else { return first ?? "" }
    return dropLast().joined(separator: ", ") + " or " + last
  }
}
