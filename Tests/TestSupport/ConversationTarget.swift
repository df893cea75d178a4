// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import BMSDaemon
package import Mail
internal import Milter
package import Policy

/// What a conversation is held with. Written once for the runner; whoever drives a daemon over a
/// socket conforms the milter client to it and gets every conversation of the tests.
package protocol ConversationTarget {
  /// Takes one step; `notSent` when it was negotiated away.
  mutating func take(_ step: Conversation.Step) throws -> Answer
  /// The edits made at the last end of message.
  var edits: [Edit] { get }
}

/// The conversation did what the negotiation forbids.
package struct ConversationFault: Error, CustomStringConvertible {
  package let description: String
}

extension Conversation {
  /// Holds the conversation with `target`, with the manners of an MTA unless it is raw: nothing of
  /// a message's content without a recipient, nothing after a refusal.
  package func play(
    on target: inout some ConversationTarget
  ) throws -> (exchanges: [ConversationResult.Exchange], messages: [ConversationResult.Message]) {
    var exchanges: [ConversationResult.Exchange] = []
    var messages: [ConversationResult.Message] = []
    var message = ConversationResult.Message()
    var isOpen = false
    var isDecided = false
    var accepted = 0
    for step in script {
      if case .sender = step.action {
        if isOpen { messages.append(message) }
        message = ConversationResult.Message()
        (isOpen, isDecided, accepted) = (true, false, 0)
      }
      var answer = Answer.notSent
      if isUnmannerly || !step.action.isContent || (accepted > 0 && !isDecided) {
        answer = try target.take(step)
      } else if step.action == .endOfMessage {
        _ = try target.take(Step(.abort))
      }
      exchanges.append(ConversationResult.Exchange(step: step, answer: answer))
      switch step.action {
      case .sender: message.sender = answer
      case .recipient:
        message.recipients.append(answer)
        if answer.reply == nil, step.macros["{rcpt_mailer}"] != "error" { accepted += 1 }
      case .data: message.data = answer
      case .endOfMessage:
        message.end = answer
        if answer != .notSent { message.edits = target.edits }
      default: break
      }
      if step.action.isContent, answer != .proceed, answer != .notSent { isDecided = true }
    }
    if isOpen { messages.append(message) }
    return (exchanges, messages)
  }

  /// Holds the conversation at a site in process.
  package func run(on site: Site) throws -> ConversationResult {
    let records = site.trail.records.count
    let entries = site.log.entries.count
    var target = RunnerTarget(site, refusing: refusedEdits, isHeard: isHeard)
    let (exchanges, messages) = try play(on: &target)
    return ConversationResult(
      exchanges: exchanges, messages: messages,
      records: Array(site.trail.records.dropFirst(records)),
      log: Array(site.log.entries.dropFirst(entries)))
  }

  /// Holds the conversation at a new site with that configuration.
  package func run(
    _ configuration: String, modules: [any PolicyModule.Type] = BMSDaemon.pipeline,
    files: [String: String] = [:], zone: String = ""
  ) throws -> ConversationResult {
    try run(on: Site(configuration, modules: modules, files: files, zone: zone))
  }
}

extension Conversation.Step.Action {
  var isContent: Bool {
    switch self {
    case .data, .header, .endOfHeaders, .body, .endOfMessage: true
    case .connect, .hello, .sender, .recipient, .abort, .close, .pause: false
    }
  }

  /// The step of the protocol that can be negotiated; nil for those that always come.
  var step: Steps? {
    switch self {
    case .connect: .connect
    case .hello: .hello
    case .sender: .sender
    case .recipient: .recipient
    case .data: .data
    case .header: .header
    case .endOfHeaders: .endOfHeaders
    case .body: .body
    case .endOfMessage, .abort, .close, .pause: nil
    }
  }
}

/// A runner in process: no MTA, no libmilter, but what was negotiated is kept to.
struct RunnerTarget: ConversationTarget {
  private let site: Site
  private let runner: Runner
  private let negotiation: Negotiation
  private let refusedEdits: [String]
  private let isHeard: Bool
  private(set) var edits: [Edit] = []

  init(_ site: Site, refusing refusedEdits: [String], isHeard: Bool) {
    self.site = site
    self.refusedEdits = refusedEdits
    self.isHeard = isHeard
    runner = Runner(site.pipeline)
    negotiation = site.pipeline.negotiation
  }

  mutating func take(_ step: Conversation.Step) throws -> Answer {
    if let wanted = step.action.step, !negotiation.steps.contains(wanted) { return .notSent }
    let answer = Answer(call(step.action, Macros(step.macros)))
    if let wanted = step.action.step, !negotiation.answered.contains(wanted), answer != .proceed {
      throw ConversationFault(description: "\(step.action) is no-reply, but got \(answer)")
    }
    return answer
  }

  private mutating func call(_ action: Conversation.Step.Action, _ macros: Macros) -> MilterReply {
    switch action {
    case .connect(let peer): return runner.connect(peer, macros)
    case .hello(let name): return runner.hello(name)
    case .sender(let arguments): return runner.sender(arguments, macros)
    case .recipient(let arguments): return runner.recipient(arguments, macros)
    case .data: return runner.data(macros)
    case .header(let field): return runner.header(field)
    case .endOfHeaders: return runner.endOfHeaders(macros)
    case .body(let bytes): return bytes.withUnsafeBytes { runner.body($0.bytes) }
    case .endOfMessage: return endOfMessage(macros)
    case .abort: runner.abort()
    case .close: runner.close()
    case .pause(let duration): site.time.advance(by: duration)
    }
    return .proceed
  }

  private mutating func endOfMessage(_ macros: Macros) -> MilterReply {
    var taken: [Edit] = []
    let reply = runner.endOfMessage(macros, isHeard: { isHeard }) { edit in
      if refusedEdits.contains(where: { edit.kind.hasPrefix($0) }) { return false }
      taken.append(edit)
      return true
    }
    edits = taken
    return reply
  }
}

extension Answer {
  fileprivate init(_ reply: MilterReply) {
    switch reply {
    case .proceed, .skipBody: self = .proceed
    case .accept: self = .accept
    case .discard: self = .discard
    case .refuse(let reply): self = .refused(reply.description)
    }
  }
}
