// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// One change to a message that the MTA is asked to make at end of message.
///
/// Values are bytes as they shall stand in the message. Header values carry no leading space:
/// whoever hands the edit to an MTA adds it where the negotiated protocol wants it.
public enum Edit: Sendable, Equatable {
  /// Adds a field below all others.
  case addHeader(name: String, value: MailText)
  /// Inserts a field before the field at `index`; 0 is the very top.
  case insertHeader(index: Int, name: String, value: MailText)
  /// Replaces the value of the `occurrence`-th field of that name, counted from 1; a nil value
  /// deletes it. Delete from the highest occurrence down.
  case changeHeader(name: String, occurrence: Int, value: MailText?)
  /// Adds an envelope recipient, with ESMTP parameters (`NOTIFY=NEVER`) or without.
  case addRecipient(MailText, parameters: MailText?)
  /// Removes an envelope recipient, spelt exactly as the MTA gave it.
  case deleteRecipient(MailText)
  /// Replaces the reverse-path.
  case changeSender(MailText, parameters: MailText?)
  /// Replaces the whole body; lines end in CRLF. An empty array empties it.
  case replaceBody([UInt8])
  /// Puts the message into the MTA's hold queue; the reason is never empty.
  case quarantine(reason: String)
}
