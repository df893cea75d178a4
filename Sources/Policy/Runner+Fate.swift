// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Mail
internal import Milter

extension Runner {
  // MARK: the message's fate

  /// The first refusal of a stage that concerns the message as a whole, told to the client.
  func firstRefusal(
    from stage: Stage, _ t: Transaction, isFinal: Bool = true
  ) -> SMTPReply? {
    guard var held = message?.held else { return nil }
    var refusal: SMTPReply?
    // What our own trouble could not defer at RCPT, because the mail did not come by SMTP, it
    // defers here: it must not pass as if the module had run.
    let ofConnection = t.isNotSMTP ? self.held.filter(\.isTrouble) : []
    held = ofConnection + held
    for index in held.indices where refusal == nil {
      let isTrouble = t.isNotSMTP && held[index].isTrouble
      guard held[index].stage >= stage || isTrouble else { continue }
      let effect = effect(
        of: held[index].verdict, held[index].module, on: t.recipients, t,
        at: isTrouble ? stage : held[index].stage)
      guard isFinal else {
        if effect == .enforced { refusal = held[index].verdict.reply }
        continue
      }
      let bites = effect == .enforced && held[index].verdict.reply != nil
      guard bites || !held[index].isLogged else { continue }
      held[index].isLogged = true
      held[index].wasAnswered = true
      refusal = conclude(held[index].decision(effect, for: nil), t)
    }
    if isFinal { message?.held = Array(held.dropFirst(ofConnection.count)) }
    return refusal
  }

  /// Discards, holds or delivers a message that nothing refuses.
  func dispose(
    _ t: Transaction, _ isHeard: () -> Bool, _ apply: (Edit) -> Bool
  ) -> MilterReply {
    let verdicts = (held + (message?.held ?? [])).filter {
      effect(of: $0.verdict, $0.module, on: t.recipients, t, at: $0.stage) == .enforced
    }.map(\.verdict)
    let discarded = message?.discarded ?? []
    let isDiscarded = verdicts.contains { if case .discard = $0 { true } else { false } }
    // With all recipients deleted Postfix says 250 and drops the mail without a delivery line.
    if isDiscarded || (t.recipients.isEmpty && !discarded.isEmpty) {
      finish(.discarded)
      return .discard
    }
    let isQuarantined = verdicts.contains { if case .quarantine = $0 { true } else { false } }
    let keeping = keepOriginal(t)
    switch keeping {
    case .kept where isQuarantined:
      finish(.quarantined)
      return .discard
    case .failed(let reply): return reply
    case .kept, .notAsked: break
    }
    let reason = verdicts.lazy.compactMap { verdict -> Reason? in
      switch verdict {
      case .hold(let reason), .quarantine(let reason): reason
      default: nil
      }
    }.first
    if let (edit, module) = makeEdits(t, holding: reason, apply) {
      if case .kept = keeping { forgetOriginal(t, isHeard) }
      return deferred(.editNotTaken, edit.kind, module, t)
    }
    finish(reason == nil ? .accepted : .held)
    // Not `accept`: after that libmilter ignores a QUIT_NC and the CONNECT behind it.
    return .proceed
  }

  /// Makes the changes that are asked for.
  ///
  /// - Returns: the first that the MTA did not take and without which the message must not pass; nil
  ///   when all is well.
  private func makeEdits(
    _ t: Transaction, holding reason: Reason?, _ apply: (Edit) -> Bool
  ) -> (Edit, ConfiguredModule?)? {
    for edit in (message?.discarded ?? []).map({ Edit.deleteRecipient($0.path) }) {
      guard apply(edit) else { return (edit, nil) }
      message?.record.edits.append(edit)
    }
    for (edit, module) in t.edits {
      // A change refuses nobody, so `always_accept` is no reason against it.
      if module.mode != .enforce || !module.concerns(t.recipients) {
        message?.record.observedEdits.append(edit)
      } else if apply(edit) {
        message?.record.edits.append(edit)
      } else {
        // Of what was cut out, half must not pass either.
        let isCut = t.keepsakes.contains { $0.module === module }
        guard module.onError == .skip, !isCut else { return (edit, module) }
        skipped(edit, module, t)
      }
    }
    guard let reason else { return nil }
    let hold = Edit.quarantine(reason: "\(reason.module): \(reason.code) (ref \(t.reference))")
    guard apply(hold) else { return (hold, nil) }
    message?.record.edits.append(hold)
    return nil
  }

  private enum Keeping {
    case kept
    /// Nobody who enforces wanted it.
    case notAsked
    case failed(MilterReply)
  }

  /// Keeps the message as it came, where a module that bites wants that. Comes before any change,
  /// and before the MTA is told to take the message: what cannot be kept is deferred, whatever
  /// `on_error` says, for else it could not be had back.
  private func keepOriginal(_ t: Transaction) -> Keeping {
    let wanted = t.keepsakes.filter {
      $0.module.mode == .enforce && $0.module.concerns(t.recipients)
    }
    guard let (first, module) = wanted.first else { return .notAsked }
    guard let quarantine = pipeline.services.quarantine else {
      let detail = "there is no quarantine; one that is new in the file begins with a restart"
      return .failed(deferred(.notKept, detail, module, t))
    }
    guard case .whole(let message) = t.content else {
      return .failed(deferred(.notKept, "the message was not collected", module, t))
    }
    var original = first
    for (other, _) in wanted.dropFirst() { original.removed += other.removed }
    do {
      t.deadline = clock.deadline(at: .message)
      try quarantine.keep(message, original, of: t)
      return .kept
    } catch {
      return .failed(deferred(.notKept, "\(error)", module, t))
    }
  }

  /// Takes back what was kept of a message that is deferred after all.
  ///
  /// Only while the MTA hears us: one that is gone goes on by its own rule, which may be to take the
  /// message with the changes that it got, and then the original is the only whole one.
  private func forgetOriginal(_ t: Transaction, _ isHeard: () -> Bool) {
    guard isHeard(), let quarantine = pipeline.services.quarantine else { return }
    do {
      t.deadline = clock.deadline(at: .message)
      try quarantine.forget(t)
    } catch {
      let reason = Reason(
        module: "runner", code: RunnerCode.notForgotten.rawValue, detail: "\(error)")
      DecisionLog(self).failed(nil, reason, t)
    }
  }

  /// An edit that the MTA did not take, and without which the message passes.
  private func skipped(_ edit: Edit, _ module: ConfiguredModule, _ t: Transaction) {
    let reason = Reason(
      module: module.name, code: RunnerCode.editNotTaken.rawValue, detail: edit.kind)
    DecisionLog(self).failed(module, reason, t)
    message?.keep(
      Decision(
        module: reason.module, stage: .message, mode: module.mode, verdict: .proceed,
        effect: .enforced, note: "the MTA did not take: \(edit.kind)", duration: .zero))
  }

  /// Trouble of our own with a message that must not pass as it is.
  private func deferred(
    _ code: RunnerCode, _ detail: String, _ module: ConfiguredModule?, _ t: Transaction
  ) -> MilterReply {
    let reason = Reason(module: module?.name ?? "runner", code: code.rawValue, detail: detail)
    DecisionLog(self).failed(module, reason, t)
    let refusal = SMTPReply.transient(
      3, 0, "Temporary trouble on our side, please try again later")
    message?.keep(
      Decision(
        module: reason.module, stage: .message, mode: module?.mode ?? .enforce,
        verdict: .refuse(refusal, reason), effect: .enforced, duration: .zero))
    let reply = withReference(refusal, t)
    message?.record.finalReply = reply.description
    finish(.refused(reply))
    return .refuse(reply)
  }

  // MARK: effects

  /// What a verdict of `module` does to these recipients.
  func effect(
    of verdict: Verdict, _ module: ConfiguredModule, on recipients: [Recipient], _ t: Transaction,
    at stage: Stage
  ) -> Decision.Effect {
    if module.mode != .enforce { return .observed }
    if t.isAllowedPast(module) { return .allowed }
    if !module.concerns(recipients) { return .onlyTo }
    // The rest protects mail from refusals; that a module lets it through needs no protection.
    if case .accept = verdict { return .enforced }
    if verdict.reply != nil, module.yieldsToAccept, isAccepted(before: module, recipients) {
      return .accepted
    }
    if stage <= .recipient, verdict.reply != nil, t.isNotSMTP { return .notSMTP }
    // Whom nothing may refuse is still not to get mail that a module should have looked at.
    if verdict.reason?.isTrouble == true { return .enforced }
    if !module.isProtective, !recipients.isEmpty,
      recipients.allSatisfy({ pipeline.network.alwaysAccept.contains($0.mailbox) })
    {
      return .alwaysAccept
    }
    return .enforced
  }

  /// Writes a decision to the log and returns the reply it leads to.
  func conclude(_ decision: Decision, _ t: Transaction) -> SMTPReply? {
    var reply: SMTPReply?
    if decision.effect == .enforced, let refusal = decision.verdict.reply {
      reply = withReference(refusal, t)
      message?.record.finalReply = reply?.description
    }
    message?.keep(decision)
    DecisionLog(self).decided(decision, reply, t)
    return reply
  }

  private func withReference(_ reply: SMTPReply, _ t: Transaction) -> SMTPReply {
    reply.appending(
      "(ref \(t.reference), contact \(pipeline.network.contactAddress(connection)))")
  }
}
