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
