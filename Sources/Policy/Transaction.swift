// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Configuration
package import Environment
package import Mail
package import Milter

/// An envelope recipient.
package struct Recipient: Sendable, Equatable {
  /// The forward-path exactly as the MTA gave it; what `Edit.deleteRecipient` needs.
  package let path: MailText
  /// ESMTP parameters: `NOTIFY=NEVER`.
  package let parameters: [MailText]
  /// The address.
  package let mailbox: Mailbox
}

/// The envelope sender.
package struct ReversePath: Sendable, Equatable {
  /// The path exactly as the MTA gave it.
  package let path: MailText
  /// ESMTP parameters: `SIZE=1000`, `BODY=8BITMIME`.
  package let parameters: [MailText]
  /// The address; `isNull` for `<>`.
  package let mailbox: Mailbox
}

/// A client that proved who it is by SMTP AUTH.
package struct Authentication: Sendable, Equatable {
  /// The user's name; empty where the MTA tells only the mechanism.
  package let user: MailText
}

/// What is known of a connection; every transaction of it reads through to this.
final class ConnectionContext {
  var peer = Peer(hostName: "", address: .unknown)
  var hello: MailText?
  var hostName: MailText?
  var daemonName: MailText?
  var daemonPort: MailText?
  var isFromOwnAddress = false
  /// Whether the MTA listens there for our own users.
  var isSubmission = false
  var reverseName: MailText?
  var messageCount = 0
  var authentication: Authentication?
  var facts = FactStore()
  /// What HELO left, in front of `facts`; the next HELO replaces it.
  var helloFacts = FactStore()
  var allowances: [Allowance] = []
  /// Who is who; nil for what is turned away before that matters.
  let network: NetworkPolicy?
  /// Who is refused nothing.
  var alwaysAccept: AddressSet { network?.alwaysAccept ?? [] }

  init(_ network: NetworkPolicy? = nil) { self.network = network }
}

/// The message in hand or, before MAIL, the connection.
///
/// Not `Sendable` on purpose: it never leaves its connection. The runner makes a new one at MAIL,
/// so nothing of one message can leak into the next.
@usableFromInline package final class Transaction {
  /// The name by which log, trail and reply call it.
  package let reference: Reference
  /// The stage that is running.
  package internal(set) var stage: Stage = .connect
  /// By when the running stage must have answered.
  package internal(set) var deadline: Deadline
  /// Nil before MAIL.
  package internal(set) var sender: ReversePath?
  /// Recipients that are accepted so far, without those only discarded.
  package internal(set) var recipients: [Recipient] = []
  /// How many recipients the MTA itself refused: a sign of a dictionary attack.
  package internal(set) var unknownRecipients = 0
  /// The MTA's queue id; with Postfix known from the first accepted recipient's DATA on.
  package internal(set) var queueID: MailText?
  /// The message, once it is complete, if a module wanted it.
  package internal(set) var content: MessageContent?
  /// Bytes of header and body so far.
  package internal(set) var size = 0

  let connection: ConnectionContext
  /// The facts of the message; those of the connection are found through it.
  var facts = FactStore()
  var allowances: [Allowance] = []
  var edits: [(edit: Edit, module: ConfiguredModule)] = []
  /// Why the original must be kept before anything is changed.
  var keepsakes: [(original: KeptOriginal, module: ConfiguredModule)] = []
  var note: String?
  /// What the running module would have decided, but for an exception that says to record only.
  var observed: [Verdict] = []
  /// The module that is running; its mode decides whether demerits count.
  var running: ConfiguredModule?

  init(_ connection: ConnectionContext, _ reference: Reference, _ deadline: Deadline) {
    self.connection = connection
    self.reference = reference
    self.deadline = deadline
  }

  /// The client.
  package var peer: Peer { connection.peer }
  /// The last HELO name, nil before HELO.
  package var hello: MailText? { connection.hello }
  /// The MTA's own name, macro `j`.
  package var hostName: MailText? { connection.hostName }
  /// The name of the MTA's listener, `{daemon_name}`.
  package var daemonName: MailText? { connection.daemonName }
  /// Whether the client is our MTA itself, talking to itself by the machine's public address.
  package var isFromOwnAddress: Bool { connection.isFromOwnAddress }
  /// The PTR name whether or not it leads back to the address, `{client_ptr}`; `peer.hostName` is
  /// the one that does.
  package var reverseName: MailText? { connection.reverseName }
  /// How many messages were begun on this connection, the present one included.
  package var messagesBegun: Int { connection.messageCount }
  /// Set when the client authenticated.
  package var authentication: Authentication? { connection.authentication }

  /// Mail that did not come by SMTP: Postfix simulates a session for it and tells port 0. Its
  /// recipients must not be refused, or it stays in the queue.
  package var isNotSMTP: Bool { connection.daemonPort == "0" }

  /// A fact left by an earlier module; set by the module that provides it.
  ///
  /// What is set at CONNECT lives as long as the connection, at HELO until the next HELO, later as
  /// long as the message.
  ///
  /// Inlined, so that the value's type is known where it is asked for: looking that up at run time
  /// costs more than finding the value. The compiler inlines it in other modules only as long as the
  /// class, too, is usable from there.
  @inlinable package subscript<F: Fact>(_ fact: F.Type) -> F.Value? {
    @inline(__always) get {
      (box(of: ObjectIdentifier(fact)) as? TypedFactBox<F.Value>)?.value
    }
    @inline(__always) set {
      guard let newValue else { return set(nil, of: ObjectIdentifier(fact)) }
      set(TypedFactBox(newValue), of: ObjectIdentifier(fact))
    }
  }

  @usableFromInline package func box(of key: ObjectIdentifier) -> FactBox? {
    facts[key] ?? connection.helloFacts[key] ?? connection.facts[key]
  }

  @usableFromInline package func set(_ box: FactBox?, of key: ObjectIdentifier) {
    switch stage {
    case .connect: connection.facts[key] = box
    case .hello: connection.helloFacts[key] = box
    default: facts[key] = box
    }
  }

  /// Counts misbehaviour of the client, for the connection's life. In `observe` nothing is counted:
  /// what would bite never becomes live from there.
  package func addDemerits(_ count: Int) {
    // A module that enforces for some only observes the connection, which brings mail for all.
    guard let running, running.mode == .enforce, running.onlyTo.items.isEmpty else { return }
    connection.facts[DemeritsFact.self] = (connection.facts[DemeritsFact.self] ?? 0) + count
  }

  /// Asks for the client to be banned at once. In `observe` nobody is.
  ///
  /// The module that bans carries it out at its next stage, at the latest when the message ends.
  package func ban(because reason: String) {
    guard let running, running.mode == .enforce, running.onlyTo.items.isEmpty else { return }
    connection.facts[BanRequestFact.self] = reason
  }

  /// Ends modules that can refuse: for the connection before MAIL, else for the message.
  package func allow(_ allowance: Allowance) {
    if stage < .sender {
      connection.allowances.append(allowance)
    } else {
      allowances.append(allowance)
    }
  }

  /// Asks for a change, applied once at end of message if the running module enforces. The module
  /// must name its kind in `edits`.
  package func add(_ edit: Edit) {
    guard let running else { return }
    edits.append((edit, running))
  }

  /// Asks for the message to be kept as it came, before the MTA is told to take it as it will be.
  /// Done once, at end of message, if the running module enforces; where it cannot be done, the
  /// message is deferred.
  package func keepOriginal(_ original: KeptOriginal) {
    guard let running else { return }
    keepsakes.append((original, running))
  }

  /// Whom a recipient may ask: `[network] contact`.
  package var contact: String { connection.network?.contactAddress(connection) ?? "" }

  /// Whether a refusal of the running module for these recipients would be told to the client, and
  /// not only recorded (`mode`, `only_to`, `always_accept`). For a module that remembers what it
  /// told.
  package func isEnforced(on recipients: [Recipient]) -> Bool {
    guard let running, running.mode == .enforce, running.concerns(recipients),
      !isAllowedPast(running)
    else { return false }
    if stage <= .recipient, isNotSMTP { return false }
    return running.isProtective || recipients.isEmpty
      || !recipients.allSatisfy { connection.alwaysAccept.contains($0.mailbox) }
  }

  /// Records a verdict that the running module does not give, because the administrator wants to see
  /// first what it would do to this sender.
  package func observe(_ verdict: Verdict) { observed.append(verdict) }

  /// Leaves a word on why the running module proceeds: `internal client`. For the trail and
  /// `bmsd try`, not for the log.
  package func note(_ text: String) { note = text }
}
