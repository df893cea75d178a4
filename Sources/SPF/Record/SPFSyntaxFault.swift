// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail

/// Why a record is not what RFC 7208 calls one; its check is a permerror.
package struct SPFSyntaxFault: Error, Sendable, Equatable {
  /// What is wrong, with the term in question, safe to show.
  package let message: String

  init(_ message: String) { self.message = message }

  /// The fault of a term as published, of which at most 100 bytes are shown.
  init(_ message: String, _ term: some Sequence<UInt8>) {
    self.message = "\(message): \(MailText(term.prefix(100)))"
  }
}
