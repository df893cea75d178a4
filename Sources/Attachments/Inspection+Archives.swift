// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
internal import MIME

extension Inspection {
  /// Looks for an archive in the content of a part.
  mutating func lookForArchive(
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
