// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Digests
internal import Environment
internal import Mail
internal import Milter
internal import MIME
package import Policy
package import Quarantine
internal import Store
internal import Addressing

/// Keeps messages in the quarantine with what their release needs.
package struct QuarantineKeeper: OriginalKeeper {
  private let quarantine: any QuarantineStore

  package init(_ quarantine: any QuarantineStore) { self.quarantine = quarantine }

  package func keep(_ message: [UInt8], _ original: KeptOriginal, of t: Transaction) throws {
    let client = t[ClientClassFact.self]
    let reason = original.reason
    let detail = reason.detail.isEmpty ? "" : ": \(reason.detail)"
    let mail = KeptMail(
      reference: t.reference.description, time: 0, sender: t.sender?.path ?? "<>",
      recipients: t.recipients.map(\.path), subject: Self.subject(of: message),
      queueID: t.queueID, client: Self.address(of: t.peer), user: t.authentication?.user,
      clientClass: client?.words ?? "",
      direction: client.map { $0.isInternal || $0.isLoopback ? "outgoing" : "incoming" } ?? "",
      module: reason.module, reason: MailText("\(reason.code)\(detail)"), size: 0, digest: "",
      parts: try original.removed.map { part in
        KeptMail.Part(
          number: part.number, name: MailText(part.name), type: MailText(part.type),
          size: part.content.count,
          digest: try SHA256.digest(of: part.content).description)
      })
    try quarantine.keep([message[...]], as: mail, by: t.deadline)
  }

  /// The longest Subject that is remembered, in bytes (RFC 5322 §2.1.1 allows 998 in a line).
  private static let longestSubject = 998

  private static func subject(of message: [UInt8]) -> MailText? {
    let header = EditedMessage(parsing: message[MIMETree.split(message).header])
    return header.headers.first { $0.isNamed("Subject") }
      .map { MailText($0.value.bytes.prefix(longestSubject)) }
  }

  private static func address(of peer: Peer) -> MailText {
    switch peer.address {
    case .inet(let ip, _): MailText(ip.description)
    case .unix(let path): path
    case .unknown: "unknown"
    }
  }
}
