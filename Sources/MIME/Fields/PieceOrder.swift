// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// RFC 2231 §3: pieces are numbered from 0 without gaps, leading zeros or repetitions.
/// The orders in which mail programs join the pieces of one parameter.
enum PieceOrder {
  /// Whether all programs join the pieces in the same way but for the order in which they stand.
  static func isSound(_ pieces: [RawParameter]) -> Bool {
    let sorted = sorted(pieces)
    // §4.1: where the first has no charset, none is marked.
    return !pieces.contains(where: \.hasOddSection) && isConsecutive(sorted)
      && (sorted.first?.isExtended == true || !sorted.contains(where: \.isExtended))
  }

  /// All orders, that of RFC 2231 first, without repetitions; at most 17.
  static func all(of pieces: [RawParameter]) -> [[RawParameter]] {
    let sorted = sorted(pieces)
    var orders: [[RawParameter]] = []
    func add(_ order: some Collection<RawParameter>) {
      let order = Array(order)
      if !order.isEmpty, !orders.contains(order) { orders.append(order) }
    }
    // mutt joins whatever has a number, repetitions too.
    add(sorted)
    add(pieces)
    guard !isSound(pieces) else { return orders }
    // Programs that look a number up find one piece, and stop where there is none: the first or the
    // last of those that have the number. Some look for `*2` and do not find `*02`.
    for candidates in [sorted, sorted.filter { !$0.hasOddSection }] {
      for one in [firsts(candidates), lasts(candidates)] {
        add(upToGap(one))
        add(one)
        // JavaMail stops where a piece is marked and no charset is known.
        if one.first?.isExtended == false { add(upToGap(one).prefix { !$0.isExtended }) }
      }
    }
    // Thunderbird takes no more pieces from the first that is wrong on.
    let good = upToFault(pieces)
    add(Self.sorted(good))
    add(upToGap(Self.sorted(good)))
    // Python sorts pieces of the same number by what they hold.
    add(
      sorted.sorted {
        ($0.section ?? 0, $0.values.first ?? []) < ($1.section ?? 0, $1.values.first ?? [])
      })
    return orders
  }

  private static func sorted(_ pieces: [RawParameter]) -> [RawParameter] {
    pieces.sorted { ($0.section ?? 0) < ($1.section ?? 0) }  // stable
  }

  private static func isConsecutive(_ sorted: [RawParameter]) -> Bool {
    zip(sorted.indices, sorted).allSatisfy { $0 == $1.section }
  }

  private static func firsts(_ sorted: [RawParameter]) -> [RawParameter] {
    zip([nil] + sorted.map(\.section), sorted).filter { $0 != $1.section }.map(\.1)
  }

  private static func lasts(_ sorted: [RawParameter]) -> [RawParameter] {
    firsts(sorted.reversed()).reversed()
  }

  private static func upToGap(_ sorted: [RawParameter]) -> [RawParameter] {
    zip(sorted.indices, sorted).prefix { $0 == $1.section }.map(\.1)
  }

  /// The pieces before the first that has no proper number, or one that was there.
  private static func upToFault(_ pieces: [RawParameter]) -> [RawParameter] {
    var seen: Set<Int> = []
    return Array(
      pieces.prefix { piece in
        piece.section.map { seen.insert($0).inserted } == true && !piece.hasOddSection
      })
  }
}

private func < (one: (Int, [UInt8]), other: (Int, [UInt8])) -> Bool {
  one.0 != other.0 ? one.0 < other.0 : one.1.lexicographicallyPrecedes(other.1)
}
