// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import Glibc
package import Mail

/// Hands one message to our own MTA (RFC 5321), for a thread that nobody waits for.
///
/// The server is believed nothing: replies are bounded, every step has a limit, and what is sent
/// ends where we end it.
package struct SMTPClient {
  private let address: SMTPAddress
  private let hello: String
  /// How long each step may take.
  private let limit: Duration
  private let time: any TimeSource
  private let waiting: () -> Void

  /// The bytes that are sent between two looks at the clock.
  private static let pieceSize = 65_536

  /// A client of the server at `address` that calls itself `hello` and waits at most `limit` for each
  /// step by `time`; `waiting` is called about every ten seconds of a wait.
  package init(
    _ address: SMTPAddress, hello: String, limit: Duration, time: any TimeSource,
    waiting: @escaping () -> Void = {}
  ) {
    self.address = address
    self.hello = hello
    self.limit = limit
    self.time = time
    self.waiting = waiting
  }

  /// The envelope of a message, and what must be known of its content beforehand.
  package struct Envelope: Sendable {
    /// The sender's address without brackets; empty for the null reverse-path.
    package var sender: MailText
    /// The recipients' addresses without brackets.
    package var recipients: [MailText]
    /// About how many bytes will be sent.
    package var size: Int
    /// Whether any byte is above 127.
    package var isEightBit: Bool

    package init(sender: MailText, recipients: [MailText], size: Int, isEightBit: Bool) {
      self.sender = sender
      self.recipients = recipients
      self.size = size
      self.isEightBit = isEightBit
    }
  }

  /// What became of a message that was taken for one recipient at least.
  package struct Outcome: Sendable {
    package var accepted: [MailText] = []
    package var refused: [(recipient: MailText, reply: SMTPServerReply)] = []
    /// The server's answer to the content.
    package var reply: SMTPServerReply
  }

  /// Sends a message. `content` is made when the recipients that the server takes are known; it is
  /// sent byte for byte, but for dots doubled as RFC 5321 §4.5.2 has it, line feeds without CR, which
  /// must not be sent (§2.3.8), and the end of the last line.
  package func send(
    _ envelope: Envelope,
    content: (_ accepted: [MailText]) throws(SubmissionTrouble) -> [ArraySlice<UInt8>]
  ) throws(SubmissionTrouble) -> Outcome {
    try Self.check(envelope)
    let socket: SMTPSocket
    do {
      socket = try SMTPSocket(address, within: limit, by: time, waiting: waiting)
    } catch {
      throw SubmissionTrouble(error, at: .connect, address)
    }
    return try send(envelope, over: socket, content)
  }

  /// Sends a message as `send(_:content:)` does, over a connection that is there already and is closed
  /// then.
  package func send(
    _ envelope: Envelope, overConnected descriptor: Int32,
    content: (_ accepted: [MailText]) throws(SubmissionTrouble) -> [ArraySlice<UInt8>]
  ) throws(SubmissionTrouble) -> Outcome {
    let socket = SMTPSocket(connected: descriptor, by: time)
    try Self.check(envelope)
    return try send(envelope, over: socket, content)
  }

  private static func check(_ envelope: Envelope) throws(SubmissionTrouble) {
    for address in [envelope.sender] + envelope.recipients where !isSafe(address) {
      throw .badAddress(address)
    }
  }

  private func send(
    _ envelope: Envelope, over socket: SMTPSocket,
    _ content: (_ accepted: [MailText]) throws(SubmissionTrouble) -> [ArraySlice<UInt8>]
  ) throws(SubmissionTrouble) -> Outcome {
    let session = Session(socket: socket, limit: limit, address: address)
    let extensions = try session.greet(hello)
    try session.expect("MAIL FROM:<", envelope.sender, try parameters(envelope, extensions), .mail)
    var accepted: [MailText] = []
    var refused: [(recipient: MailText, reply: SMTPServerReply)] = []
    for recipient in envelope.recipients {
      let reply = try session.ask("RCPT TO:<", recipient, "", .recipient)
      if reply.isPositive { accepted.append(recipient) } else { refused.append((recipient, reply)) }
      // The server will not listen any more (RFC 5321 §3.8).
      if reply.code == 421 { throw .refused(.recipient, reply) }
    }
    guard !accepted.isEmpty else {
      session.quit()
      guard let first = refused.first else { throw .noRecipient }
      throw .refused(.recipient, first.reply)
    }
    let pieces = try content(accepted)
    try session.expect("DATA", .data, code: 354)
    let reply = try session.sendContent(pieces, pieceSize: Self.pieceSize)
    session.quit()
    guard reply.isPositive else { throw .refused(.content, reply) }
    return Outcome(accepted: accepted, refused: refused, reply: reply)
  }

  private func parameters(
    _ envelope: Envelope, _ extensions: SMTPExtensions
  ) throws(SubmissionTrouble) -> String {
    var text = ""
    if let largest = extensions.size {
      guard largest == 0 || envelope.size <= largest else {
        throw .tooLarge(envelope.size, largest: largest)
      }
      text += " SIZE=\(envelope.size)"
    }
    if envelope.isEightBit {
      guard extensions.isEightBit else { throw .lacks("8BITMIME") }
      text += " BODY=8BITMIME"
    }
    if ([envelope.sender] + envelope.recipients).contains(where: \.hasEightBit) {
      guard extensions.isUTF8 else { throw .lacks("SMTPUTF8") }
      text += " SMTPUTF8"
    }
    return text
  }

  /// Whether an address can stand between angle brackets and nowhere else.
  package static func isSafe(_ address: MailText) -> Bool {
    guard address.bytes.count <= 1000 else { return false }
    var isQuoted = false
    var isEscaped = false
    for byte in address.bytes {
      guard byte >= 0x20, byte != 0x7F else { return false }
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\"), isQuoted {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else if !isQuoted, byte == 0x20 || byte == UInt8(ascii: "<") || byte == UInt8(ascii: ">") {
        return false
      }
    }
    return !isQuoted && !isEscaped
  }
}

extension MailText {
  fileprivate var hasEightBit: Bool { bytes.contains { $0 > 0x7F } }
}
