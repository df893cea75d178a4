// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import BMSDaemon
internal import Configuration
internal import Mail
internal import Policy

/// What `bmsd try` prints.
struct TrialReport {
  private let outcome: Trial.Outcome
  private let envelope: Trial.Envelope
  private let configuration: Configuration

  init(
    _ outcome: Trial.Outcome, _ envelope: Trial.Envelope, _ configuration: Configuration
  ) {
    self.outcome = outcome
    self.envelope = envelope
    self.configuration = configuration
  }

  /// By stage: a verdict is recorded when it is answered, which may be later.
  private var decisions: [Decision] {
    Stage.allCases.flatMap { stage in outcome.record.decisions.filter { $0.stage == stage } }
  }

  // MARK: for people

  var text: [String] {
    var lines = Terminal.table([
      ["client", "\(envelope.client) \(envelope.clientName)"],
      ["helo", envelope.hello?.description ?? "(none)"],
      ["from", "\(envelope.sender)"],
      ["to", envelope.recipients.map(\.description).joined(separator: ", ")],
    ])
    lines.append("")
    var rows = [["STAGE", "MODULE", "MODE", "ANSWER", "WHY"]]
    for decision in decisions {
      rows.append([
        decision.stage.rawValue, decision.module, decision.mode.rawValue, answer(decision),
        why(decision),
      ])
    }
    lines += Terminal.table(rows)
    lines.append("")
    for edit in outcome.record.edits { lines.append("Change: \(edit.kind)") }
    if let reply = outcome.record.finalReply { lines.append("Reply: \(reply)") }
    lines.append("Verdict: \(outcome.record.ending.word)")
    return lines
  }

  private func answer(_ decision: Decision) -> String {
    let word = decision.verdict.word
    return decision.effect == .enforced ? word : "would \(word)"
  }

  private func why(_ decision: Decision) -> String {
    guard let reason = decision.verdict.reason else { return decision.note ?? "" }
    var text = reason.code
    if !reason.detail.isEmpty { text += ": \(LineHandler.escaped(reason.detail))" }
    if let option = reason.option {
      let origin = configuration.location(of: option).map { ", \($0)" } ?? ""
      text += " (\(option)\(origin))"
    }
    if decision.effect != .enforced { text += " [\(decision.effect.rawValue)]" }
    return text
  }

  // MARK: for programs

  var json: [String] {
    decisions.map { decision in
      let reason = decision.verdict.reason
      return Terminal.json([
        ("stage", .string(decision.stage.rawValue)), ("module", .string(decision.module)),
        ("mode", .string(decision.mode.rawValue)), ("verdict", .string(decision.verdict.word)),
        ("effect", .string(decision.effect.rawValue)), ("reason", JSONValue(reason?.code)),
        ("detail", JSONValue(reason?.detail)), ("option", JSONValue(reason?.option)),
        ("at", JSONValue(reason?.option.flatMap { configuration.location(of: $0) }?.description)),
        ("recipient", JSONValue(decision.recipient?.description)),
        ("note", JSONValue(decision.note)),
      ])
    } + [
      Terminal.json([
        ("verdict", .string(outcome.record.ending.word)),
        ("reply", JSONValue(outcome.record.finalReply)),
        ("accepted", .number(outcome.record.recipients.count)),
        ("refused", .number(outcome.record.refusedRecipients)),
        ("edits", .array(outcome.record.edits.map { .string($0.kind) })),
      ])
    ]
  }

  // MARK: before and after

  /// Lines around a change that are shown with it.
  private static let context = 3
  /// Lines beyond these are not compared: the comparison is quadratic where all lines differ.
  private static let maximumLines = 5000

  /// A unified difference of the message, nothing where there is none.
  var diff: [String] {
    let before = lines(outcome.before)
    let after = lines(outcome.after)
    if outcome.before.bytes == outcome.after.bytes {
      return ["The message stays as it is, byte for byte."]
    }
    if before == after { return ["The message changes beyond what is compared line by line."] }
    let changes = after.difference(from: before)
    let removed = Set(
      changes.removals.map { if case .remove(let offset, _, _) = $0 { offset } else { -1 } })
    let inserted = Set(
      changes.insertions.map { if case .insert(let offset, _, _) = $0 { offset } else { -1 } })
    var marked: [(mark: String, line: String)] = []
    var old = 0
    var new = 0
    while old < before.count || new < after.count {
      if old < before.count, removed.contains(old) {
        marked.append(("-", before[old]))
        old += 1
      } else if new < after.count, inserted.contains(new) {
        marked.append(("+", after[new]))
        new += 1
      } else {
        if old < before.count { marked.append((" ", before[old])) }
        old += 1
        new += 1
      }
    }
    let near = marked.indices.filter { index in
      let around = max(0, index - Self.context)...min(marked.count - 1, index + Self.context)
      return marked[around].contains { $0.mark != " " }
    }
    return near.map { marked[$0].mark + marked[$0].line }
  }

  private func lines(_ message: EditedMessage) -> [String] {
    let bytes = message.bytes
    var lines: [String] = []
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      if lines.count == Self.maximumLines { return lines + ["(further lines are not compared)"] }
      lines.append(MailText(line.last == 0x0D ? line.dropLast() : line).description)
    }
    return lines
  }
}
