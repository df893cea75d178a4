// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Mail
package import Milter
internal import Synchronization

/// One module's answer at one stage, and what became of it.
package struct Decision: Sendable, Equatable {
  /// What became of a verdict.
  package enum Effect: String, Sendable {
    /// It acted.
    case enforced
    /// `mode = observe`: recorded only.
    case observed
    /// `only_to` names others: recorded only.
    case onlyTo = "only-to"
    /// The recipient is one of `always_accept`, or all are.
    case alwaysAccept = "always-accept"
    /// The allow-list ends this module.
    case allowed
    /// The client authenticated, so what was held against the connection no longer counts.
    case authenticated = "cancelled-by-auth"
    /// An earlier module accepted the client, the sender or the message.
    case accepted = "accepted-before"
    /// Mail that did not come by SMTP is never refused.
    case notSMTP = "not-smtp"
    /// Nobody was told: the client left first, or an earlier module's refusal was told instead.
    case unanswered
  }

  package var module: String
  package var stage: Stage
  package var mode: Mode
  package var verdict: Verdict
  package var effect: Effect
  /// The recipient it was about, at RCPT.
  package var recipient: MailText?
  /// What a module that proceeds wants to be known.
  package var note: String?
  package var duration: Duration
  /// Where the option that decided stood at that time: `bms.conf:12` or `default`.
  package var place: String?
}

/// Everything known of one message, or of a connection that brought none.
package struct TransactionRecord: Sendable {
  /// How the message, or the connection without one, ended.
  package enum Ending: Sendable, Equatable {
    case accepted
    case discarded
    case held
    /// The client was told 250; the message is kept away from its recipients until it is released.
    case quarantined
    case refused(SMTPReply)
    /// The client or the MTA gave up before end of message.
    case abandoned

    /// The word for logs: `accept`, `discard`, `hold`, `quarantine`, `reject`, `tempfail`, `abandoned`.
    package var word: String {
      switch self {
      case .accepted: "accept"
      case .discarded: "discard"
      case .held: "hold"
      case .quarantined: "quarantine"
      case .refused(let reply): reply.severity == .permanent ? "reject" : "tempfail"
      case .abandoned: "abandoned"
      }
    }
  }

  package var reference: Reference
  /// Milliseconds since 1970.
  package var began: Int64
  package var peer: Peer
  package var hello: MailText?
  package var authenticated: MailText?
  package var sender: MailText?
  package var recipients: [MailText] = []
  package var refusedRecipients = 0
  /// Recipients that the MTA itself refused.
  package var unknownRecipients = 0
  package var queueID: MailText?
  /// Message-ID and Subject as they came, cut to `maximumField`, where the trail remembers them.
  package var messageID: MailText?
  package var subject: MailText?
  /// The MTA's listener, `{daemon_name}` and `{daemon_port}`.
  package var daemonName: MailText?
  package var daemonPort: MailText?
  package var size = 0
  package var decisions: [Decision] = []
  /// Decisions beyond `maximumDecisions`, which are not kept.
  package var droppedDecisions = 0
  /// Changes made to the message.
  package var edits: [Edit] = []
  /// Changes that `observe` or `only_to` kept from being made.
  package var observedEdits: [Edit] = []
  package var ending: Ending = .abandoned
  /// The refusal that a client was told last, at any stage, its reference included.
  package var finalReply: String?

  /// A message to very many recipients must not grow without bound.
  package static let maximumDecisions = 1000
  /// Bytes of a header field that are remembered (RFC 5322 §2.1.1 allows 998 in a line).
  package static let maximumField = 998
}

/// Where records go. Called on the mail path: must neither block nor fail.
package protocol DecisionTrail: Sendable {
  func record(_ record: TransactionRecord)
  /// A client was told a refusal, and with it the reference, of a message that is not over: `record`
  /// is what is known so far, told once for a message.
  func refused(_ record: TransactionRecord)
}

extension DecisionTrail {
  package func refused(_ record: TransactionRecord) {}
}

/// Keeps the last records in memory.
package final class MemoryTrail: DecisionTrail {
  private let kept = Mutex<[TransactionRecord]>([])
  private let capacity: Int

  /// A trail of the last `capacity` records; 0 keeps none.
  package init(capacity: Int) { self.capacity = max(capacity, 0) }

  package func record(_ record: TransactionRecord) {
    guard capacity > 0 else { return }
    kept.withLock { kept in
      if kept.count >= capacity { kept.removeFirst(kept.count - capacity + 1) }
      kept.append(record)
    }
  }

  /// The records, oldest first.
  package var records: [TransactionRecord] { kept.withLock { $0 } }
}
