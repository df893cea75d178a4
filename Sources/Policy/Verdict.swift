// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Milter

/// What a module decides: a reply for the peer, a reason for the log. The two never share a string.
package enum Verdict: Sendable, Equatable {
  /// No opinion; the next module is asked.
  case proceed
  /// No opinion on whether it may pass, but the message is changed: nothing changes silently.
  case change(Reason)
  /// Ask no later module that can refuse, for as long as the stage's scope lasts: the connection
  /// (CONNECT, HELO), the message (MAIL, DATA and later) or the recipient (RCPT).
  case accept(Reason)
  /// Tell the client 250 and drop the message; at RCPT, drop it for this recipient.
  case discard(Reason)
  /// Refuse the recipient at RCPT, the message at DATA and later; held when decided before RCPT.
  case refuse(SMTPReply, Reason)
  /// Keep the message away from its recipients until somebody releases it.
  case quarantine(Reason)
  /// Put the message into the MTA's hold queue.
  case hold(Reason)

  /// The word for logs and the trail.
  package var word: String {
    switch self {
    case .proceed: "proceed"
    case .change: "change"
    case .accept: "accept"
    case .discard: "discard"
    case .refuse(let reply, _): reply.severity == .permanent ? "reject" : "tempfail"
    case .quarantine: "quarantine"
    case .hold: "hold"
    }
  }

  /// Why; nil for `proceed`.
  package var reason: Reason? {
    switch self {
    case .proceed: nil
    case .change(let reason), .accept(let reason), .discard(let reason), .refuse(_, let reason),
      .quarantine(let reason), .hold(let reason):
      reason
    }
  }

  /// The reply of a refusal.
  package var reply: SMTPReply? {
    if case .refuse(let reply, _) = self { return reply }
    return nil
  }
}

/// Why a module decided so: for the log and the trail, never for the peer.
package struct Reason: Sendable, Equatable {
  /// The module's section name.
  package let module: String
  /// A stable kebab-case word from the module's own enum.
  package let code: String
  /// What it was about: the name, the address. May hold hostile bytes; escaped when written.
  package let detail: String
  /// The option that decided, `helo.reject_numeric`; `Configuration` knows its file and line.
  package let option: String?

  /// Whether it is our own trouble that decided, not the mail.
  var isTrouble: Bool { code == RunnerCode.error.rawValue }

  package init(module: String, code: String, detail: String = "", option: String? = nil) {
    self.module = module
    self.code = code
    self.detail = detail
    self.option = option
  }
}
