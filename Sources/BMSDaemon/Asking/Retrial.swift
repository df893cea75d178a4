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
      + "Bans, allow-list and greylist are not asked again: what they said then counts for today, too, "
      + "where their mode is still the same."
  }

  /// What differs between then and now, in words; empty when nothing does.
  ///
  /// `modes` are those of today's modules that are not off.
  package func differences(from outcome: Trial.Outcome, modes: [String: String]) -> [String] {
    let now = TrailEntry(outcome.record)
    var lines: [String] = []
    let memory = entry.decisions.filter {
      Self.remembering.contains($0.module) && $0.verdict != "proceed"
    }
    for module in Self.remembering {
      guard let then = memory.first(where: { $0.module == module })?.mode else { continue }
      let today = modes[module] ?? "off"
      if then != today {
        lines.append("[\(module)] mode: then \(then), now \(today).")
      }
    }
    // The verdict then was theirs, whom nobody asks now, and who would say the same.
    let wasMemory = memory.contains {
      $0.isActing && modes[$0.module, default: "off"] == $0.mode
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

  /// What the database's modules decided then and would again, a sentence each: the verdict of
  /// `try` alone would hide it.
  package func recalled(modes: [String: String]) -> [String] {
    var lines: [String] = []
    for decision in entry.decisions
    where Self.remembering.contains(decision.module) && decision.verdict != "proceed"
      && decision.isActing && modes[decision.module] == decision.mode
    {
      let line =
        "By what was recorded, \(decision.module) at \(decision.stage) says \(decision.verdict) "
        + "(\(decision.code ?? "")) as then."
      if !lines.contains(line) { lines.append(line) }
    }
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
