// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import FoundationEssentials
package import Mail
package import Store

/// `bmsd quarantine`. References are as a person types them.
package enum QuarantineRequest: Codable, Sendable {
  /// `mail` rows, the newest first, each with `missing` where its file is; then `counted`.
  case list(limit: Int, skip: Int)
  /// A `mail` row, `missing` where its file is, and `release` rows.
  case show(String)
  /// The `release` rows of a message, released or original, and a `mail` row if it is kept.
  case history(String)
  /// `name`, then `piece`s: of the original, or of a part of it, decoded.
  case content(String, part: String?)
  case delete(String)
  /// `progress`, then `deleted`: what was kept for longer, in milliseconds.
  case purge(olderThan: Int64)
  /// `waiting` about every ten seconds, then `sent`.
  case release(ReleaseRequest)
}

/// `bmsd quarantine release`.
package struct ReleaseRequest: Codable, Sendable {
  /// How a message goes to its recipients.
  package enum Form: String, Codable, Sendable, CaseIterable { case original, attached }

  package var reference: String
  package var form: Form
  /// A part to send alone, attached.
  package var part: String?
  /// Whom to send it to; nil for those it was for.
  package var recipient: String?
  package var reason: String

  package init(
    reference: String, form: Form, part: String?, recipient: String?, reason: String
  ) {
    self.reference = reference
    self.form = form
    self.part = part
    self.recipient = recipient
    self.reason = reason
  }
}

/// A row of the answer to a `QuarantineRequest`.
package enum QuarantineRow: Codable, Sendable, Equatable {
  case mail(KeptMail)
  /// What is not there of the original of that reference, whose `mail` came before.
  case missing(String, String)
  case release(Release)
  /// How many messages are kept, and their bytes.
  case counted(Int, bytes: Int)
  /// A name for a file, without anything that a file system or a terminal minds.
  case name(String)
  case piece(Data)
  case progress(Int)
  /// How many, the bytes of their files, and how many had none any more.
  case deleted(Int, bytes: Int, missing: Int)
  case waiting
  case sent(to: [MailText], reply: String)
}
