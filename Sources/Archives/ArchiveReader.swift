// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A kind of archive: how it is recognised and read. Others than zip find their place here.
protocol ArchiveFormat {
  /// Lists what is in `data`; archives in it go to `session` to be read next.
  static func list(_ data: [UInt8], depth: Int, _ session: inout ArchiveSession)
}

/// Lists archives in attachments.
package enum ArchiveReader {
  /// Names of files end so that programs open as zip.
  package static let extensions: Set<String> = [
    "zip", "zipx", "jar", "war", "ear", "apk", "xpi", "crx", "whl", "epub", "kmz", "nupkg", "vsix",
  ]

  /// Lists what is in `data`, whatever stands before and behind the archive in it.
  ///
  /// Every name is looked at; of those beyond `limits.entries` the first few are kept of which
  /// `isOfInterest` says so.
  package static func list(
    _ data: [UInt8], limits: ArchiveLimits = ArchiveLimits(),
    isOfInterest: @escaping (ArchiveMember) -> Bool = { _ in false }
  ) -> ArchiveListing {
    var session = ArchiveSession(limits: limits, isOfInterest)
    session.listing.declaredType = Zip.declaredType(of: data)
    session.queue(data, depth: 1)
    while let next = session.pending.popLast() {
      Zip.list(next.data, depth: next.depth, &session)
    }
    session.listing.unpackedBytes = max(0, limits.bytes &- session.bytesLeft)
    return session.listing
  }

  /// Whether a name, cleaned and in lower case, says that it is a zip archive.
  package static func isArchive(named name: String) -> Bool { isArchiveName(Array(name.utf8)) }

  /// Whether the last part of a path says that it is a zip archive.
  static func isArchiveName(_ path: [UInt8]) -> Bool {
    guard let dot = path.lastIndex(of: UInt8(ascii: ".")) else { return false }
    // White space at the end of a name goes where the file is made.
    let end = path[(dot &+ 1)...].prefix(8).filter { $0 > 0x20 }
    return extensions.contains(String(decoding: end, as: UTF8.self).lowercased())
  }
}

/// The reading of one attachment: what was found, what is left to read, what is left to spend.
struct ArchiveSession {
  /// Of a longer path the end is kept, where its extension is.
  static let longestPath = 4096

  /// How many members are kept beyond those that there is room for: one would do.
  static let mostBeyond = 4

  let limits: ArchiveLimits
  /// Asked of members that there is no room for.
  let isOfInterest: (ArchiveMember) -> Bool
  var listing = ArchiveListing()
  fileprivate(set) var pending: [(data: [UInt8], depth: Int)] = []
  private var seen: Set<[UInt8]> = []
  private(set) var bytesLeft: Int

  init(limits: ArchiveLimits, _ isOfInterest: @escaping (ArchiveMember) -> Bool) {
    self.limits = limits
    self.isOfInterest = isOfInterest
    bytesLeft = limits.bytes
  }

  /// Pays for opening one member; false when enough were opened.
  mutating func visit() -> Bool {
    guard listing.visits < limits.visits else {
      listing.problems.insert(.tooManyEntries)
      return false
    }
    listing.visits &+= 1
    return true
  }

  /// Takes an archive to be read.
  mutating func queue(_ data: [UInt8], depth: Int) {
    if depth > 1 { listing.holdsArchives = true }
    if depth > limits.depth {
      listing.problems.insert(.tooDeep)
    } else {
      pending.append((data, depth))
    }
  }

  /// Takes a member unless there is one of that path; false when nothing more is to be learnt.
  mutating func add(_ path: [UInt8], depth: Int) -> Bool {
    guard !path.isEmpty else {
      listing.problems.insert(.unreadableName)
      return true
    }
    let member = ArchiveMember(path: Array(path.suffix(Self.longestPath)), depth: depth)
    let isBeyond = listing.members.count >= limits.entries
    if isBeyond, !isOfInterest(member) { return true }
    // libarchive turns the backslashes of some archives into slashes.
    let key = member.path.map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 }
    guard !seen.contains(key) else { return true }
    guard listing.members.count < limits.entries &+ Self.mostBeyond else {
      listing.problems.insert(.tooManyEntries)
      return false
    }
    seen.insert(key)
    listing.members.append(member)
    return true
  }

  /// Pays for decompressed bytes; false when there are none left.
  mutating func spend(_ bytes: Int) -> Bool {
    bytesLeft &-= bytes
    guard bytesLeft >= 0 else {
      bytesLeft = 0
      listing.problems.insert(.tooLarge)
      return false
    }
    return true
  }
}
