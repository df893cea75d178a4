// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A kind of archive: how it is recognised and read. Others than zip find their place here.
protocol ArchiveFormat {
  /// Lists what is in an archive; archives in it go to `session` to be read next.
  static func list(_ archive: PendingArchive, _ session: inout ArchiveSession)
}

/// Lists archives in attachments.
package enum ArchiveReader {
  /// Names of files end so that programs open as zip.
  package static let extensions: Set<String> = [
    "zip", "zipx", "jar", "war", "ear", "apk", "xpi", "crx", "whl", "epub", "kmz", "nupkg", "vsix",
  ]

  /// Lists what is in `data`, whatever stands before and behind the archive in it.
  ///
  /// Every name is looked at; of those beyond `limits.entries` the first few are kept that `judge`
  /// finds of interest.
  package static func list(
    _ data: [UInt8], limits: ArchiveLimits = ArchiveLimits(),
    judge: @escaping (ArchiveMember) -> MemberJudgement? = { member in
      ArchiveReader.isArchiveName(member.path) ? .archive : nil
    }
  ) -> ArchiveListing {
    var session = ArchiveSession(limits: limits, judge)
    session.listing.declaredType = Zip.declaredType(of: data)
    session.queue(data, depth: 1)
    while let next = session.pending.popLast() { Zip.list(next, &session) }
    session.listing.unpackedBytes = max(0, limits.bytes &- session.bytesLeft)
    session.listing.searchedBytes = max(0, limits.searchedBytes &- session.searchLeft)
    return session.listing
  }

  /// Whether a name, cleaned and in lower case, says that it is a zip archive.
  package static func isArchive(named name: String) -> Bool { isArchiveName(Array(name.utf8)) }

  /// Whether the last part of a path says that it is a zip archive.
  package static func isArchiveName(_ path: [UInt8]) -> Bool {
    guard let dot = path.lastIndex(of: UInt8(ascii: ".")) else { return false }
    // White space at the end of a name goes where the file is made.
    let end = path[(dot &+ 1)...].prefix(8).filter { $0 > 0x20 }
    return extensions.contains(String(decoding: end, as: UTF8.self).lowercased())
  }
}

/// What the name of a member asks for.
package enum MemberJudgement: Sendable {
  /// That it be kept.
  case interest
  /// That it be opened as an archive.
  case archive
  /// That its content be given out as a message.
  case message
}

/// An archive that is to be read.
struct PendingArchive {
  var data: [UInt8]
  var depth: Int
  /// Whether its name or its first bytes say that it is one, so that it is damaged if it cannot be
  /// read. Of other data only a mark was found somewhere, maybe by chance.
  var isCertain = true
}

/// The reading of one attachment: what was found, what is left to read, what is left to spend.
struct ArchiveSession {
  /// Of a longer path the end is kept, where its extension is.
  static let longestPath = 4096

  /// How many members are kept beyond those that there is room for: one would do.
  static let mostBeyond = 4

  let limits: ArchiveLimits
  /// What the name of a member asks for.
  let judge: (ArchiveMember) -> MemberJudgement?
  var listing = ArchiveListing()
  fileprivate(set) var pending: [PendingArchive] = []
  private var seen: Set<[UInt8]> = []
  private(set) var bytesLeft: Int
  /// Bytes in which an archive may still be searched that nothing announces.
  fileprivate private(set) var searchLeft: Int

  init(limits: ArchiveLimits, _ judge: @escaping (ArchiveMember) -> MemberJudgement?) {
    self.limits = limits
    self.judge = judge
    bytesLeft = limits.bytes
    searchLeft = limits.searchedBytes
  }

  /// Pays for bytes that are searched; false when there are none left.
  mutating func search(_ bytes: Int) -> Bool {
    searchLeft &-= bytes
    guard searchLeft >= 0 else {
      searchLeft = 0
      listing.problems.insert(.notSearched)
      return false
    }
    return true
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
  mutating func queue(_ data: [UInt8], depth: Int, isCertain: Bool = true) {
    if depth > limits.depth {
      listing.problems.insert(.tooDeep)
    } else {
      pending.append(PendingArchive(data: data, depth: depth, isCertain: isCertain))
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
    if isBeyond, judge(member) != .interest { return true }
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
