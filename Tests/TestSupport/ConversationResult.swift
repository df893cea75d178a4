// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail
package import Policy

/// How a step was answered, however it travelled.
package enum Answer: Sendable, Equatable {
  /// An MTA would not have sent it, or it was negotiated away.
  case notSent
  case proceed
  case accept
  case discard
  /// The reply as the client sees it: `550 5.7.1 ... (ref ...)`.
  case refused(String)

  /// The reply of a refusal.
  package var reply: String? {
    if case .refused(let text) = self { return text }
    return nil
  }
  /// The first digits of a refusal, `550 5.7.1`; `ok` else.
  package var code: String {
    reply.map { $0.split(separator: " ").prefix(2).joined(separator: " ") } ?? "ok"
  }
}

/// What became of a conversation.
package struct ConversationResult: Sendable {
  /// A step and its answer.
  package struct Exchange: Sendable {
    package let step: Conversation.Step
    package let answer: Answer
  }

  /// One message: from MAIL on.
  package struct Message: Sendable {
    package var sender = Answer.notSent
    package var recipients: [Answer] = []
    package var data = Answer.notSent
    /// The answer at end of message; `notSent` when it did not come so far.
    package var end = Answer.notSent
    /// What the MTA was asked to change and did.
    package var edits: [Edit] = []

    /// `ok`, or the codes of the refusal, for each recipient.
    package var codes: [String] { recipients.map(\.code) }
  }

  package let exchanges: [Exchange]
  package let messages: [Message]
  /// What the trail got.
  package let records: [TransactionRecord]
  /// What was logged.
  package let log: [LogEntry]

  /// Every refusal that the client saw, in order.
  package var replies: [String] { exchanges.compactMap(\.answer.reply) }
  /// The first refusal.
  package var reply: String? { replies.first }
  /// The last message; an empty one when there is none.
  package var message: Message { messages.last ?? Message() }
  /// The last record.
  package var record: TransactionRecord? { records.last }
  /// Everything modules said, in all records.
  package var decisions: [Decision] { records.flatMap(\.decisions) }
  /// Decisions with a reason: `helo numeric enforced`.
  package var reasons: [String] {
    decisions.compactMap { decision in
      decision.verdict.reason.map { "\(decision.module) \($0.code) \(decision.effect.rawValue)" }
    }
  }
  /// Log entries about a module's verdict.
  package var verdictEntries: [LogEntry] { log.filter { $0[.module] != nil } }
  /// Log entries about a message's fate.
  package var summaries: [LogEntry] { log.filter { $0[.recipients] != nil } }
}
