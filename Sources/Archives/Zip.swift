// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Zip archives (PKWARE APPNOTE 6.3).
///
/// Programs disagree about what is in a zip: some believe the directory at its end, some the header
/// before each member, some a name in an extra field. So the names of all headers that stand
/// anywhere in the data count, and libarchive opens the archive to tell whether it is whole and to
/// unpack archives in it.
enum Zip: ArchiveFormat {
  static func list(_ data: [UInt8], depth: Int, _ session: inout ArchiveSession) {
    let isOfInterest = session.isOfInterest
    let scan = ZipScan(data, limit: session.limits.entries) { path in
      isOfInterest(ArchiveMember(path: path, depth: depth))
    }
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
      isRead = read(data, upTo: end, depth, &session) || isRead
    }
    guard scan.isZip || isRead else {
      // Reached for what is called an archive, or has a mark of one, maybe by chance.
      if !data.allSatisfy({ $0 <= 0x20 }) { session.listing.problems.insert(.damaged) }
      return
    }
    session.listing.isArchive = true
    if scan.ends.isEmpty { session.listing.problems.insert(.damaged) }
    // Without a directory that can be read, the members follow one another from the first header.
    if !isRead, let first = scan.firstHeader {
      session.listing.problems.insert(.damaged)
      _ = LibArchive.read(data, first..<data.count, .streamed) { member in
        take(member, depth, &session)
      }
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
    _ data: [UInt8], upTo end: Int, _ depth: Int, _ session: inout ArchiveSession
  ) -> Bool {
    LibArchive.read(data, 0..<end, .directory) { member in take(member, depth, &session) }
  }

  /// Takes a member that libarchive sees, and what is in it if that is an archive; false to stop.
  private static func take(
    _ member: LibArchive.Member, _ depth: Int, _ session: inout ArchiveSession
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
    var content: [UInt8] = []
    var isArchive = ArchiveReader.isArchiveName(path)
    let ratioLimit = session.limits.ratio
    let isComplete = member.read { piece in
      if content.isEmpty, piece.starts(with: ZipScan.signature) { isArchive = true }
      guard isArchive else { return false }
      guard session.spend(piece.count) else { return false }
      content += piece
      let most = member.packedSize.multipliedReportingOverflow(by: ratioLimit)
      if content.count > 1 << 20, !most.overflow, content.count > most.partialValue {
        session.listing.problems.insert(.ratio)
        return false
      }
      return true
    }
    guard isArchive else { return true }
    if !isComplete { session.listing.problems.insert(.damaged) }
    if !content.isEmpty { session.queue(content, depth: depth &+ 1) }
    return session.bytesLeft > 0
  }
}
