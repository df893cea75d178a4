// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Archives
package import MIME

/// What counts as dangerous, and how far to look for it.
package struct AttachmentRules: Sendable {
  /// The extensions that are not let in.
  package var banned: BannedExtensions
  /// Whether names in archives count.
  package var scansArchives = true
  /// Whether messages in the message are looked into.
  package var scansMessages = true
  /// How far a message is looked into.
  package var limits = MIMELimits()
  /// How far an archive is looked into.
  package var archiveLimits = ArchiveLimits()

  /// Bans the extensions that are banned by default, unless told otherwise.
  package init(banned: BannedExtensions = BannedExtensions(BannedExtensions.standard)) {
    self.banned = banned
  }
}

/// Why a part is dangerous.
package enum AttachmentDanger: Sendable, Hashable {
  /// A name that some mail program could use is banned by its extension.
  case name(PartName, extension: String)
  /// A member of the archive in the part is banned.
  case member(path: String, extension: String)
  /// A member whose name cannot be read.
  case unreadableMember
  /// What its name says is an archive cannot be opened.
  case damagedArchive
  /// A limit that no ordinary message meets kept some of it from being looked into, so that anything
  /// can be behind what was made to meet it.
  case notInspected(MIMELimit)
  /// The same of the archive in it.
  case archiveNotInspected(ArchiveProblem)
  /// Something dangerous in what the part holds encoded.
  indirect case inside(Wrapping, AttachmentDanger)
}

/// What holds a message, or a file, without being read by the parser.
package enum Wrapping: String, Sendable, Hashable {
  /// S/MIME that signs what is in it.
  case signed = "signed data"
  /// A message that is a file: in an archive, or in text.
  case message = "a message that is a file"
}

/// A dangerous part.
package struct AttachmentOffence: Sendable, Hashable {
  /// The index of the part in its tree.
  package let part: Int
  /// Why it is dangerous.
  package let danger: AttachmentDanger
}

/// What policy may want to know of a part besides.
package enum AttachmentFact: Sendable, Hashable {
  /// A finding of the parser, or of decoding.
  case finding(PartFinding)
  /// Something about the archive in it.
  case archive(ArchiveProblem)
  /// Only its recipient can read it: S/MIME.
  case encrypted
  /// It says that it is S/MIME, and nothing can be known of what is in it.
  case opaque
}

extension AttachmentFact {
  /// Why it makes a part dangerous; nil when it does not.
  ///
  /// Archives in archives in archives are no danger by being many: the recipient has to open each.
  /// The header of the message itself cannot be cut shorter, and an MTA allows it much less.
  package func danger(in part: MIMEPart) -> AttachmentDanger? {
    switch self {
    case .finding(.notInspected(.header)) where part.parent == nil: nil
    case .finding(.notInspected(let limit)): .notInspected(limit)
    case .archive(let problem) where [.tooManyEntries, .tooLarge, .ratio].contains(problem):
      .archiveNotInspected(problem)
    default: nil
    }
  }
}

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
  package private(set) var sizes: [Int: Int] = [:]
  /// What is in the archive in a part.
  package private(set) var archives: [Int: ArchiveListing] = [:]
  /// The parts that hold signed data by themselves, without being a multipart/signed.
  package private(set) var signed: Set<Int> = []
  /// How many bytes were decoded or looked at, those of archives `listingCost` times.
  package private(set) var bytesRead = 0

  /// What listing an archive costs for each byte, if decoding one costs 1.
  package static let listingCost = 8

  private var contents: [ContentKey: Content] = [:]
  private var judgements: [PartName: NameJudgement] = [:]
  private let mostBytes: Int
  private var archiveLimits: ArchiveLimits
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

  private mutating func note(_ fact: AttachmentFact, _ part: MIMEPart) {
    if let danger = fact.danger(in: part) { offend(danger, part) }
    let fact = PartFact(part: part.id, fact: fact)
    if facts.last != fact { facts.append(fact) }
  }

  private mutating func offend(_ danger: AttachmentDanger, _ part: MIMEPart) {
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

  /// Looks for an archive in the content of a part.
  private mutating func lookForArchive(
    _ part: MIMEPart, _ tree: MIMETree, _ rules: AttachmentRules
  ) {
    guard let content = content(of: part, part.encoding, tree) else { return }
    sizes[part.id] = content.size
    var isNamedArchive = false
    for name in part.names where judgement(of: name, rules).isArchive {
      isNamedArchive = isNamedArchive || tree.counts(name, of: part)
    }
    if content.mayBeArchive || isNamedArchive && !content.isBlank {
      list(part, part.encoding, isNamedArchive, tree, rules)
    }
    guard content.hasDataBehindPadding else { return }
    note(.finding(.ambiguous(.base64BehindPadding)), part)
    // Programs that stop at the padding see other content, which may end where an archive ends.
    list(part, .base64UpToPadding, false, tree, rules)
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
  private mutating func lookThrough(
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
  private mutating func judgement(of name: PartName, _ rules: AttachmentRules) -> NameJudgement {
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
  private mutating func content(
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
  private mutating func spend(_ bytes: Int, _ part: MIMEPart) -> Bool {
    guard bytes <= mostBytes &- bytesRead else {
      note(.finding(.notInspected(.work)), part)
      return false
    }
    bytesRead &+= bytes
    return true
  }

  private mutating func list(
    _ part: MIMEPart, _ encoding: TransferEncoding, _ isNamedArchive: Bool, _ tree: MIMETree,
    _ rules: AttachmentRules
  ) {
    guard let listing = listing(of: part, encoding, tree, rules),
      listing.isArchive || isNamedArchive
    else { return }
    archives[part.id] = listing
    let exceptions: Set<String> = isBook(part, listing) ? ["js"] : []
    for member in listing.members {
      // Directories are no files, whatever they are called.
      guard member.path.last != UInt8(ascii: "/") else { continue }
      let text = member.text
      if let found = rules.banned.extensionBanning(text, isFileName: true, except: exceptions) {
        offend(.member(path: text, extension: found), part)
      }
    }
    for message in listing.messages { lookThrough(message, in: part, .message, rules) }
    if listing.problems.contains(.unreadableName) { offend(.unreadableMember, part) }
    if listing.problems.contains(.damaged), isNamedArchive { offend(.damagedArchive, part) }
    for problem in ArchiveProblem.allCases where listing.problems.contains(problem) {
      note(.archive(problem), part)
    }
  }

  /// Whether every program that could open the archive takes it for an EPUB book, by its names, type
  /// and content alike. Scripts belong to books (EPUB 3.3 §6.3), and what shows a book keeps them from
  /// all else. A zip that is only called a book has no mark of one; one that is declared or called
  /// anything else may come to lie before a program that unpacks it.
  private func isBook(_ part: MIMEPart, _ listing: ArchiveListing) -> Bool {
    let isNamed =
      part.names.contains(where: \.isFileName)
      && part.names.allSatisfy { name in
        FileName.forms(of: name.text).allSatisfy { form in
          form.hasSuffix(".epub") || !name.isFileName && !ArchiveReader.isArchive(named: form)
        }
      }
    return isNamed && !listing.holdsArchives && listing.declaredType == "application/epub+zip"
      && ["application/epub+zip", "application/octet-stream"].contains(part.type.name)
      && part.hasOneType
  }

  /// What is in the archive in a part; nil, and a fact, where a limit forbids to look.
  private mutating func listing(
    of part: MIMEPart, _ encoding: TransferEncoding, _ tree: MIMETree, _ rules: AttachmentRules
  ) -> ArchiveListing? {
    let key = ContentKey(buffer: part.buffer, body: part.body, encoding: encoding)
    if let known = contents[key]?.listing { return known }
    let cost = part.body.count.multipliedReportingOverflow(by: Self.listingCost)
    guard spend(cost.overflow ? Int.max : cost.partialValue, part) else { return nil }
    var decoder = ContentDecoder(tree.buffer(of: part), part.body, encoding)
    guard let content = decoder.content(limit: rules.limits.decodedBytes) else {
      note(.finding(.notInspected(.decoded)), part)
      return nil
    }
    let listing = ArchiveReader.list(content, limits: archiveLimits) { member in
      if rules.banned.extensionBanning(member.text, isFileName: true) != nil { return .interest }
      if FileName.forms(of: member.text).contains(where: ArchiveReader.isArchive(named:)) {
        return .archive
      }
      return rules.scansMessages && FileName.saysMessage(member.text) ? .message : nil
    }
    // All archives of a message share what is kept, opened and unpacked; not what is compared.
    archiveLimits.entries = max(0, archiveLimits.entries &- listing.members.count)
    archiveLimits.visits &-= listing.visits
    archiveLimits.bytes &-= listing.unpackedBytes
    archiveLimits.searchedBytes &-= listing.searchedBytes
    contents[key, default: Content()].listing = listing
    return listing
  }
}

/// What a name says.
private struct NameJudgement {
  /// The extension by which it is banned.
  var banned: String?
  /// Whether it is that of an archive.
  var isArchive: Bool
  /// Whether it is that of S/MIME that holds what it signs.
  var isSigned: Bool
}

/// The encoded bytes that parts of several readings can share.
private struct ContentKey: Hashable {
  var buffer: Int
  var body: Range<Int>
  var encoding: TransferEncoding
}

/// What was found in content.
private struct Content {
  var size = 0
  var mayBeArchive = false
  var isBlank = true
  var hasDataBehindPadding = false
  var listing: ArchiveListing?
}
