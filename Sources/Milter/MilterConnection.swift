// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Mail

/// What a callback answers. On a step that was negotiated as no-reply only `proceed` has meaning.
public enum MilterReply: Sendable, Equatable {
  /// Go on with the next step.
  case proceed
  /// Accept without further questions: the connection, the message or, at RCPT, the recipient.
  case accept
  /// Tell the client 250 and drop the message.
  case discard
  /// Refuse: the recipient at RCPT, else the message or, at CONNECT and HELO, the connection.
  case refuse(SMTPReply)
  /// Send no more of the body; end of message still comes. Elsewhere the same as `proceed`.
  case skipBody
}

/// One SMTP connection.
///
/// Called from one thread at a time, but not always the same thread: keep no thread-local state
/// and hold no lock from one call to the next. `abort` ends a message, `close` the connection;
/// after `close` nothing is called. A connection may carry many messages, and any call may come
/// without the ones that SMTP would put before it.
public protocol MilterConnection: AnyObject {
  /// The client connected.
  func connect(_ peer: Peer, _ mta: borrowing MTA) -> MilterReply
  /// HELO or EHLO, possibly again.
  func hello(_ name: MailText, _ mta: borrowing MTA) -> MilterReply
  /// MAIL: the reverse-path and its ESMTP parameters. A new message begins.
  func envelopeFrom(_ arguments: [MailText], _ mta: borrowing MTA) -> MilterReply
  /// RCPT: the forward-path and its ESMTP parameters, also of recipients the MTA itself refuses.
  func envelopeRecipient(_ arguments: [MailText], _ mta: borrowing MTA) -> MilterReply
  /// DATA.
  func data(_ mta: borrowing MTA) -> MilterReply
  /// A command the MTA does not know. Its text is not passed on: libmilter does not make sure that
  /// it ends within its packet.
  func unknown(_ mta: borrowing MTA) -> MilterReply
  /// One header field.
  func header(_ field: HeaderField, _ mta: borrowing MTA) -> MilterReply
  /// The header section ended.
  func endOfHeaders(_ mta: borrowing MTA) -> MilterReply
  /// A piece of the body, cut anywhere; lives as long as the call.
  func body(_ chunk: RawSpan, _ mta: borrowing MTA) -> MilterReply
  /// The message is complete: the only place where it can be edited.
  func endOfMessage(_ mta: borrowing MTA) -> MilterReply
  /// The message ended without end of message.
  func abort()
  /// The connection ended. Must not block: libmilter may hold a lock of its own.
  func close()
}

/// Makes a connection object for each connection of the MTA.
///
/// The only value libmilter's threads share: it must be `Sendable` and immutable. A reload puts a
/// new factory in its place; a connection keeps what it began with.
public protocol MilterConnectionFactory: Sendable {
  /// What every connection of this factory wants of the MTA.
  var negotiation: Negotiation { get }
  /// Called at negotiation, on any thread.
  func makeConnection() -> any MilterConnection
  /// The answer to a session or a message that is not let in; called for each.
  func reply(to refusal: SessionGate.Refusal) -> SMTPReply
}

extension MilterConnectionFactory {
  /// The plain answer.
  public func reply(to refusal: SessionGate.Refusal) -> SMTPReply { refusal.reply }
}
