// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Mail

extension MilterSession {
  /// What became of one recipient.
  public struct RecipientReply: Sendable, Equatable {
    /// The recipient as offered.
    public var recipient: EditedMessage.Recipient
    /// The filter's answer.
    public var reply: StepReply
  }

  /// What became of one message.
  public struct Outcome: Sendable, Equatable {
    /// The answer to MAIL.
    public internal(set) var mail = StepReply.notSent
    /// The answer to each recipient, in the order offered.
    public internal(set) var recipients: [RecipientReply] = []
    /// The answer to DATA.
    public internal(set) var data = StepReply.notSent
    /// The answer to each header field.
    public internal(set) var headers: [StepReply] = []
    /// The answer to the end of the header.
    public internal(set) var endOfHeaders = StepReply.notSent
    /// The answer to each piece of the body.
    public internal(set) var body: [StepReply] = []
    /// The answer to the end of the message, nil when it was decided before.
    public internal(set) var endOfMessage: EndOfMessage?
    /// The answer that decided. Where all recipients are refused it is the last one's.
    public internal(set) var finalReply = StepReply.proceed
    /// The step that decided; CONNECT also stands for HELO.
    public internal(set) var decidedAt = WireCommand.endOfMessage
    /// The message with the recipients that are left; the filter's edits are made when it was
    /// accepted at its end.
    public internal(set) var message: EditedMessage

    /// The recipients that the filter did not refuse, also those it was never asked about.
    public var accepted: [EditedMessage.Recipient] {
      recipients.filter { !$0.reply.isRefusal }.map(\.recipient)
    }
    /// The recipients that the filter refused or deferred.
    public var refused: [RecipientReply] { recipients.filter(\.reply.isRefusal) }
    /// What the filter wants changed.
    public var edits: [Edit] { endOfMessage?.edits ?? [] }
    /// Whether the MTA takes the message, be it to throw it away.
    public var isAccepted: Bool { !finalReply.isRefusal }
  }

  /// Passes a message to the filter as an MTA does, from MAIL to the end, and gives the verdict.
  ///
  /// Call it after `negotiate`, `connect` and `helo`; any number of times. A message that is
  /// decided before its end is ended with ABORT. When the connection was decided, nothing is sent.
  ///
  /// - Parameters:
  ///   - message: the message and its envelope.
  ///   - chunkSize: the length of the pieces that the body is cut into, at least 1.
  /// - Returns: all answers, the edits, and the message with the edits made.
  /// - Throws: what no MTA would put up with.
  public func send(
    _ message: EditedMessage, chunkSize: Int = 65_535
  ) throws(MilterClientError) -> Outcome {
    var outcome = Outcome(message: message)
    if let connectionReply {
      outcome.finalReply = connectionReply
      outcome.decidedAt = .connect
      outcome.recipients = message.recipients.map { RecipientReply(recipient: $0, reply: .notSent) }
      return outcome
    }
    var isDecided = try envelope(message, &outcome)
    if !isDecided { isDecided = try content(message, chunkSize, &outcome) }
    outcome.message.recipients = outcome.accepted
    if isDecided {
      try abort()
      return outcome
    }
    let end = try endOfMessage()
    outcome.endOfMessage = end
    outcome.finalReply = end.reply
    if end.reply == .proceed || end.reply == .accept {
      for modification in end.modifications { outcome.message.apply(modification) }
    }
    return outcome
  }

  /// MAIL, RCPT and DATA; gives whether the message is decided then.
  private func envelope(
    _ message: EditedMessage, _ outcome: inout Outcome
  ) throws(MilterClientError) -> Bool {
    outcome.mail = try mail(Self.arguments(message.sender, message.senderParameters))
    if outcome.decide(outcome.mail, at: .mail) {
      outcome.recipients = message.recipients.map { RecipientReply(recipient: $0, reply: .notSent) }
      return true
    }
    // An answer to RCPT refuses this recipient, or decides on the whole message.
    var isDecided = false
    for recipient in message.recipients {
      var reply = StepReply.notSent
      if !isDecided {
        reply = try rcpt(Self.arguments(recipient.address, recipient.parameters))
        if !reply.isRefusal || reply.endsConnection {
          isDecided = outcome.decide(reply, at: .rcpt)
        }
      }
      outcome.recipients.append(RecipientReply(recipient: recipient, reply: reply))
    }
    if isDecided { return true }
    if outcome.accepted.isEmpty, let last = outcome.recipients.last {
      return outcome.decide(last.reply, at: .rcpt)
    }
    outcome.data = try data()
    return outcome.decide(outcome.data, at: .data)
  }

  /// Header and body; gives whether the message is decided then.
  private func content(
    _ message: EditedMessage, _ chunkSize: Int, _ outcome: inout Outcome
  ) throws(MilterClientError) -> Bool {
    for field in message.headers {
      let reply = try header(field)
      outcome.headers.append(reply)
      if outcome.decide(reply, at: .header) { return true }
    }
    outcome.endOfHeaders = try endOfHeaders()
    if outcome.decide(outcome.endOfHeaders, at: .endOfHeaders) { return true }
    var rest = message.body[...]
    while !rest.isEmpty, !negotiated.steps.contains(.noBody) {
      let chunk = rest.prefix(max(chunkSize, 1))
      rest = rest.dropFirst(chunk.count)
      let reply = try body(chunk)
      outcome.body.append(reply)
      if reply == .skip { break }
      if outcome.decide(reply, at: .body) { return true }
    }
    return false
  }

  private static func arguments(_ address: MailText, _ parameters: MailText?) -> [MailText] {
    [address] + (parameters?.bytes.split(separator: 0x20).map { MailText($0) } ?? [])
  }
}

extension MilterSession.Outcome {
  /// Notes the answer as the one that decided, if it is; gives whether it is.
  fileprivate mutating func decide(_ reply: StepReply, at command: WireCommand) -> Bool {
    guard !reply.isOpen else { return false }
    finalReply = reply
    decidedAt = command
    return true
  }
}
