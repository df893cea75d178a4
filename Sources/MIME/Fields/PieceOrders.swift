// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// RFC 2231 §3: pieces are numbered from 0 without gaps, leading zeros or repetitions.
/// The orders in which mail programs join the pieces of one parameter.
struct PieceOrders {
  /// All orders, that of RFC 2231 first, without repetitions; at most 17. Each is a list of indices.
  private(set) var all: [[Int]] = []
  /// Whether all programs join the pieces in the same way but for the order in which they stand.
  private(set) var isSound = false

  private let marks: [Mark]

  /// What matters of a piece here: pieces themselves are dear to move around.
  private struct Mark {
    var section: Int?
    var hasOddSection: Bool
    var isExtended: Bool
  }

  init(_ pieces: [RawParameter]) {
    marks = pieces.map {
      Mark(section: $0.section, hasOddSection: $0.hasOddSection, isExtended: $0.isExtended)
    }
    let sorted = sorted(Array(marks.indices))
    // §4.1: where the first has no charset, none is marked.
    isSound =
      !marks.contains(where: \.hasOddSection) && upToGap(sorted).count == sorted.count
      && (sorted.first.map { marks[$0].isExtended } == true
        || !marks.contains(where: \.isExtended))
    // mutt joins whatever has a number, repetitions too.
    add(sorted)
    add(Array(marks.indices))
    if !isSound { addFaulty(sorted, pieces) }
  }

  private mutating func add(_ order: [Int]) {
    if !order.isEmpty, !all.contains(order) { all.append(order) }
  }

  private mutating func addFaulty(_ sorted: [Int], _ pieces: [RawParameter]) {
    // Programs that look a number up find one piece, and stop where there is none: the first or the
    // last of those that have the number. Some look for `*2` and do not find `*02`.
    for candidates in [sorted, sorted.filter { !marks[$0].hasOddSection }] {
      for one in [firsts(candidates), lasts(candidates)] {
        add(upToGap(one))
        add(one)
        // JavaMail stops where a piece is marked and no charset is known.
        if let first = one.first, !marks[first].isExtended {
          add(Array(upToGap(one).prefix { !marks[$0].isExtended }))
        }
      }
    }
    // Thunderbird takes no more pieces from the first that is wrong on.
    let good = self.sorted(upToFault())
    add(good)
    add(upToGap(good))
    // Python sorts pieces of the same number by what they hold.
    add(
      sorted.sorted { one, other in
        let sections = (section(one), section(other))
        guard sections.0 == sections.1 else { return sections.0 < sections.1 }
        return (pieces[one].values.first ?? [])
          .lexicographicallyPrecedes(pieces[other].values.first ?? [])
      })
  }

  private func section(_ index: Int) -> Int { marks[index].section ?? 0 }

  private func sorted(_ order: [Int]) -> [Int] {
    order.sorted { section($0) < section($1) }  // stable
  }

  private func firsts(_ sorted: [Int]) -> [Int] {
    zip([nil] + sorted.map { marks[$0].section }, sorted).filter { $0 != marks[$1].section }
      .map(\.1)
  }

  private func lasts(_ sorted: [Int]) -> [Int] { firsts(sorted.reversed()).reversed() }

  private func upToGap(_ sorted: [Int]) -> [Int] {
    zip(sorted.indices, sorted).prefix { $0 == marks[$1].section }.map(\.1)
  }

  /// The pieces before the first that has no proper number, or one that was there.
  private func upToFault() -> [Int] {
    var seen: Set<Int> = []
    return Array(
      marks.indices.prefix { index in
        marks[index].section.map { seen.insert($0).inserted } == true
          && !marks[index].hasOddSection
      })
  }
}
