// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Zip archives (PKWARE APPNOTE 6.3).
///
/// Programs disagree about what is in a zip: some believe the directory at its end, some the header
/// before each member, some a name in an extra field. So the names of all headers that stand
/// anywhere in the data count, and libarchive opens the archive to tell whether it is whole and to
/// unpack archives in it: what is called one, what begins as one, and what holds one anywhere.
enum Zip: ArchiveFormat {
  static func list(_ archive: PendingArchive, _ session: inout ArchiveSession) {
    let (data, depth) = (archive.data, archive.depth)
    let judge = session.judge
    let scan = ZipScan(data, limit: session.limits.entries) { path in
      judge(ArchiveMember(path: path, depth: depth)) == .interest
    }
    // Where only a mark was found, names of headers that make no sense are names of nothing.
    guard archive.isCertain || scan.isZip else { return }
    if depth > 1 { session.listing.holdsArchives = true }
    session.listing.isArchive = session.listing.isArchive || scan.isZip
    if scan.isEncrypted { session.listing.problems.insert(.encrypted) }
    if scan.hasUnreadableName { session.listing.problems.insert(.unreadableName) }
    if scan.isOverLimit { session.listing.problems.insert(.tooManyEntries) }
    for path in scan.paths {
      guard session.add(path, depth: depth) else { return }
    }
    guard scan.hasMembers || !scan.isZip else { return }
    var isRead = false
    for end in scan.ends.suffix(mostDirectories) {
      isRead = read(archive, upTo: end, &session) || isRead
    }
    guard scan.isZip || isRead else {
      // Reached for what is called an archive, or has a mark of one, maybe by chance.
      if !data.allSatisfy({ $0 <= 0x20 }) { session.listing.problems.insert(.damaged) }
      return
    }
    session.listing.isArchive = true
    if scan.ends.isEmpty, archive.isCertain { session.listing.problems.insert(.damaged) }
    // Without a directory that can be read, the members follow one another from the first header.
    if !isRead, let first = scan.firstHeader {
      if archive.isCertain { session.listing.problems.insert(.damaged) }
      _ = read(archive, first..<data.count, .streamed, &session)
    }
  }

  // OCF 3.3 §4.3: the file mimetype is the first, at the very start, neither compressed nor encrypted
  // and without an extra field.
  /// The media type in the member that begins `data` if it is one that says the type of the whole.
  static func declaredType(of data: [UInt8]) -> String? {
    let fields = LittleEndian(data)
    guard data.starts(with: ZipScan.signature), fields.uint16(6) == 0, fields.uint16(8) == 0,
      let size = fields.uint16(18), size <= 100, fields.uint16(20) == 0, fields.uint16(28) == 0,
      fields.bytes(26, 12).elementsEqual([8, 0, 0, 0] + Array("mimetype".utf8))
    else { return nil }
    return String(validating: fields.bytes(38, size), as: UTF8.self)
  }

  /// How many archives one behind the other are opened.
  private static let mostDirectories = 8

  /// Reads the archive whose directory ends at `end`; false when that does not go.
  private static func read(
    _ archive: PendingArchive, upTo end: Int, _ session: inout ArchiveSession
  ) -> Bool {
    read(archive, 0..<end, .directory, &session)
  }

  /// Reads the archive in a range of the data, and again for the archives that were found within
  /// members on the way, whose beginning was gone by then.
  private static func read(
    _ archive: PendingArchive, _ range: Range<Int>, _ source: LibArchive.Source,
    _ session: inout ArchiveSession
  ) -> Bool {
    var hidden: Set<Int> = []
    var index = 0
    let isRead = LibArchive.read(archive.data, range, source) { member in
      defer { index &+= 1 }
      return take(member, index, archive.depth, &session, &hidden)
    }
    guard let last = hidden.max() else { return isRead }
    index = 0
    _ = LibArchive.read(archive.data, range, source) { member in
      defer { index &+= 1 }
      if hidden.contains(index),
        let content = content(of: member, &session, isCertain: false), content.isComplete
      {
        session.queue(content.bytes, depth: archive.depth &+ 1, isCertain: false)
      }
      return index < last
    }
    return isRead
  }

  /// Takes a member that libarchive sees, and what is in it if that is an archive or a message; false
  /// to stop. The index of one that holds an archive somewhere goes to `hidden`.
  private static func take(
    _ member: LibArchive.Member, _ index: Int, _ depth: Int, _ session: inout ArchiveSession,
    _ hidden: inout Set<Int>
  ) -> Bool {
    guard session.visit() else { return false }
    guard let path = member.path else {
      session.listing.problems.insert(.unreadableName)
      return true
    }
    guard session.add(path, depth: depth) else { return false }
    if member.isEncrypted {
      session.listing.problems.insert(.encrypted)
      return true
    }
    guard member.hasContent else { return true }
    let judgement = session.judge(ArchiveMember(path: path, depth: depth))
    if judgement == .archive || judgement == .message {
      guard let content = content(of: member, &session) else { return session.bytesLeft > 0 }
      if judgement == .message {
        session.listing.messages.append(content.bytes)
        return true
      }
      if !content.isComplete { session.listing.problems.insert(.damaged) }
      if !content.bytes.isEmpty { session.queue(content.bytes, depth: depth &+ 1) }
      return session.bytesLeft > 0
    }
    return search(member, index, depth, &session, &hidden)
  }

  /// Looks for an archive in a member that is called otherwise; false to stop.
  private static func search(
    _ member: LibArchive.Member, _ index: Int, _ depth: Int, _ session: inout ArchiveSession,
    _ hidden: inout Set<Int>
  ) -> Bool {
    var sniffer = ArchiveSniffer()
    var content = MemberContent()
    let isComplete = member.read { piece in
      if content.isEmpty, sniffer.count == 0, piece.starts(with: ZipScan.signature) {
        content.begins = true
      }
      if content.begins { return content.take(piece, of: member, &session) }
      guard session.search(piece.count) else { return false }
      sniffer.take(piece)
      return !sniffer.foundArchive
    }
    if sniffer.foundArchive { hidden.insert(index) }
    guard content.begins else { return true }
    if !isComplete { session.listing.problems.insert(.damaged) }
    if !content.isEmpty { session.queue(content.bytes, depth: depth &+ 1) }
    return session.bytesLeft > 0
  }

  /// The content of a member as far as limits allow; nil where there is none.
  private static func content(
    of member: LibArchive.Member, _ session: inout ArchiveSession, isCertain: Bool = true
  ) -> (bytes: [UInt8], isComplete: Bool)? {
    var content = MemberContent(isCertain: isCertain)
    let isComplete = member.read { content.take($0, of: member, &session) }
    return content.isEmpty && isComplete ? nil : (content.bytes, isComplete)
  }
}

/// The content of a member while it is unpacked.
private struct MemberContent {
  private(set) var bytes: [UInt8] = []
  /// Whether it begins as an archive does.
  var begins = false
  /// Whether it is known to be an archive or a message: what is not is at most not searched.
  private let isCertain: Bool

  init(isCertain: Bool = true) { self.isCertain = isCertain }

  var isEmpty: Bool { bytes.isEmpty }

  /// Takes a piece; false, and a problem, when there is no room for it.
  mutating func take(
    _ piece: ArraySlice<UInt8>, of member: LibArchive.Member, _ session: inout ArchiveSession
  ) -> Bool {
    guard isCertain ? session.spend(piece.count) : session.search(piece.count) else { return false }
    bytes += piece
    guard isCertain else { return true }
    let most = member.packedSize.multipliedReportingOverflow(by: session.limits.ratio)
    if bytes.count > 1 << 20, !most.overflow, bytes.count > most.partialValue {
      session.listing.problems.insert(.ratio)
      return false
    }
    return true
  }
}
