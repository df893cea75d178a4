// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Configuration
internal import Mail
internal import Milter
package import Policy
package import Store

extension TrailEntry {
  /// The columns of a record; `node` is this host's letter.
  package init(_ record: TransactionRecord, node: String = "") {
    self.init()
    reference = record.reference.description
    time = record.began
    self.node = node
    client = record.peer.address.text
    clientName = record.peer.hostName
    hello = record.hello
    user = record.authenticated
    daemonName = record.daemonName
    daemonPort = record.daemonPort
    sender = record.sender
    recipients = Array(record.recipients.prefix(Limit.recipients))
    acceptedRecipients = record.recipients.count
    refusedRecipients = record.refusedRecipients
    unknownRecipients = record.unknownRecipients
    queueID = record.queueID
    messageID = record.messageID
    subject = record.subject
    ending = record.ending.word
    reply = record.finalReply
    size = record.size
    decisions = record.decisions.map(TrailDecision.init)
    droppedDecisions = record.droppedDecisions
    edits =
      record.edits.map { TrailEdit($0, isMade: true) }
      + record.observedEdits.map { TrailEdit($0, isMade: false) }
  }
}

extension TrailDecision {
  init(_ decision: Decision) {
    let (seconds, attoseconds) = decision.duration.components
    let reason = decision.verdict.reason
    self.init(
      stage: decision.stage.rawValue, module: decision.module, mode: decision.mode.rawValue,
      verdict: decision.verdict.word, effect: decision.effect.rawValue,
      reply: decision.verdict.reply?.description, code: reason?.code,
      detail: reason.flatMap { $0.detail.isEmpty ? nil : $0.detail }, option: reason?.option,
      place: decision.place, recipient: decision.recipient, note: decision.note,
      duration: seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
  }
}

extension TrailEdit {
  init(_ edit: Edit, isMade: Bool) {
    let value: MailText? =
      switch edit {
      case .addHeader(_, let value), .insertHeader(_, _, let value): value
      case .changeHeader(_, _, let value): value
      case .addRecipient(let path, _), .deleteRecipient(let path), .changeSender(let path, _): path
      case .replaceBody: nil
      case .quarantine(let reason): MailText(reason)
      }
    self.init(kind: edit.kind, value: value, isMade: isMade)
  }
}

extension Peer.Address {
  /// `192.0.2.1`, `unix:/path` or `unknown`, as the trail has it.
  var text: MailText {
    switch self {
    case .inet(let ip, _): MailText(ip.description)
    case .unix(let path): MailText(Array("unix:".utf8) + path.bytes)
    case .unknown: "unknown"
    }
  }
}
