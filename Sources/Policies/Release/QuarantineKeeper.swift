// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Digests
internal import Environment
internal import MIME
internal import Mail
internal import Milter
package import Policy
package import Quarantine
internal import Store

/// Keeps messages in the quarantine with what their release needs.
package struct QuarantineKeeper: OriginalKeeper {
  private let quarantine: any QuarantineStore

  package init(_ quarantine: any QuarantineStore) { self.quarantine = quarantine }

  package func keep(_ message: [UInt8], _ original: KeptOriginal, of t: Transaction) throws {
    let client = t[ClientClassFact.self]
    let reason = original.reason
    let detail = reason.detail.isEmpty ? "" : ": \(reason.detail)"
    let (parts, more) = try Self.parts(original.removed)
    let rest = more > 0 ? " and \(more) more parts" : ""
    let mail = KeptMail(
      reference: t.reference.description, time: 0, sender: t.sender?.path ?? "<>",
      recipients: t.recipients.map(\.path), subject: Self.subject(of: message),
      queueID: t.queueID, client: Self.address(of: t.peer), user: t.authentication?.user,
      clientClass: client?.words ?? "",
      direction: client.map { $0.isInternal || $0.isLoopback ? "outgoing" : "incoming" } ?? "",
      module: reason.module,
      reason: MailText(
        Array("\(reason.code)\(detail)".utf8.prefix(Self.longestReason - rest.utf8.count))
          + Array(rest.utf8)),
      size: 0, digest: "", parts: parts)
    try quarantine.keep([message[...]], as: mail, by: t.deadline)
  }

  package func forget(_ t: Transaction) throws {
    try quarantine.forget(t.reference.description, by: t.deadline)
  }

  /// The longest Subject that is remembered, in bytes (RFC 5322 §2.1.1 allows 998 in a line).
  private static let longestSubject = 998

  /// The most of a reason that is remembered, in bytes.
  private static let longestReason = 2000
  /// The most of a part's name, and of its type, that is remembered, in bytes.
  private static let longestName = 255
  /// The most parts that are remembered.
  private static let mostParts = 500
  /// The bytes of all names and types together. In the answer of the daemon, whose lines end at
  /// 1 MiB, a byte takes up to four.
  private static let mostNames = 64 << 10

  /// What is remembered of the parts, and how many are left out.
  private static func parts(
    _ removed: [KeptOriginal.Part]
  ) throws(DigestTrouble) -> (parts: [KeptMail.Part], more: Int) {
    var parts: [KeptMail.Part] = []
    var room = mostNames
    for part in removed.prefix(mostParts) {
      let name = MailText(part.name.utf8.prefix(longestName))
      let type = MailText(part.type.utf8.prefix(longestName))
      room -= name.bytes.count + type.bytes.count
      guard room >= 0 else { break }
      parts.append(
        KeptMail.Part(
          number: part.number, name: name, type: type, size: part.content.count,
          digest: try SHA256.digest(of: part.content).description))
    }
    return (parts, removed.count - parts.count)
  }

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
