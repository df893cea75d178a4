// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Archives
package import MIME

/// A message looked through: the names of every part in every reading, and of members of archives.
package struct Inspection: Sendable {
  /// A fact about one part.
  package struct PartFact: Sendable, Hashable {
    /// The index of the part in its tree.
    package let part: Int
    /// The fact.
    package let fact: AttachmentFact
  }

  /// The dangerous parts, in the order of the message; a part can be dangerous for several reasons.
  package private(set) var offences: [AttachmentOffence] = []
  /// What else is remarkable.
  package private(set) var facts: [PartFact] = []
  /// The decoded size of each part whose content was looked at.
  package internal(set) var sizes: [Int: Int] = [:]
  /// What is in the archive in a part.
  package internal(set) var archives: [Int: ArchiveListing] = [:]
  /// The parts that hold signed data by themselves, without being a multipart/signed.
  package private(set) var signed: Set<Int> = []
  /// How many bytes were decoded or looked at, those of archives `listingCost` times.
  package private(set) var bytesRead = 0

  /// What listing an archive costs for each byte, if decoding one costs 1.
  package static let listingCost = 8

  var contents: [ContentKey: Content] = [:]
  private var judgements: [PartName: NameJudgement] = [:]
  private let mostBytes: Int
  var archiveLimits: ArchiveLimits
  /// How many messages that are read on their own this one is in.
  private let level: Int

  /// How many such messages within one another are looked into.
  private static let mostLevels = 8

  /// Looks through a message.
  package init(_ tree: MIMETree, _ rules: AttachmentRules) { self.init(tree, rules, level: 0) }

  private init(_ tree: MIMETree, _ rules: AttachmentRules, level: Int) {
    self.level = level
    mostBytes = rules.limits.work(forSize: tree.buffers.first?.count ?? 0)
    archiveLimits = rules.archiveLimits
    for part in tree.inOrder {
      guard rules.scansMessages || !Self.isInMessage(part, tree) else { continue }
      for finding in part.findings { note(.finding(finding), part) }
      for name in part.names where tree.counts(name, of: part) {
        if let found = judgement(of: name, rules).banned {
          // Forwarded messages are named by their subject: `Welcome to Booking.com`.
          if BannedExtensions.isOfHosts(found), tree.isForwardedMessage(part) { continue }
          offend(.name(name, extension: found), part)
        }
      }
      if part.holdsContent || part.kind == .message && !tree.isForwardedMessage(part) {
        lookInside(part, tree, rules)
      }
    }
  }

  /// Whether nothing is dangerous.
  package var isClean: Bool { offences.isEmpty }

  mutating func note(_ fact: AttachmentFact, _ part: MIMEPart) {
    if let danger = fact.danger(in: part) { offend(danger, part) }
    let fact = PartFact(part: part.id, fact: fact)
    if facts.last != fact { facts.append(fact) }
  }

  mutating func offend(_ danger: AttachmentDanger, _ part: MIMEPart) {
    let offence = AttachmentOffence(part: part.id, danger: danger)
    if offences.last != offence { offences.append(offence) }
  }

  private static func isInMessage(_ part: MIMEPart, _ tree: MIMETree) -> Bool {
    var above = part.parent
    while let id = above, let parent = tree[id] {
      if parent.kind == .message { return true }
      above = parent.parent
    }
    return false
  }

  /// Looks into the content of a part.
  private mutating func lookInside(_ part: MIMEPart, _ tree: MIMETree, _ rules: AttachmentRules) {
    if rules.scansArchives { lookForArchive(part, tree, rules) }
    lookForSigned(part, tree, rules)
    if rules.scansMessages, part.kind == .embedded, part.names.contains(where: \.saysMessage),
      let content = wholeContent(of: part, tree, rules)
    {
      lookThrough(content, in: part, .message, rules)
    }
  }

  /// The content of a part; nil, and a fact, where a limit forbids to look.
  private mutating func wholeContent(
    of part: MIMEPart, _ tree: MIMETree, _ rules: AttachmentRules
  ) -> [UInt8]? {
    guard spend(part.body.count, part) else { return nil }
    var decoder = tree.decoder(of: part)
    guard let content = decoder.content(limit: rules.limits.decodedBytes) else {
      note(.finding(.notInspected(.decoded)), part)
      return nil
    }
    return content
  }

  /// Looks through what S/MIME signs (RFC 8551 §3.5.2).
  private mutating func lookForSigned(
    _ part: MIMEPart, _ tree: MIMETree, _ rules: AttachmentRules
  ) {
    let isDeclared = SignedFile.isDeclared(part.type)
    guard isDeclared || part.names.contains(where: { judgement(of: $0, rules).isSigned }),
      let content = wholeContent(of: part, tree, rules), content.contains(where: { $0 > 0x20 })
    else { return }
    switch CryptographicMessage(content) {
    case .signed(let inside):
      signed.insert(part.id)
      guard let inside else { return }
      for name in part.names where tree.counts(name, of: part) {
        for inner in SignedFile.names(ofContentIn: name) {
          guard let found = rules.banned.extensionBanning(inner) else { continue }
          offend(.inside(.signed, .name(inner, extension: found)), part)
        }
      }
      lookThrough(inside, in: part, .signed, rules)
    case .encrypted: note(.encrypted, part)
    case .opaque: note(.opaque, part)
    case nil: if isDeclared { note(.opaque, part) }
    }
  }

  /// Looks through a message that the tree does not hold, at the cost of this one.
  mutating func lookThrough(
    _ message: [UInt8], in part: MIMEPart, _ wrapping: Wrapping, _ rules: AttachmentRules
  ) {
    guard level < Self.mostLevels else {
      note(.finding(.notInspected(.depth)), part)
      return
    }
    guard spend(message.count, part) else { return }
    var rules = rules
    let left = max(0, mostBytes &- bytesRead)
    rules.limits.work = max(1, min(rules.limits.work, left / max(1, message.count) / 2))
    rules.limits.leastWork = min(rules.limits.leastWork, left / 2)
    rules.archiveLimits = archiveLimits
    let tree = MIMETree(message, limits: rules.limits)
    let inside = Inspection(tree, rules, level: level &+ 1)
    archiveLimits = inside.archiveLimits
    bytesRead &+= tree.bytesRead &+ inside.bytesRead
    for offence in inside.offences { offend(.inside(wrapping, offence.danger), part) }
    for fact in inside.facts {
      switch fact.fact {
      case .encrypted, .opaque, .archive(.encrypted), .archive(.tooDeep), .archive(.notSearched),
        .finding(.partialMessage), .finding(.externalBody):
        note(fact.fact, part)
      case .finding(.notInspected(.header)) where fact.part == 0: note(.opaque, part)
      default: break
      }
    }
  }

  /// What is to be thought of a name; the readings of a part share theirs.
  mutating func judgement(of name: PartName, _ rules: AttachmentRules) -> NameJudgement {
    if let known = judgements[name] { return known }
    let forms = FileName.forms(of: name.text)
    let judgement = NameJudgement(
      banned: rules.banned.extensionBanning(name),
      isArchive: forms.contains(where: ArchiveReader.isArchive(named:)),
      isSigned: forms.contains(where: SignedFile.isNamed))
    judgements[name] = judgement
    return judgement
  }

  /// Decodes the content of a part, once for all parts that have the same.
  mutating func content(
    of part: MIMEPart, _ encoding: TransferEncoding, _ tree: MIMETree
  ) -> Content? {
    let key = ContentKey(buffer: part.buffer, body: part.body, encoding: encoding)
    if let known = contents[key] { return known }
    guard spend(part.body.count, part) else { return nil }
    var sniffer = ArchiveSniffer()
    var decoder = tree.decoder(of: part)
    decoder.decode { piece in
      sniffer.take(piece)
      return true
    }
    let content = Content(
      size: sniffer.count, mayBeArchive: sniffer.foundArchive, isBlank: !sniffer.hasContent,
      hasDataBehindPadding: decoder.hasDataBehindPadding)
    contents[key] = content
    return content
  }

  /// Pays for looking at bytes; false, and a fact, when there has been enough.
  mutating func spend(_ bytes: Int, _ part: MIMEPart) -> Bool {
    guard bytes <= mostBytes &- bytesRead else {
      note(.finding(.notInspected(.work)), part)
      return false
    }
    bytesRead &+= bytes
    return true
  }
}

/// What a name says.
struct NameJudgement {
  /// The extension by which it is banned.
  var banned: String?
  /// Whether it is that of an archive.
  var isArchive: Bool
  /// Whether it is that of S/MIME that holds what it signs.
  var isSigned: Bool
}

/// The encoded bytes that parts of several readings can share.
struct ContentKey: Hashable {
  var buffer: Int
  var body: Range<Int>
  var encoding: TransferEncoding
}

/// What was found in content.
struct Content {
  var size = 0
  var mayBeArchive = false
  var isBlank = true
  var hasDataBehindPadding = false
  var listing: ArchiveListing?
}
