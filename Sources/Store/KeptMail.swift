// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// What the index knows of an original in the quarantine; the bytes are in a file of their own.
package struct KeptMail: Sendable, Codable, Equatable {
  /// A part that was taken out of the message before it went on.
  package struct Part: Sendable, Codable, Equatable {
    /// Its place in the MIME tree, as `1.2`.
    package var number: String
    /// The name that clients would give it, as it came.
    package var name: MailText
    /// Its media type.
    package var type: MailText
    /// In bytes, decoded.
    package var size: Int
    /// SHA-256 of the decoded bytes, 64 hexadecimal digits.
    package var digest: String

    package init(number: String, name: MailText, type: MailText, size: Int, digest: String) {
      self.number = number
      self.name = name
      self.type = type
      self.size = size
      self.digest = digest
    }
  }

  /// The message's reference: ten characters of its alphabet.
  package var reference: String
  /// When it was kept, in milliseconds since 1970.
  package var time: Int64
  /// The reverse-path as the MTA gave it.
  package var sender: MailText
  /// The forward-paths as the MTA gave them.
  package var recipients: [MailText]
  package var subject: MailText?
  /// The MTA's queue id.
  package var queueID: MailText?
  /// The client's address, as the trail has it.
  package var client: MailText
  /// The user that authenticated.
  package var user: MailText?
  /// What kind of client it was, in words: `external ptr=present`. Given back at release.
  package var clientClass: String
  /// `incoming` or `outgoing`. Given back at release.
  package var direction: String
  /// The section name of the module that kept it.
  package var module: String
  /// Why it was kept, for people; may hold hostile bytes.
  package var reason: MailText
  /// Bytes of the original, header and body.
  package var size: Int
  /// SHA-256 of the original.
  package var digest: String
  /// What was taken out; empty when the whole message was kept away.
  package var parts: [Part]

  package init(
    reference: String, time: Int64, sender: MailText, recipients: [MailText],
    subject: MailText? = nil, queueID: MailText? = nil, client: MailText = "",
    user: MailText? = nil, clientClass: String = "", direction: String = "", module: String,
    reason: MailText, size: Int, digest: String, parts: [Part] = []
  ) {
    self.reference = reference
    self.time = time
    self.sender = sender
    self.recipients = recipients
    self.subject = subject
    self.queueID = queueID
    self.client = client
    self.user = user
    self.clientClass = clientClass
    self.direction = direction
    self.module = module
    self.reason = reason
    self.size = size
    self.digest = digest
    self.parts = parts
  }
}

/// One release: a token that lets a message past the filter once.
package struct Release: Sendable, Codable, Equatable {
  /// The token's own name: 32 hexadecimal digits of randomness.
  package var id: String
  /// The original in the quarantine.
  package var reference: String
  /// When the token was made, and when it ends, in milliseconds since 1970.
  package var made: Int64
  package var until: Int64
  /// When the filter let the message pass, and under which reference; nil before.
  package var used: Int64?
  package var usedBy: String?
  /// The forward-paths that the message was sent to.
  package var recipients: [MailText]
  /// The digest of what was sent, 64 hexadecimal digits.
  package var digest: String
  /// How many header fields after the token's that digest covers.
  package var fields: Int
  /// `original`, `attached` or `part 1.2`.
  package var form: String
  /// Who released it: `root (uid 0)`.
  package var caller: String
  /// Why, in the caller's words.
  package var reason: String

  package init(
    id: String, reference: String, made: Int64, until: Int64, recipients: [MailText],
    digest: String, fields: Int, form: String, caller: String, reason: String
  ) {
    self.id = id
    self.reference = reference
    self.made = made
    self.until = until
    self.recipients = recipients
    self.digest = digest
    self.fields = fields
    self.form = form
    self.caller = caller
    self.reason = reason
  }
}
