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
  private let gate: SessionGate
  /// Set when this session, or its present message, is not let in.
  private let sessionRefusal: SessionGate.Refusal?
  private var messageRefusal: SessionGate.Refusal?
  private var isInMessage = false

  init(
    _ connection: (any MilterConnection)?, _ agreement: Agreement, _ gate: SessionGate,
    refusal: SessionGate.Refusal?
  ) {
    self.connection = connection
    self.agreement = agreement
    self.gate = gate
    sessionRefusal = refusal
  }

  /// Runs a step of the connection object, unless the session or message is not let in.
  func answer(
    _ step: Steps, _ context: OpaquePointer,
    _ body: (any MilterConnection, borrowing MTA) -> MilterReply
  ) -> sfsistat {
    let mta = MTA(context: context, leadingSpace: agreement.leadingSpace)
    guard let connection, sessionRefusal == nil, messageRefusal == nil else {
      let refusal = sessionRefusal ?? messageRefusal ?? .draining
      return status(.refuse(refusal.reply), step, mta)
    }
    return status(body(connection, mta), step, mta)
  }

  func beginMessage() {
    endMessage()
    guard sessionRefusal == nil else { return }
    messageRefusal = gate.admitMessage()
    isInMessage = messageRefusal == nil
  }

  func endMessage() {
    messageRefusal = nil
    if isInMessage {
      isInMessage = false
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
    if sessionRefusal == nil { gate.sessionEnded() }
  }

  private func status(_ reply: MilterReply, _ step: Steps, _ mta: borrowing MTA) -> sfsistat {
    // With anything else libmilter writes to syslog for each step.
    guard !agreement.unanswered.contains(step) || step.isEmpty else { return SMFIS_NOREPLY }
    switch reply {
    case .proceed: return SMFIS_CONTINUE
    case .accept: return SMFIS_ACCEPT
    case .discard: return SMFIS_DISCARD
    case .skipBody:
      return step == .body && agreement.canSkipBody ? SMFIS_SKIP : SMFIS_CONTINUE
    case .refuse(let reply):
      // A multi-line reply is not allowed at CONNECT. Where the text is not taken, the refusal
      // stands with the MTA's own.
      _ = mta.setReply(reply, multiline: step != .connect)
      return reply.severity == .permanent ? SMFIS_REJECT : SMFIS_TEMPFAIL
    }
  }
}
