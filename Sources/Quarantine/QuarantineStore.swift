// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Digests
package import Environment
package import Mail
package import Store

/// The quarantine as policy modules see it.
package protocol QuarantineStore: Sendable {
  /// Keeps an original: header and body as they came, in pieces, and what is to be known of it.
  /// `time`, `size` and `digest` of `mail` are filled in.
  ///
  /// When it returns, the message is on the disk and indexed, so that the MTA can be told that it is
  /// taken. When it throws, nothing of it is left behind. The same message under the same reference
  /// a second time changes nothing.
  func keep(
    _ content: [ArraySlice<UInt8>], as mail: KeptMail, by deadline: Deadline
  ) throws(QuarantineTrouble)

  /// Forgets what was kept under a reference, file and index; what was not kept is forgotten already.
  ///
  /// - Throws: when the index, or the file that it no longer knows, may be left.
  func forget(_ reference: String, by deadline: Deadline) throws(QuarantineTrouble)

  /// Whether a token of that id was given out: a cheap question, asked before a message's digest is
  /// made.
  func knows(_ token: ReleaseToken) throws(QuarantineTrouble) -> Bool

  /// Takes a token, once, for the message in hand: `digest` is that of what follows the token's
  /// field, `reference` the name under which the message passes.
  func redeem(
    _ token: ReleaseToken, for digest: SHA256Digest, to recipients: [MailText],
    by reference: String, deadline: Deadline
  ) throws(QuarantineTrouble) -> Redemption
}

/// What became of a token.
package enum Redemption: Sendable, Equatable {
  /// It was good and is used now. The index may have forgotten the original meanwhile.
  case good(Release, original: KeptMail?)
  case bad(TokenFault)
}

/// Why a token counts for nothing.
package enum TokenFault: String, Sendable {
  /// It is not written as tokens are.
  case unreadable
  /// Other fields stand above it.
  case notOnTop = "not-on-top"
  /// Nobody gave it out here.
  case unknown
  /// Its code does not fit what it says.
  case forged
  /// It was made for another message.
  case otherMessage = "other-message"
  /// It was made for other recipients.
  case otherRecipients = "other-recipients"
  case used
  case expired
}

/// No quarantine: nothing can be kept, and no token is good.
package struct NoQuarantine: QuarantineStore {
  package init() {}

  package func keep(
    _ content: [ArraySlice<UInt8>], as mail: KeptMail, by deadline: Deadline
  ) throws(QuarantineTrouble) { throw .absent }

  package func forget(_ reference: String, by deadline: Deadline) throws(QuarantineTrouble) {}

  package func knows(_ token: ReleaseToken) throws(QuarantineTrouble) -> Bool { false }

  package func redeem(
    _ token: ReleaseToken, for digest: SHA256Digest, to recipients: [MailText],
    by reference: String, deadline: Deadline
  ) throws(QuarantineTrouble) -> Redemption { .bad(.unknown) }
}
