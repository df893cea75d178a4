// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import Mail
package import Milter
internal import Policy

/// One SMTP connection as the filter sees it: steps as data, so that the same conversation can be
/// held with a `Runner` in process or, over a socket, with a running daemon.
///
///     let result = try Conversation()
///       .client("192.0.2.7", "mail.example.com").hello("mail.example.com")
///       .from("<a@example.com>").to("<b@example.org>").header("Subject", "x")
///       .run("[helo]\nmode = enforce")
///     #expect(result.reply == nil)
///
/// What is left out is filled in: a strange client, its HELO, and after the recipients whatever an
/// MTA would send up to the end of message. Like an MTA the conversation sends no content when no
/// recipient is left. `raw` does neither.
package struct Conversation: Sendable {
  /// One step with the macros that come with it.
  package struct Step: Sendable, Equatable {
    /// What happens in a step.
    package enum Action: Sendable, Equatable {
      case connect(Peer)
      case hello(MailText)
      case sender([MailText])
      case recipient([MailText])
      case data
      case header(HeaderField)
      case endOfHeaders
      case body([UInt8])
      case endOfMessage
      case abort
      case close
      /// Time passes; no step of the protocol.
      case pause(Duration)
    }

    package var action: Action
    package var macros: [String: MailText] = [:]

    package init(_ action: Action, macros: [String: MailText] = [:]) {
      self.action = action
      self.macros = macros
    }
  }

  /// The client: an address and a name, neither ours nor dynamic.
  package static let stranger = Peer(
    hostName: "client.example.com",
    address: .inet(IPAddress(v4: 0xC000_0201), port: 25_000))

  private enum Phase { case idle, envelope, headers, body }

  private var peer = Self.stranger
  private var impliedHello: MailText? = "client.example.com"
  private var macros: [MacroStage: [String: MailText]] = [
    .connect: ["j": "mx.example.org", "{daemon_port}": "25"]
  ]
  private var steps: [Step] = []
  private var phase = Phase.idle
  private var isRaw = false
  /// Kinds of edit (`Edit.kind` begins so) that the MTA of this conversation does not take.
  package private(set) var refusedEdits: [String] = []
  package private(set) var isHeard = true

  package init() {}

  /// Exactly these steps, in whatever order, whatever is answered.
  package static func raw(_ actions: Step.Action...) -> Conversation {
    var conversation = Conversation()
    conversation.isRaw = true
    conversation.steps = actions.map { Step($0) }
    return conversation
  }

  /// Whether steps are sent as they stand, without an MTA's manners.
  package var isUnmannerly: Bool { isRaw }

  /// Everything that is sent, the implied steps included.
  package var script: [Step] {
    guard !isRaw else { return steps }
    var all = ended().steps
    if let impliedHello { all.insert(Step(.hello(impliedHello)), at: 0) }
    all.insert(Step(.connect(peer), macros: macros[.connect] ?? [:]), at: 0)
    if all.last?.action != .close { all.append(Step(.close)) }
    return all
  }

  // MARK: the client

  /// The client's address and PTR name; no name is `[ADDRESS]`, as MTAs say it.
  package func client(_ address: String, _ name: MailText? = nil) -> Self {
    changed {
      $0.peer = Peer(
        hostName: name ?? MailText("[\(address)]"),
        address: IPAddress(address).map { .inet($0, port: 25_000) } ?? .unknown)
    }
  }

  /// A client of any kind.
  package func client(_ peer: Peer) -> Self { changed { $0.peer = peer } }

  /// A client of this machine, which is internal by default.
  package func localClient() -> Self { client("127.0.0.1", "localhost") }

  /// HELO; the first replaces the implied one. Within a message it comes as it is, without RSET.
  package func hello(_ name: MailText) -> Self {
    changed { $0.impliedHello = $0.steps.isEmpty ? nil : $0.impliedHello }
      .step(.hello(name), .hello)
  }

  /// The client says no HELO.
  package func withoutHello() -> Self { changed { $0.impliedHello = nil } }

  /// A macro of a stage, from here on; nil takes it away.
  package func macro(_ name: String, _ value: MailText?, at stages: MacroStage...) -> Self {
    changed { conversation in
      for stage in stages { conversation.macros[stage, default: [:]][name] = value }
    }
  }

  /// The port at which the client reached the MTA; 0 for mail that does not come by SMTP.
  package func port(_ port: Int) -> Self {
    macro("{daemon_port}", MailText(String(port)), at: .connect)
  }

  /// From the next MAIL on the client is authenticated.
  package func auth(_ user: MailText, mechanism: MailText = "PLAIN") -> Self {
    macro("{auth_authen}", user, at: .sender).macro("{auth_type}", mechanism, at: .sender)
  }

  /// The queue id, known from DATA on as with Postfix.
  package func queueID(_ id: MailText) -> Self {
    macro("i", id, at: .data, .endOfHeaders, .endOfMessage)
  }

  // MARK: the message

  /// MAIL of a new message; the one before is brought to its end first.
  package func from(_ path: MailText = "<sender@example.com>", _ parameters: MailText...) -> Self {
    ended().step(.sender([path] + parameters), .sender).changed { $0.phase = .envelope }
  }

  /// MAIL while a message is under way, as an unmannerly MTA might send it.
  package func secondMail(_ path: MailText = "<sender@example.com>") -> Self {
    step(.sender([path]), .sender).changed { $0.phase = .envelope }
  }

  /// Recipients.
  package func to(_ paths: MailText...) -> Self {
    to(paths.isEmpty ? ["<recipient@example.org>"] : paths)
  }

  /// Any number of recipients.
  package func to(_ paths: [MailText]) -> Self {
    changed { copy in
      copy.steps += paths.map { Step(.recipient([$0]), macros: macros[.recipient] ?? [:]) }
    }
  }

  /// A recipient that the MTA itself refuses, as it is reported to those who ask for it.
  package func toRejected(_ path: MailText) -> Self {
    changed {
      $0.steps.append(
        Step(
          .recipient([path]),
          macros: ["{rcpt_mailer}": "error", "{rcpt_addr}": "550 5.1.1 User unknown"]))
    }
  }

  /// DATA; implied by what follows it.
  package func data() -> Self { step(.data, .data).changed { $0.phase = .headers } }

  /// A header field.
  package func header(_ name: MailText, _ value: MailText) -> Self {
    headers([HeaderField(name: name, rawValue: MailText([0x20] + value.bytes))])
  }

  /// Any number of header fields.
  package func headers(_ fields: [HeaderField]) -> Self {
    let start = phase == .envelope ? data() : self
    return start.changed { $0.steps += fields.map { Step(.header($0)) } }
  }

  /// A piece of the body; each call is a chunk of its own.
  package func body(_ text: MailText) -> Self { body(text.bytes) }

  /// A piece of the body.
  package func body(_ bytes: [UInt8]) -> Self { withHeadersEnded().step(.body(bytes)) }

  /// The end of the message; implied by the next MAIL and the end of the conversation.
  package func end() -> Self { ended() }

  /// RSET, or the MTA gives up: at any point.
  package func abort() -> Self { step(.abort).changed { $0.phase = .idle } }

  /// The connection breaks here, whatever is under way.
  package func close() -> Self { step(.close).changed { $0.phase = .idle } }

  /// Time passes.
  package func pause(_ duration: Duration) -> Self { step(.pause(duration)) }

  /// The MTA does not take edits whose kind begins so: `add header`, `delete recipient`, `hold`.
  package func refusingEdits(_ kinds: String...) -> Self { changed { $0.refusedEdits += kinds } }

  /// The MTA is gone when it is asked for an edit that it does not take.
  package func fromLostMTA() -> Self { changed { $0.isHeard = false } }

  // MARK: parts

  private func changed(_ change: (inout Self) -> Void) -> Self {
    var copy = self
    change(&copy)
    return copy
  }

  private func step(_ action: Step.Action, _ stage: MacroStage? = nil) -> Self {
    changed { copy in
      copy.steps.append(Step(action, macros: stage.flatMap { macros[$0] } ?? [:]))
    }
  }

  private func withHeadersEnded() -> Self {
    switch phase {
    case .envelope: data().withHeadersEnded()
    case .headers: step(.endOfHeaders, .endOfHeaders).changed { $0.phase = .body }
    case .idle, .body: self
    }
  }

  private func ended() -> Self {
    guard phase != .idle else { return self }
    return withHeadersEnded().step(.endOfMessage, .endOfMessage).changed { $0.phase = .idle }
  }
}

extension Conversation: CustomStringConvertible {
  /// The steps, for the name of a test.
  package var description: String {
    script.map { String(describing: $0.action) }.joined(separator: " ")
  }
}
