// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// How far an archive is looked into. What lies beyond is reported as a problem.
package struct ArchiveLimits: Sendable, Equatable {
  /// Members that are kept, those of archives in archives included; names beyond are still looked
  /// at.
  package var entries = 10_000
  /// Members that are opened to see whether they are archives; one that several directories list
  /// is opened for each.
  package var visits = 40_000
  /// Archives in archives, the attachment itself being the first.
  package var depth = 8
  /// Decompressed bytes for each compressed one, of a member of more than a megabyte.
  package var ratio = 200
  /// Decompressed bytes of a message, those of archives and messages in archives.
  package var bytes = 64 << 20
  /// Decompressed bytes of a message that are searched for archives which no name announces.
  package var searchedBytes = 64 << 20

  /// The limits that hold by default.
  package init() {}
}

/// A file in an archive.
package struct ArchiveMember: Sendable, Hashable {
  /// The path as the archive has it, separators included; it may hold any bytes.
  package var path: [UInt8]
  /// How many archives it is in.
  package var depth: Int

  /// The path as text: UTF-8 where it is, else each byte a character.
  package var text: String {
    if let text = String(validating: path, as: UTF8.self) { return text }
    var text = String.UnicodeScalarView()
    for byte in path { text.append(Unicode.Scalar(byte)) }
    return String(text)
  }
}

/// What keeps an archive from being inspected, or makes it suspect.
package enum ArchiveProblem: String, Sendable, Hashable, CaseIterable {
  /// It cannot be opened, or ends too early.
  case damaged
  /// A member, or the directory, is encrypted.
  case encrypted
  /// A member has no name, or one that cannot be read.
  case unreadableName = "unreadable-name"
  /// Not all members could be opened, or not all names be looked at.
  case tooManyEntries = "too-many-entries"
  case tooDeep = "too-deep"
  case tooLarge = "too-large"
  /// There is more in it than is searched for archives that no name announces.
  case notSearched = "not-searched"
  /// A member grows more than a file does: a bomb.
  case ratio
}

/// What is in an archive.
package struct ArchiveListing: Sendable, Equatable {
  /// All members that some program could see, those of archives in it too.
  package var members: [ArchiveMember] = []
  /// What is wrong with it.
  package var problems: Set<ArchiveProblem> = []
  /// The content of members that are messages.
  package var messages: [[UInt8]] = []
  /// Whether there is an archive at all.
  package var isArchive = false
  /// Whether there are archives in it.
  package var holdsArchives = false
  /// The media type that it says it has, by a first member `mimetype` as EPUB (OCF 3.3 §4.3) and
  /// OpenDocument have it; nil where there is none.
  package var declaredType: String?
  /// How many bytes were decompressed.
  package var unpackedBytes = 0
  /// How many bytes were searched for archives.
  package var searchedBytes = 0
  /// How many members were opened.
  package var visits = 0

  /// An archive without anything in it, or none.
  package init() {}
}
