// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// One message, or one connection without any, as the trail keeps it: plain columns.
///
/// Bytes that came from a peer stay bytes. What is too long is cut when it is stored, see `Limit`.
package struct TrailEntry: Codable, Sendable, Equatable {
  /// What bounds one entry, whatever a peer sends.
  package enum Limit {
    /// Bytes of a field, such as an address or a detail.
    package static let field = 4096
    /// Recipients whose addresses are kept; `acceptedRecipients` counts all.
    package static let recipients = 1000
    /// Decisions that are read of a row that may be damaged; nobody writes as many.
    package static let decisions = 10_000
  }

  /// Its number in the file, growing with the order of writing; 0 before it is stored.
  package var id: Int64 = 0
  package var reference = ""
  /// Milliseconds since 1970 at which it began.
  package var time: Int64 = 0
  /// `[trail] node` at that time; empty without one.
  package var node = ""
  /// The address: `192.0.2.1`, `unix:/path`, `unknown`.
  package var client: MailText = ""
  /// The PTR name as the MTA verified it.
  package var clientName: MailText = ""
  package var hello: MailText?
  /// The authenticated user; empty where the MTA tells only that there is one.
  package var user: MailText?
  /// The MTA's listener, `{daemon_name}` and `{daemon_port}`.
  package var daemonName: MailText?
  package var daemonPort: MailText?
  package var sender: MailText?
  /// Accepted recipients, at most `Limit.recipients`.
  package var recipients: [MailText] = []
  package var acceptedRecipients = 0
  package var refusedRecipients = 0
  package var unknownRecipients = 0
  package var queueID: MailText?
  package var messageID: MailText?
  package var subject: MailText?
  /// `accept`, `discard`, `hold`, `reject`, `tempfail`, `abandoned`.
  package var ending = ""
  /// The refusal that the client was told last.
  package var reply: String?
  /// Bytes of header and body.
  package var size = 0
  package var decisions: [TrailDecision] = []
  /// Decisions that were too many to be kept.
  package var droppedDecisions = 0
  package var edits: [TrailEdit] = []

  /// The ending of an entry that the daemon still works on; never stored.
  package static let notOver = "not-over"

  package init() {}

  /// Recipients that are known by name: the accepted ones, then those that only decisions name, such
  /// as refused ones.
  package var namedRecipients: [MailText] {
    var known = Set(recipients)
    return recipients
      + decisions.compactMap(\.recipient).filter { known.insert($0).inserted }
  }

  /// Whether anything of it was refused or deferred: such entries are kept for `keep_refused`.
  package var isRefused: Bool {
    ending == "reject" || ending == "tempfail" || refusedRecipients > 0
  }
}

/// What one module said at one stage, and what became of it.
package struct TrailDecision: Codable, Sendable, Equatable {
  package var stage = ""
  package var module = ""
  package var mode = ""
  /// `proceed`, `accept`, `reject`, `tempfail`, `discard`, `quarantine`, `hold`.
  package var verdict = ""
  /// `enforced`, `observed`, `only-to` ...
  package var effect = ""
  /// The reply that the verdict means, given or not.
  package var reply: String?
  package var code: String?
  package var detail: String?
  /// The option that decided, and where it stood at that time: `bms.conf:12`, `default`.
  package var option: String?
  package var place: String?
  package var recipient: MailText?
  package var note: String?
  /// Microseconds that the module took.
  package var duration: Int64 = 0

  package init() {}

  package init(
    stage: String, module: String, mode: String, verdict: String, effect: String,
    reply: String? = nil, code: String? = nil, detail: String? = nil, option: String? = nil,
    place: String? = nil, recipient: MailText? = nil, note: String? = nil, duration: Int64
  ) {
    self.stage = stage
    self.module = module
    self.mode = mode
    self.verdict = verdict
    self.effect = effect
    self.reply = reply
    self.code = code
    self.detail = detail
    self.option = option
    self.place = place
    self.recipient = recipient
    self.note = note
    self.duration = duration
  }

  /// Whether it would have refused, deferred or dropped mail, had it been enforced.
  package var isWithheld: Bool {
    effect != "enforced" && verdict != "proceed" && verdict != "accept"
  }
}

/// One change to the message.
package struct TrailEdit: Codable, Sendable, Equatable {
  /// `add header X`, `replace body`.
  package var kind: String
  /// What was put there, where that is short.
  package var value: MailText?
  /// False for what `observe` kept from being made.
  package var isMade: Bool

  package init(kind: String, value: MailText?, isMade: Bool) {
    self.kind = kind
    self.value = value
    self.isMade = isMade
  }
}

/// Records that could not be kept.
package struct TrailLoss: Sendable, Equatable {
  /// Milliseconds since 1970 between which they were lost.
  package var from: Int64
  package var until: Int64
  package var count: Int
  package var why: String

  package init(from: Int64, until: Int64, count: Int, why: String) {
    self.from = from
    self.until = until
    self.count = count
    self.why = why
  }
}

/// How much the trail remembers.
package struct TrailLimits: Sendable, Equatable {
  /// Milliseconds that accepted mail is kept.
  package var keep: Int
  /// Milliseconds that refused and deferred mail is kept.
  package var keepRefused: Int
  /// Bytes of used pages.
  package var maximumSize: Int

  package init(keep: Int, keepRefused: Int, maximumSize: Int) {
    self.keep = keep
    self.keepRefused = keepRefused
    self.maximumSize = maximumSize
  }
}
