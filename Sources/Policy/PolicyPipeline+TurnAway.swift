// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Logging
package import Milter

extension PolicyPipeline {
  /// The answer to a session or message that is not let in, logged with a reference of its own:
  /// nothing is known of the client yet.
  package func turnAway(_ refusal: SessionGate.Refusal) -> SMTPReply {
    let reference = references.next()
    let contact = network.contactAddress(ConnectionContext())
    let reply = refusal.reply.appending("(ref \(reference), contact \(contact))")
    services.log.warning(
      "NOQUEUE",
      metadata: [
        LogField.ref.rawValue: "\(reference)", LogField.verdict.rawValue: "tempfail",
        LogField.reply.rawValue: "\(reply)", LogField.reason.rawValue: "\(refusal.rawValue)",
      ])
    return reply
  }
}
