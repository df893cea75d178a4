// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Environment
package import Mail
package import Milter

/// What the runner keeps for one message.
struct MessageState {
  let transaction: Transaction
  /// What MAIL and later stages decided.
  var held: [HeldVerdict] = []
  /// Recipients to be removed at end of message.
  var discarded: [Recipient] = []
  /// What the client was told last, if that was a refusal.
  var lastRefusal: SMTPReply?
  /// Modules that are not asked about further header fields or chunks.
  var settled: Set<Int> = []
  /// Whether the modules of DATA were asked.
  var wasDataAsked = false
  /// Collects the message if a module wants it; nil before that is known.
  var collector: ContentCollector??
  /// Whether the message as a whole was refused before its end.
  var isRefused = false
  var record: TransactionRecord
  let began: Duration

  init(_ transaction: Transaction, _ runner: Runner) {
    self.transaction = transaction
    let time = runner.pipeline.services.time
    began = time.monotonic
    record = TransactionRecord(
      reference: transaction.reference, began: time.milliseconds,
      peer: runner.connection.peer, hello: runner.connection.hello,
      authenticated: runner.connection.authentication?.user)
    record.daemonName = runner.connection.daemonName
    record.daemonPort = runner.connection.daemonPort
    record.decisions = runner.openingDecisions
  }

  /// Very many fields or recipients must not crowd out what is decided after them.
  mutating func keep(_ decision: Decision) {
    let share =
      switch (decision.verdict, decision.stage) {
      case (.proceed, _): 50
      case (_, ...(.recipient)): 80
      default: 100
      }
    if record.decisions.count < TransactionRecord.maximumDecisions * share / 100 {
      record.decisions.append(decision)
    } else {
      record.droppedDecisions += 1
    }
  }
}

extension Runner {
  // MARK: envelope

  package func sender(_ arguments: [MailText], _ macros: Macros) -> MilterReply {
    finish(.abandoned)
    let user = macros["{auth_authen}"]
    let provesItself = user != nil || macros["{auth_type}"] != nil
    if provesItself { connection.authentication = Authentication(user: user ?? "") }
    let t = beginMessage()
    if provesItself { cancelHeldByAuthentication(t) }
    let path = arguments.first ?? ""
    t.sender = ReversePath(
      path: path, parameters: Array(arguments.dropFirst()), mailbox: Mailbox(envelope: path))
    message?.record.sender = path
    note(macros)
    ask(.sender, t) { session, t in try session.sender?.sender(t) }
    return .proceed
  }

  package func recipient(_ arguments: [MailText], _ macros: Macros) -> MilterReply {
    defer { clock.answered() }
    let t = message?.transaction ?? beginMessage()
    note(macros)
    // A recipient that the MTA itself refuses is never one of the message.
    if macros["{rcpt_mailer}"] == "error" {
      t.unknownRecipients += 1
      message?.record.unknownRecipients += 1
      return .proceed
    }
    let path = arguments.first ?? ""
    let recipient = Recipient(
      path: path, parameters: Array(arguments.dropFirst()), mailbox: Mailbox(envelope: path))
    if let refusal = answerHeld(for: recipient, t) ?? decide(recipient, t) {
      message?.record.refusedRecipients += 1
      told(refusal)
      return .refuse(refusal)
    }
    message?.record.recipients.append(path)
    return .proceed
  }

  /// Answers what was held for the connection and the message before its recipients were known.
  private func answerHeld(for recipient: Recipient, _ t: Transaction) -> SMTPReply? {
    var ofConnection = held
    var ofMessage = message?.held ?? []
    defer {
      held = ofConnection
      message?.held = ofMessage
    }
    return answer(&ofConnection, for: recipient, t) ?? answer(&ofMessage, for: recipient, t)
  }

  private func answer(
    _ held: inout [HeldVerdict], for recipient: Recipient, _ t: Transaction
  ) -> SMTPReply? {
    for index in held.indices where held[index].stage < .recipient {
      let effect = effect(
        of: held[index].verdict, held[index].module, on: [recipient], t, at: .recipient)
      let bites = effect == .enforced && held[index].verdict.reply != nil
      // What bites is written for each recipient, what is only observed once.
      guard bites || !held[index].isLogged else { continue }
      held[index].isLogged = true
      held[index].wasAnswered = true
      let refusal = conclude(held[index].decision(effect, for: recipient.path), t)
      if let refusal { return refusal }
    }
    return nil
  }

  /// Asks the modules about one recipient.
  private func decide(_ recipient: Recipient, _ t: Transaction) -> SMTPReply? {
    var isAccepted = false
    for index in pipeline.modules(at: .recipient) {
      let module = pipeline.modules[index]
      if isAccepted, module.yieldsToAccept { continue }
      let answer = run(index, .recipient, t, for: [recipient]) {
        try $0.recipient?.recipient(recipient, $1)
      }
      guard var decision = answer else { continue }
      decision.recipient = recipient.path
      guard decision.verdict != .proceed else {
        message?.keep(decision)
        continue
      }
      decision.effect = effect(of: decision.verdict, module, on: [recipient], t, at: .recipient)
      let refusal = conclude(decision, t)
      // Answered at the end of message, where mail that did not come by SMTP can be deferred.
      let verdict = HeldVerdict(module: module, decision: decision)
      if decision.effect == .notSMTP, verdict.isTrouble { message?.held.append(verdict) }
      guard decision.effect == .enforced else { continue }
      switch decision.verdict {
      case .proceed, .change: continue
      case .refuse: return refusal
      case .accept: isAccepted = true
      case .discard:
        message?.discarded.append(recipient)
        return nil
      case .quarantine, .hold:
        // One recipient cannot be held apart: the message is.
        var verdict = HeldVerdict(module: module, decision: decision)
        verdict.isLogged = true
        message?.held.append(verdict)
      }
    }
    t.recipients.append(recipient)
    return nil
  }

  // MARK: content

  package func data(_ macros: Macros) -> MilterReply {
    defer { clock.answered() }
    guard let t = message?.transaction else { return .proceed }
    note(macros)
    askData(t)
    guard let refusal = firstRefusal(from: .data, t) else { return .proceed }
    message?.isRefused = true
    told(refusal)
    return .refuse(refusal)
  }

  /// The client knows the reference from now on, so the trail must, too.
  private func told(_ refusal: SMTPReply) {
    let isFirst = message?.lastRefusal == nil
    message?.lastRefusal = refusal
    guard isFirst, var record = message?.record else { return }
    record.ending = .refused(refusal)
    pipeline.services.trail.refused(record)
  }

  /// An MTA of protocol 2 or 3 sends no DATA: then the first step after it is the moment, and the
  /// answer waits for the end of message.
  private func askData(_ t: Transaction) {
    guard message?.wasDataAsked == false else { return }
    message?.wasDataAsked = true
    ask(.data, t) { session, t in try session.data?.data(t) }
  }

  package func header(_ field: HeaderField) -> MilterReply {
    guard let t = message?.transaction else { return .proceed }
    askData(t)
    t.size += field.name.bytes.count + field.rawValue.bytes.count + 3
    remember(field)
    collector(t)?.add(field)
    if pipeline.logsHeaders { DecisionLog(self).header(field, t) }
    ask(.header, t) { session, t in try session.header?.header(field, t) }
    return .proceed
  }

  package func endOfHeaders(_ macros: Macros) -> MilterReply {
    guard let t = message?.transaction else { return .proceed }
    note(macros)
    askData(t)
    ask(.endOfHeaders, t) { session, t in try session.endOfHeaders?.endOfHeaders(t) }
    return .proceed
  }

  package func body(_ chunk: RawSpan) -> MilterReply {
    guard let t = message?.transaction else { return .proceed }
    t.size += chunk.byteCount
    collector(t)?.add(chunk)
    for index in pipeline.modules(at: .body) {
      // A span cannot be captured by a closure; a buffer that does not outlive it can.
      let decision = chunk.withUnsafeBytes { buffer in
        run(index, .body, t) { try $0.body?.body(buffer.bytes, $1) }
      }
      // A module that proceeds is not recorded for each of maybe thousands of chunks.
      guard let decision, decision.verdict != .proceed else { continue }
      hold(decision, of: pipeline.modules[index])
    }
    return .proceed
  }

  /// Collects the message in hand, if a module wants it.
  private func collector(_ t: Transaction) -> ContentCollector? {
    if let known = message?.collector { return known }
    let isWanted = pipeline.contentReaders.contains { index in
      let session = sessions[index]
      return !isSkipped(session.module, t.recipients, t) && session.content?.wantsContent(t) == true
    }
    let new =
      isWanted ? ContentCollector(limit: pipeline.services.contentLimit, pipeline.buffers) : nil
    message?.collector = .some(new)
    return new
  }

  /// Decides the message; `apply` hands an edit to the MTA and says whether it was taken,
  /// `isHeard` whether the MTA is still there.
  package func endOfMessage(
    _ macros: Macros, isHeard: () -> Bool = { true }, apply: (Edit) -> Bool
  ) -> MilterReply {
    defer { clock.answered() }
    guard let t = message?.transaction else { return .proceed }
    note(macros)
    askData(t)
    if firstRefusal(from: .data, t, isFinal: false) == nil {
      t.content = collector(t)?.finish()
      ask(.message, t) { session, t in try session.message?.message(t) }
    }
    if let reply = firstRefusal(from: .data, t) {
      finish(.refused(reply))
      return .refuse(reply)
    }
    return dispose(t, isHeard, apply)
  }

  package func abort() { finish(.abandoned) }

  // MARK: begin and end

  /// A client that proved who it is, is no longer judged by what it looked like; that an earlier
  /// module accepts it, stays.
  private func cancelHeldByAuthentication(_ t: Transaction) {
    for verdict in held where !verdict.isAccept {
      let decision = verdict.decision(.authenticated, for: nil)
      message?.keep(decision)
      DecisionLog(self).decided(decision, nil, t)
    }
    held.removeAll { !$0.isAccept }
  }

  private func beginMessage() -> Transaction {
    // The first message is the connection's, for whoever looks for its reference.
    let isFirst = connection.messageCount == 0
    connection.messageCount += 1
    let reference = isFirst ? opening.reference : pipeline.references.next()
    let t = Transaction(connection, reference, clock.deadline(at: .sender))
    t.stage = .sender
    message = MessageState(t, self)
    for index in held.indices { held[index].isLogged = false }
    return t
  }

  private func note(_ macros: Macros) {
    guard let id = macros["i"] else { return }
    message?.transaction.queueID = id
    message?.record.queueID = id
  }

  /// Ends the message in hand, if there is one.
  func finish(_ ending: TransactionRecord.Ending) {
    guard var state = message else { return }
    let t = state.transaction
    // What nobody was told; the connection's own is logged once, when it is settled.
    for verdict in held where !verdict.isLogged {
      state.keep(verdict.decision(.unanswered, for: nil))
    }
    for verdict in state.held where !verdict.isLogged {
      let decision = verdict.decision(.unanswered, for: nil)
      state.keep(decision)
      DecisionLog(self).decided(decision, nil, t)
    }
    var record = state.record
    record.size = t.size
    record.ending = ending
    if ending == .abandoned, record.recipients.isEmpty || state.isRefused,
      let refusal = state.lastRefusal
    {
      // That, not the client's RSET, was the message's fate.
      record.ending = .refused(refusal)
    }
    t.stage = .finished
    for index in pipeline.modules(at: .finished) {
      let session = sessions[index]
      // Who was not asked is not told either.
      guard !isSkipped(session.module, t.recipients, t) else { continue }
      t.running = session.module
      session.finished?.finished(record.ending, t)
    }
    t.running = nil
    t.content = nil
    message = nil
    (state.collector ?? nil)?.release()
    let duration = pipeline.services.time.monotonic - state.began
    DecisionLog(self).finished(record, t, duration)
    pipeline.services.trail.record(record)
  }
}

extension Edit {
  /// The word for logs.
  package var kind: String {
    switch self {
    case .addHeader(let name, _): "add header \(name)"
    case .insertHeader(_, let name, _): "insert header \(name)"
    case .changeHeader(let name, _, let value):
      "\(value == nil ? "delete" : "change") header \(name)"
    case .addRecipient: "add recipient"
    case .deleteRecipient: "delete recipient"
    case .changeSender: "change sender"
    case .replaceBody: "replace body"
    case .quarantine: "hold"
    }
  }
}
