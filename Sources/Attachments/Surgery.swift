// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import MIME
package import Mail

/// Why a message could not be made clean.
package enum SurgeryFailure: Error, Equatable {
  /// Something dangerous is still there after all that could be cut was.
  case stillDangerous(AttachmentOffence?)
  /// The time that there was for it is over.
  case outOfTime
}

/// Takes dangerous parts out of a message and leaves every other byte as it is.
///
/// What is cut is put to the same judgement again, in every reading of the new message: the result
/// holds nothing that was to go, or there is none.
package struct Surgery {
  /// What becomes of one part.
  package enum Treatment: Sendable, Equatable {
    /// A notice takes its place.
    case replace(Notice)
    /// It goes with its delimiter; where nothing would be left, an empty text takes its place.
    case remove
  }

  /// A part that was taken out.
  package struct Removed: Sendable {
    /// The part, in the tree of the original message or, for `round` above 0, in that of the message
    /// as it was after the rounds before.
    package let part: MIMEPart
    /// How often the message had been cut before.
    package let round: Int
    /// The content, decoded.
    package let content: [UInt8]
    /// Its number: that of the original where the original has a part of the same content; else that
    /// of the message as it was, and the round, which no part of the original has: `2r1`.
    package fileprivate(set) var number: String
  }

  /// The message without what was dangerous.
  package struct Result: Sendable {
    /// The whole message.
    package let message: [UInt8]
    /// What was taken out, in the order of the message.
    package let removed: [Removed]
    /// The changes that bring the header from the original to the new message.
    package let headerEdits: [Edit]
    /// The new body, nil when it is the old one.
    package let body: [UInt8]?
  }

  /// Says which parts must not stay, by their index; looked at for the original and for each result.
  package typealias Judge = (MIMETree, Inspection) -> [Int]

  private let rules: AttachmentRules
  private let judge: Judge
  private let treat: (MIMETree, MIMEPart) -> Treatment
  private let mayGoOn: () -> Bool

  /// Surgery by the judgement of `judge`; `treat` says what becomes of each part that is cut, which
  /// can be one that holds a dangerous part.
  package init(
    _ rules: AttachmentRules,
    judge: @escaping Judge = { _, inspection in inspection.offences.map(\.part) },
    mayGoOn: @escaping () -> Bool = { true },
    treat: @escaping (MIMETree, MIMEPart) -> Treatment
  ) {
    self.mayGoOn = mayGoOn
    self.rules = rules
    self.judge = judge
    self.treat = treat
  }

  /// How often a message is cut before it is given up. Most need one cut; a message that one reading
  /// makes dangerous by what is left of another needs more.
  private static let mostRounds = 8
  /// From this round on, what holds the dangerous part is cut, one level further out each time.
  private static let patientRounds = 3

  /// The message without what is to go; nil when nothing is.
  ///
  /// - Throws: `SurgeryFailure` when something dangerous would be left.
  package func operate(on message: [UInt8]) throws(SurgeryFailure) -> Result? {
    var current = message
    var removed: [Removed] = []
    for round in 0...Self.mostRounds {
      // One round costs a multiple of the message's size that the limits state.
      guard mayGoOn() else { throw .outOfTime }
      let tree = MIMETree(current, limits: rules.limits)
      let inspection = Inspection(tree, rules)
      let doomed = Set(judge(tree, inspection))
      if doomed.isEmpty {
        return round == 0
          ? nil : try result(from: message, to: current, removed, lineEnd: Self.lineEnd(of: tree))
      }
      guard round < Self.mostRounds else {
        throw .stillDangerous(inspection.offences.first { doomed.contains($0.part) })
      }
      let targets = targets(doomed, tree, round)
      guard let (next, cut) = cut(targets, tree) else {
        throw .stillDangerous(inspection.offences.first { doomed.contains($0.part) })
      }
      removed += cut.map { part in
        var decoder = tree.decoder(of: part)
        let content = decoder.content(limit: Int.max) ?? []
        let number = round == 0 ? part.number : "\(part.number)r\(round)"
        return Removed(part: part, round: round, content: content, number: number)
      }
      current = next
    }
    return nil
  }

  /// The parts to cut: the doomed ones that are in no other doomed one; later what holds them.
  private func targets(_ doomed: Set<Int>, _ tree: MIMETree, _ round: Int) -> [MIMEPart] {
    var chosen: Set<Int> = []
    for id in doomed {
      var target = tree[id]
      var levels = max(0, round - Self.patientRounds + 1)
      if round == Self.mostRounds - 1 { levels = Int.max }
      while levels > 0 || target.map({ isUncuttable($0, tree) }) == true,
        let parent = target?.parent
      {
        target = tree[parent]
        levels -= 1
      }
      if let target { chosen.insert(target.id) }
    }
    return tree.inOrder.filter { part in
      guard chosen.contains(part.id) else { return false }
      var above = part.parent
      while let id = above, let parent = tree[id] {
        if chosen.contains(id) { return false }
        above = parent.parent
      }
      return true
    }
  }

  /// Whether the part lies in text that cannot be put back as it was.
  private func isUncuttable(_ part: MIMEPart, _ tree: MIMETree) -> Bool {
    tree.sources.indices.contains(part.buffer) && tree.sources[part.buffer]?.charset != nil
  }

  /// The message without the parts, and those that were cut: of parts that overlap only the first
  /// is. Nil when that cannot be written.
  private func cut(
    _ parts: [MIMEPart], _ tree: MIMETree
  ) -> (message: [UInt8], parts: [MIMEPart])? {
    let lineEnd = Self.lineEnd(of: tree)
    var spliced = SplicedTree(tree, lineEnd: lineEnd)
    let planner = CutPlanner(tree: tree, lineEnd: lineEnd)
    var removedIDs: Set<Int> = []
    var taken: [MIMEPart] = []
    for part in parts {
      let treatment = treat(tree, part)
      var splice = planner.splice(for: part, treatment, removed: removedIDs)
      splice.range = splice.range.clamped(to: 0..<tree.buffer(of: part).count)
      guard spliced.add(splice) else { continue }
      if treatment == .remove, splice.bytes.isEmpty { removedIDs.insert(part.id) }
      taken.append(part)
    }
    return spliced.message().map { ($0, taken) }
  }

  /// The line end that the message has most.
  static func lineEnd(of tree: MIMETree) -> [UInt8] {
    guard let message = tree.buffers.first?.bytes, let feed = message.firstIndex(of: 0x0A) else {
      return [0x0D, 0x0A]
    }
    return feed > 0 && message[feed - 1] == 0x0D ? [0x0D, 0x0A] : [0x0A]
  }

  /// Parts with their numbers in the original. Most messages are cut once, and it is not read again.
  private static func numbered(
    _ removed: [Removed], in original: [UInt8], _ limits: MIMELimits
  ) -> [Removed] {
    guard removed.contains(where: { $0.round > 0 }) else { return removed }
    let tree = MIMETree(original, limits: limits)
    var numbers: [[UInt8]: [String]] = [:]
    let taken = Set(removed.filter { $0.round == 0 }.map(\.number))
    let wanted = Set(removed.filter { $0.round > 0 }.map(\.content.count))
    // Parts in parts are decoded again for each that they are in.
    var room = limits.work(forSize: original.count)
    for part in tree.inOrder where !taken.contains(part.number) {
      room -= part.body.count
      guard room >= 0 else { break }
      var decoder = tree.decoder(of: part)
      guard let content = decoder.content(limit: Int.max), wanted.contains(content.count) else {
        continue
      }
      numbers[content, default: []].append(part.number)
    }
    return removed.map { removed in
      var removed = removed
      guard removed.round > 0, var known = numbers[removed.content], !known.isEmpty else {
        return removed
      }
      removed.number = known.removeFirst()
      numbers[removed.content] = known
      return removed
    }
  }

  private func result(
    from original: [UInt8], to message: [UInt8], _ removed: [Removed], lineEnd: [UInt8]
  ) throws(SurgeryFailure) -> Result {
    let before = MIMETree.split(original)
    let after = MIMETree.split(message)
    let bodyBefore = original[before.bodyStart...]
    let bodyAfter = message[after.bodyStart...]
    let result = Result(
      message: message, removed: Self.numbered(removed, in: original, rules.limits),
      headerEdits: HeaderDifference(
        from: MessageBytes(original), before.header, to: MessageBytes(message), after.header
      ).edits,
      body: bodyBefore == bodyAfter ? nil : Array(bodyAfter))
    try checkDelivered(result, original, body: bodyAfter, lineEnd: lineEnd)
    return result
  }

  /// Judges what an MTA makes of the edits too, where that is not what was judged: new fields stand
  /// where it puts them.
  private func checkDelivered(
    _ result: Result, _ original: [UInt8], body: ArraySlice<UInt8>, lineEnd: [UInt8]
  ) throws(SurgeryFailure) {
    let header = MIMETree.split(original).header
    var delivered = EditedMessage(collected: original[header])
    // What an MTA makes of a line without a colon is not known; none has handed over such a header.
    guard delivered.body.isEmpty else { return }
    for edit in result.headerEdits { delivered.apply(edit) }
    var bytes = delivered.bytes
    // A message of a file has the line ends of the file.
    if lineEnd == [0x0A] { bytes.replace([0x0D, 0x0A], with: lineEnd) }
    bytes += body
    guard bytes != result.message else { return }
    guard mayGoOn() else { throw .outOfTime }
    let tree = MIMETree(bytes, limits: rules.limits)
    let inspection = Inspection(tree, rules)
    if let doomed = judge(tree, inspection).first {
      throw .stillDangerous(inspection.offences.first { $0.part == doomed })
    }
  }
}
