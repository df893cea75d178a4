// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import CMilter
internal import Mail

/// One libmilter session: the connection object and what was agreed with its MTA.
///
/// Between the C callbacks and the connection object: it keeps the gate's counts right whatever
/// order the MTA's commands come in, turns sessions away, and knows which answers must not be given.
final class MilterSession {
  let agreement: Agreement
  private let connection: (any MilterConnection)?
  private let factory: any MilterConnectionFactory
  private let gate: SessionGate
  /// The answer when this session, or its present message, is not let in.
  private let sessionRefusal: SMTPReply?
  private var messageRefusal: SMTPReply?
  /// Whether the gate counts the present message.
  private var isCounted = false

  init(_ service: MilterRuntime.Service, _ agreement: Agreement, refusal: SessionGate.Refusal?) {
    self.agreement = agreement
    gate = service.gate
    factory = service.factory
    connection = refusal == nil ? service.factory.makeConnection() : nil
    sessionRefusal = refusal.map { service.factory.reply(to: $0) }
  }

  /// Runs a step of the connection object, unless the session or message is not let in.
  func answer(
    _ step: Steps, _ context: OpaquePointer,
    _ body: (any MilterConnection, borrowing MTA) -> MilterReply
  ) -> sfsistat {
    let mta = MTA(context: context, leadingSpace: agreement.leadingSpace)
    if let refusal = sessionRefusal ?? messageRefusal { return status(.refuse(refusal), step, mta) }
    guard let connection else { return SMFIS_TEMPFAIL }
    // Counted before it is judged: a drain that begins meanwhile waits for it.
    let isFirst = step == .recipient && !isCounted
    if isFirst {
      if let refusal = gate.messageBegins() {
        connection.abort()
        let reply = factory.reply(to: refusal)
        messageRefusal = reply
        return status(.refuse(reply), step, mta)
      }
      isCounted = true
    }
    let reply = body(connection, mta)
    switch (step, reply) {
    case (.recipient, .proceed), (.recipient, .accept): break
    case (.recipient, _) where isFirst:
      isCounted = false
      gate.messageEnded()
    case (.data, .refuse) where !agreement.unanswered.contains(.data):
      // libmilter takes the message for ended and lets no abort through.
      let status = status(reply, step, mta)
      abort()
      return status
    default: break
    }
    return status(reply, step, mta)
  }

  func beginMessage() {
    endMessage()
    guard sessionRefusal == nil, let refusal = gate.admitMessage() else { return }
    messageRefusal = factory.reply(to: refusal)
  }

  func endMessage() {
    messageRefusal = nil
    if isCounted {
      isCounted = false
      gate.messageEnded()
    }
  }

  func abort() {
    if messageRefusal == nil { connection?.abort() }
    endMessage()
  }

  func close() {
    endMessage()
    connection?.close()
    gate.sessionEnded(wasTurnedAway: sessionRefusal != nil)
  }

  private func status(_ reply: MilterReply, _ step: Steps, _ mta: borrowing MTA) -> sfsistat {
    // With anything else libmilter writes to syslog for each step.
    guard !agreement.unanswered.contains(step) || step.isEmpty else { return SMFIS_NOREPLY }
    switch reply {
    case .proceed: return SMFIS_CONTINUE
    case .accept: return SMFIS_ACCEPT
    case .discard: return SMFIS_DISCARD
    case .skipBody: return step == .body && agreement.canSkipBody ? SMFIS_SKIP : SMFIS_CONTINUE
    case .refuse(let reply):
      // A multi-line reply is not allowed at CONNECT. Where the text is not taken, the refusal
      // stands with the MTA's own.
      _ = mta.setReply(reply, multiline: step != .connect)
      return reply.severity == .permanent ? SMFIS_REJECT : SMFIS_TEMPFAIL
    }
  }
}
