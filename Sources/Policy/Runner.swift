// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Configuration
internal import Environment
package import Mail
package import Milter

/// Runs the pipeline for one connection.
///
/// It owns what modules must not care about: the life of a message, verdicts held until the
/// recipients are known, the effect of `mode`, `only_to` and `always_accept`, errors, time, log,
/// trail and edits. The same object serves libmilter, tests and `bmsd try`: it sees no MTA.
///
/// What CONNECT, HELO and MAIL decide is held and answered at every RCPT, so that the log names
/// sender and recipients, and because those steps are no-reply. A held verdict belongs to the
/// connection, the HELO or the message that earned it: a second MAIL washes nothing away.
package final class Runner {
  let pipeline: PolicyPipeline
  let connection: ConnectionContext
  let sessions: [ModuleSession]
  /// The connection before MAIL; its reference is also the first message's.
  let opening: Transaction
  var message: MessageState?
  /// What CONNECT and HELO decided.
  var held: [HeldVerdict] = []
  /// Decisions of CONNECT and HELO, for the record of each message.
  var openingDecisions: [Decision] = []
  let clock: AnswerClock

  package init(_ pipeline: PolicyPipeline) {
    self.pipeline = pipeline
    connection = ConnectionContext(pipeline.network)
    clock = AnswerClock(pipeline.services.time)
    sessions = pipeline.modules.map(ModuleSession.init)
    opening = Transaction(
      connection, pipeline.references.next(), clock.deadline(at: .connect))
  }

  /// The reference of the message in hand or, before MAIL, of the connection.
  package var reference: Reference { message?.transaction.reference ?? opening.reference }

  // MARK: connection

  package func connect(_ peer: Peer, _ macros: Macros) -> MilterReply {
    connection.peer = peer
    connection.hostName = macros["j"]
    connection.daemonName = macros["{daemon_name}"]
    connection.daemonPort = macros["{daemon_port}"]
    connection.isSubmission = pipeline.network.isSubmission(connection)
    // Sendmail's {daemon_addr} is where it listens, often 0.0.0.0; {if_addr} is where it was reached.
    connection.isFromOwnAddress = ["{daemon_addr}", "{if_addr}"].contains { name in
      peer.ip != nil && macros[name].flatMap(Self.address(of:)) == peer.ip
    }
    connection.reverseName = macros["{client_ptr}"]
    DecisionLog(self).connected()
    ask(.connect, opening) { session, t in try session.connect?.connect(t) }
    return .proceed
  }

  private static func address(of own: MailText) -> IPAddress? {
    // Sendmail writes `IPv6:` before such an address.
    let text = own.description
    return IPAddress(text.lowercased().hasPrefix("ipv6:") ? String(text.dropFirst(5)) : text)
  }

  package func hello(_ name: MailText) -> MilterReply {
    // A later HELO replaces what the earlier one left.
    settle { $0.stage == .hello }
    held.removeAll { $0.stage == .hello }
    openingDecisions.removeAll { $0.stage == .hello }
    connection.helloFacts = FactStore()
    connection.hello = name
    ask(.hello, opening) { session, t in try session.hello?.hello(name, t) }
    return .proceed
  }

  package func close() {
    finish(.abandoned)
    settle { _ in true }
    // A connection that brought no message is remembered only if something was held against it.
    guard connection.messageCount == 0, !held.isEmpty else { return }
    var state = MessageState(opening, self)
    for verdict in held { state.keep(verdict.decision(.unanswered, for: nil)) }
    pipeline.services.trail.record(state.record)
  }

  // MARK: asking modules

  /// Asks the modules of a stage that come before `message`; what they decide is held.
  func ask(
    _ stage: Stage, _ t: Transaction,
    _ body: (ModuleSession, Transaction) throws -> Verdict?
  ) {
    for index in pipeline.modules(at: stage) {
      guard let decision = run(index, stage, t, body) else { continue }
      hold(decision, of: pipeline.modules[index])
    }
  }

  /// Keeps what a module decided: a verdict until it is answered, the rest for the record.
  func hold(_ decision: Decision, of module: ConfiguredModule) {
    guard decision.verdict == .proceed else {
      let verdict = HeldVerdict(module: module, decision: decision)
      if decision.stage < .sender { held.append(verdict) } else { message?.held.append(verdict) }
      return
    }
    if decision.stage >= .sender {
      // Nobody wants to read of thousands of fields on which a module had nothing to say.
      if decision.stage == .header, decision.note == nil { return }
      message?.keep(decision)
    } else if openingDecisions.count < TransactionRecord.maximumDecisions {
      openingDecisions.append(decision)
    }
  }

  /// Runs one module, unless it has no say here; nil then.
  func run(
    _ index: Int, _ stage: Stage, _ t: Transaction, for recipients: [Recipient]? = nil,
    _ body: (ModuleSession, Transaction) throws -> Verdict?
  ) -> Decision? {
    let session = sessions[index]
    let module = session.module
    guard !isSkipped(module, recipients ?? t.recipients, t) else { return nil }
    // The sender chooses how many fields and chunks there are: who has spoken, or failed, on one of
    // them is not asked about the rest.
    let isRepeated = stage == .header || stage == .body
    if isRepeated, message?.settled.contains(index) == true { return nil }
    t.stage = stage
    t.deadline = clock.deadline(at: stage)
    t.running = module
    t.note = nil
    t.observed = []
    let began = pipeline.services.time.monotonic
    let verdict: Verdict
    do {
      verdict = try body(session, t) ?? .proceed
    } catch {
      verdict = failed(module, error, t)
      if isRepeated { message?.settled.insert(index) }
    }
    if isRepeated, verdict != .proceed { message?.settled.insert(index) }
    let duration = pipeline.services.time.monotonic - began
    t.running = nil
    if clock.spend(duration, at: stage) { DecisionLog(self).overran(module, stage, duration, t) }
    let decision = Decision(
      module: module.name, stage: stage, mode: module.mode, verdict: verdict,
      effect: .enforced, recipient: nil, note: t.note, duration: duration,
      place: verdict.reason?.option.flatMap(place))
    for verdict in t.observed { keep(observed: verdict, like: decision, t) }
    return decision
  }

  /// Records a verdict that the module does not give.
  private func keep(observed verdict: Verdict, like decision: Decision, _ t: Transaction) {
    var decision = decision
    decision.verdict = verdict
    decision.effect = .observed
    decision.note = nil
    decision.duration = .zero
    decision.place = verdict.reason?.option.flatMap(place)
    DecisionLog(self).decided(decision, nil, t)
    if decision.stage >= .sender {
      message?.keep(decision)
    } else if openingDecisions.count < TransactionRecord.maximumDecisions {
      openingDecisions.append(decision)
    }
  }

  /// Where an option stands now; a reload may move it.
  private func place(of option: String) -> String? {
    pipeline.configuration.location(of: option)?.description
  }

  /// Our own trouble is never a 5yz.
  private func failed(_ module: ConfiguredModule, _ error: any Error, _ t: Transaction) -> Verdict {
    let reason = Reason(
      module: module.name, code: RunnerCode.error.rawValue, detail: String(describing: error))
    DecisionLog(self).failed(module, reason, t)
    switch module.onError {
    case .skip:
      t.note("failed and was skipped: \(error)")
      return .proceed
    case .tempfail:
      return .refuse(
        .transient(3, 0, "Temporary trouble on our side, please try again later"), reason)
    }
  }

  /// Whether a module has no say about this client or message.
  func isSkipped(
    _ module: ConfiguredModule, _ recipients: [Recipient], _ t: Transaction
  ) -> Bool {
    if module.isForStrangersOnly, isOurUser { return true }
    if module.informs { return false }
    if t.isAllowedPast(module) { return true }
    guard module.yieldsToAccept else { return false }
    return isAccepted(before: module, recipients)
  }

  /// Whether an earlier module accepts what `module` would judge.
  func isAccepted(before module: ConfiguredModule, _ recipients: [Recipient]) -> Bool {
    func accepts(_ verdict: HeldVerdict) -> Bool {
      verdict.isAccept && verdict.module.mode == .enforce && verdict.module.index < module.index
        && verdict.module.concerns(recipients)
    }
    return held.contains(where: accepts) || message?.held.contains(where: accepts) ?? false
  }

  private var isOurUser: Bool {
    connection.authentication != nil || connection.isSubmission
  }

  /// Logs held verdicts that no recipient was told of: the client left, or began anew.
  func settle(where isDue: (HeldVerdict) -> Bool) {
    for index in held.indices where isDue(held[index]) && !held[index].wasAnswered {
      held[index].wasAnswered = true
      DecisionLog(self).decided(held[index].decision(.unanswered, for: nil), nil, opening)
    }
  }
}

/// A verdict that waits for its answer.
struct HeldVerdict {
  let module: ConfiguredModule
  private let decision: Decision
  /// Whether it was written for the message in hand.
  var isLogged = false
  /// Whether a client was ever told, or would have been.
  var wasAnswered = false

  init(module: ConfiguredModule, decision: Decision) {
    self.module = module
    self.decision = decision
  }

  var stage: Stage { decision.stage }
  var verdict: Verdict { decision.verdict }
  /// A refusal because a module failed.
  var isTrouble: Bool { verdict.reply != nil && verdict.reason?.isTrouble == true }
  var isAccept: Bool { if case .accept = verdict { true } else { false } }

  func decision(_ effect: Decision.Effect, for recipient: MailText?) -> Decision {
    var decision = decision
    decision.effect = effect
    decision.recipient = recipient
    return decision
  }
}

/// A module's session with the casts done once. A class: it is fetched at every step.
final class ModuleSession {
  let module: ConfiguredModule
  let connect: (any ConnectStage)?
  let hello: (any HelloStage)?
  let sender: (any SenderStage)?
  let recipient: (any RecipientStage)?
  let data: (any DataStage)?
  let header: (any HeaderStage)?
  let endOfHeaders: (any EndOfHeadersStage)?
  let body: (any BodyStage)?
  let message: (any MessageStage)?
  let content: (any ContentStage)?
  let finished: (any FinishedStage)?

  init(_ module: ConfiguredModule) {
    self.module = module
    let session = module.makeSession()
    connect = module.takesPart(in: .connect) ? session as? any ConnectStage : nil
    hello = module.takesPart(in: .hello) ? session as? any HelloStage : nil
    sender = module.takesPart(in: .sender) ? session as? any SenderStage : nil
    recipient = module.takesPart(in: .recipient) ? session as? any RecipientStage : nil
    data = module.takesPart(in: .data) ? session as? any DataStage : nil
    header = module.takesPart(in: .header) ? session as? any HeaderStage : nil
    endOfHeaders = module.takesPart(in: .endOfHeaders) ? session as? any EndOfHeadersStage : nil
    body = module.takesPart(in: .body) ? session as? any BodyStage : nil
    message = module.takesPart(in: .message) ? session as? any MessageStage : nil
    content = module.readsContent ? session as? any ContentStage : nil
    finished = module.takesPart(in: .finished) ? session as? any FinishedStage : nil
  }
}

/// Time spent since the last answer: steps without an answer count towards the next one.
final class AnswerClock {
  private let time: any TimeSource
  private var spent: Duration = .zero

  init(_ time: any TimeSource) { self.time = time }

  func deadline(at stage: Stage) -> Deadline {
    Deadline(StageBudget.limit(for: stage) - spent, time)
  }

  /// - Returns: whether the budget is overrun by this.
  func spend(_ duration: Duration, at stage: Stage) -> Bool {
    let limit = StageBudget.limit(for: stage)
    let was = spent
    spent += duration
    return spent > limit && was <= limit
  }

  func answered() { spent = .zero }
}
