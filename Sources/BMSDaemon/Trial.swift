// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
package import Mail
internal import Milter
package import Policy

/// `bmsd try`: one message through the real pipeline, without an MTA and without touching state.
package struct Trial {
  /// The envelope and client of the message.
  package struct Envelope: Sendable {
    package var client: IPAddress
    package var clientName: MailText
    /// Nil for a client that says no HELO.
    package var hello: MailText?
    package var user: MailText?
    package var sender: MailText
    package var recipients: [MailText]
    /// The MTA's listener; 25 without a name unless set.
    package var port: MailText = "25"
    package var daemonName: MailText?

    package init(
      client: IPAddress, clientName: MailText, hello: MailText?, user: MailText?, sender: MailText,
      recipients: [MailText]
    ) {
      self.client = client
      self.clientName = clientName
      self.hello = hello
      self.user = user
      self.sender = sender
      self.recipients = recipients
    }
  }

  /// What an MTA would have been told.
  package struct Outcome: Sendable {
    package let before: EditedMessage
    package let after: EditedMessage
    /// Everything each module said, and how the message ended.
    package let record: TransactionRecord

    /// Whether any recipient, or the message, is not simply let through.
    package var isRefused: Bool { record.ending != .accepted || record.refusedRecipients > 0 }
  }

  private let pipeline: PolicyPipeline
  private let trail: MemoryTrail
  private let hostName: String

  /// A trial of `pipeline`, which was set up with `trail` in its services; `hostName` is what the
  /// MTA would call itself.
  package init(_ pipeline: PolicyPipeline, trail: MemoryTrail, hostName: String) {
    self.pipeline = pipeline
    self.trail = trail
    self.hostName = hostName
  }

  /// Runs `message` through the pipeline; nil when no record came out of it.
  package func run(_ message: EditedMessage, _ envelope: Envelope) -> Outcome? {
    let runner = Runner(pipeline)
    var before = message
    before.sender = envelope.sender
    before.recipients = envelope.recipients.map { EditedMessage.Recipient($0) }
    var after = before
    let peer = Peer(
      hostName: envelope.clientName, address: .inet(envelope.client, port: 25_000))
    var macros: [String: MailText] = ["j": MailText(hostName), "{daemon_port}": envelope.port]
    if let name = envelope.daemonName { macros["{daemon_name}"] = name }
    _ = runner.connect(peer, Macros(macros))
    if let hello = envelope.hello { _ = runner.hello(hello) }
    macros = [:]
    if let user = envelope.user {
      macros = ["{auth_authen}": user, "{auth_type}": "PLAIN"]
    }
    _ = runner.sender([envelope.sender], Macros(macros))
    after.recipients = []
    for recipient in envelope.recipients
    where runner.recipient([recipient], Macros()) == .proceed {
      after.recipients.append(EditedMessage.Recipient(recipient))
    }
    if !after.recipients.isEmpty, runner.data(Macros()) == .proceed {
      for field in before.headers { _ = runner.header(field) }
      _ = runner.endOfHeaders(Macros())
      Self.chunks(of: before.body) { _ = runner.body($0) }
      _ = runner.endOfMessage(Macros()) {
        after.apply($0)
        return true
      }
    }
    runner.close()
    return trail.records.last.map { Outcome(before: before, after: after, record: $0) }
  }

  /// The size of libmilter's chunks.
  private static let chunkSize = 65_535

  private static func chunks(of body: [UInt8], _ take: (RawSpan) -> Void) {
    var start = 0
    while start < body.count {
      let end = min(start + chunkSize, body.count)
      body[start..<end].withUnsafeBytes { take($0.bytes) }
      start = end
    }
  }
}
