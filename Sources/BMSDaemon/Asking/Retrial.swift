// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import Mail
internal import Policies
internal import Policy
package import Store

/// `bmsd try --ref`: what the trail knows of a message, as a message that can be decided again.
package struct Retrial {
  private let entry: TrailEntry

  /// A retrial of that entry.
  package init(_ entry: TrailEntry) { self.entry = entry }

  /// Client, HELO, user and envelope as they were recorded; a client without an IP address is a
  /// process of this machine. Recipients that were refused are taken from the decisions.
  package var envelope: Trial.Envelope {
    var envelope = Trial.Envelope(
      client: IPAddress(entry.client.description) ?? IPAddress(v4: 0x7F00_0001),
      clientName: entry.clientName, hello: entry.hello, user: entry.user,
      sender: entry.sender ?? "<>", recipients: entry.namedRecipients)
    if let port = entry.daemonPort { envelope.port = port }
    envelope.daemonName = entry.daemonName
    return envelope
  }

  /// The header fields that were recorded, without a body.
  package var message: EditedMessage {
    var bytes: [UInt8] = []
    for (name, value) in [("Message-ID", entry.messageID), ("Subject", entry.subject)] {
      guard let value else { continue }
      // A cut-off fold must not end the header section.
      let line = value.bytes.filter { $0 != 0x0D && $0 != 0x0A }
      bytes += Array("\(name): ".utf8) + line + [0x0D, 0x0A]
    }
    return EditedMessage(parsing: bytes + [0x0D, 0x0A])
  }

  /// What the trail cannot give back.
  package var caveat: String {
    "Decided from the recorded facts: the other header fields and the body are not known any more. "
      + "Bans, allow-list and greylist are not asked again; what they said then is not compared."
  }

  /// What differs between then and now, in words; empty when nothing does.
  package func differences(from outcome: Trial.Outcome) -> [String] {
    let now = TrailEntry(outcome.record)
    var lines: [String] = []
    // The verdict then was theirs, whom nobody asks now.
    let wasMemory = entry.decisions.contains {
      Self.remembering.contains($0.module) && $0.isActing && $0.verdict != "proceed"
    }
    if entry.ending != now.ending, !wasMemory {
      lines.append("Verdict: then \(entry.ending), now \(now.ending).")
    }
    if entry.refusedRecipients != now.refusedRecipients, !wasMemory {
      lines.append(
        "Refused recipients: then \(entry.refusedRecipients), now \(now.refusedRecipients).")
    }
    let then = Self.answers(entry)
    let today = Self.answers(now)
    for answer in then where !today.contains(answer) { lines.append("Only then: \(answer)") }
    for answer in today where !then.contains(answer) { lines.append("Only now: \(answer)") }
    return lines
  }

  /// Modules that decide by the database.
  private static let remembering = [
    AllowListed.Options.name, BannedIPs.Options.name, Greylist.Options.name,
  ]

  /// Each answer once; what a module says of each recipient counts as one.
  private static func answers(_ entry: TrailEntry) -> [String] {
    var answers: [String] = []
    for decision in entry.decisions
    where decision.verdict != "proceed" && !remembering.contains(decision.module) {
      let would = decision.isActing ? "" : "would "
      let code = decision.code.map { " (\($0))" } ?? ""
      let answer = "\(decision.module) at \(decision.stage): \(would)\(decision.verdict)\(code)"
      if !answers.contains(answer) { answers.append(answer) }
    }
    return answers
  }
}
