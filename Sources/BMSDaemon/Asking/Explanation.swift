// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Mail
internal import Policies
package import Policy
package import Store

/// What `bmsd explain` says of one entry of the trail, in plain words.
package struct Explanation {
  private let entry: TrailEntry
  private let book: ReasonBook
  private let time: TimeText

  /// An explanation in the words of `book`.
  package init(_ entry: TrailEntry, _ book: ReasonBook, _ time: TimeText = .local) {
    self.entry = entry
    self.book = book
    self.time = time
  }

  /// The text, line by line: what it was, what became of it, who said what, what helps.
  package var lines: [String] {
    head + [""] + fate + [""] + modules + changes + [""] + Advice(entry, book).lines
  }

  // MARK: what it was

  private var head: [String] {
    var rows = [("reference", entry.reference), ("time", time.text(entry.time))]
    func add(_ name: String, _ text: MailText?) {
      if let text { rows.append((name, text.isEmpty ? "(unknown)" : text.description)) }
    }
    rows.append(("client", "\(entry.client) (\(entry.clientName))"))
    add("helo", entry.hello)
    add("user", entry.user)
    add("from", entry.sender)
    for recipient in entry.recipients.prefix(Self.shown) { add("to", recipient) }
    let more = entry.acceptedRecipients - min(entry.recipients.count, Self.shown)
    if more > 0 { rows.append(("to", "and \(more) more")) }
    if entry.unknownRecipients > 0 {
      rows.append(("unknown", "\(entry.unknownRecipients) recipients that the MTA itself refused"))
    }
    add("queue id", entry.queueID)
    add("message-id", entry.messageID)
    add("subject", entry.subject)
    if entry.size > 0 { rows.append(("size", "\(entry.size) bytes")) }
    return rows.map { name, text in
      name + String(repeating: " ", count: 12 - name.count) + text
    }
  }

  /// The most recipients that are named one by one.
  private static let shown = 10

  private var fate: [String] {
    var text =
      switch entry.ending {
      case "accept":
        entry.release.map { "It was accepted as a release from the quarantine: \($0)." }
          ?? "It was accepted."
      case "discard": "It was accepted and dropped."
      case "hold": "It was put into the hold queue."
      case "quarantine":
        "It was accepted and kept in the quarantine: bmsd quarantine show \(entry.reference)"
      case "reject": "It was refused."
      case "tempfail": "It was deferred: the sender may try again."
      case TrailEntry.notOver: "It is not over: the client is still there."
      case "abandoned": "The client or the MTA gave up before it was complete."
      default: "It ended so: \(entry.ending)."
      }
    if entry.refusedRecipients > 0, entry.acceptedRecipients > 0 {
      text += " \(entry.refusedRecipients) of its recipients were refused or deferred."
    }
    var lines = [text]
    if let reply = entry.reply { lines.append("The client was told: \(MailText(reply))") }
    return lines
  }

  // MARK: who said what

  private var modules: [String] {
    var lines: [String] = []
    for group in groups {
      lines += paragraph(group.decision, group.recipients)
    }
    if entry.droppedDecisions > 0 {
      lines.append("(\(entry.droppedDecisions) further answers were too many to be kept)")
    }
    return lines.isEmpty ? ["No module had anything to say."] : lines
  }

  private typealias Group = (decision: TrailDecision, recipients: [MailText])

  /// Equal answers for several recipients, told once; in the order of stages and modules, though a
  /// held refusal was recorded only when it was told.
  private var groups: [Group] {
    var groups: [Group] = []
    for decision in entry.decisions {
      var bare = decision
      bare.recipient = nil
      bare.duration = 0
      // What was told of so many recipients one by one, is told of the rest together.
      let alike = groups.indices.filter { groups[$0].decision.isAlike(bare) }
      let same = alike.first { groups[$0].decision == bare }
      if let index = same ?? (alike.count >= Self.shown ? alike.last : nil) {
        if let recipient = decision.recipient { groups[index].recipients.append(recipient) }
      } else {
        groups.append((bare, decision.recipient.map { [$0] } ?? []))
      }
    }
    let stages = Dictionary(
      uniqueKeysWithValues: Stage.allCases.enumerated().map { ($0.element.rawValue, $0.offset) })
    func key(_ group: Group) -> (Int, Int) {
      (stages[group.decision.stage] ?? stages.count, book.place(of: group.decision.module))
    }
    return groups.enumerated().sorted { first, second in
      let (one, two) = (key(first.element), key(second.element))
      return one == two ? first.offset < second.offset : one < two
    }.map(\.element)
  }

  private func paragraph(_ decision: TrailDecision, _ recipients: [MailText]) -> [String] {
    var first = "\(decision.module) at \(decision.stage.uppercased())"
    if !recipients.isEmpty {
      first += " for " + recipients.prefix(3).map(\.description).joined(separator: ", ")
      if recipients.count > 3 { first += " and \(recipients.count - 3) more" }
    }
    guard decision.verdict != "proceed" else {
      let note = decision.note.map { " (\(MailText($0)))" } ?? ""
      return ["\(first): nothing against it\(note)."]
    }
    var lines = ["\(first): \(decision.isActing ? decision.done : decision.wouldHaveDone)."]
    if let code = decision.code {
      let detail = decision.detail.map { MailText($0).description }
      lines.append(
        "    " + book.sentence(module: decision.module, code: code, detail: detail))
    }
    if !decision.isActing, let reply = decision.reply {
      lines.append("    The client would have been told: \(MailText(reply))")
    }
    if let option = decision.option {
      let place =
        decision.place.map { $0 == "default" ? ", which had its default value" : " (\($0))" } ?? ""
      lines.append("    Decided by \(option)\(place).")
    }
    return lines
  }

  private var changes: [String] {
    entry.edits.map { edit in
      let value = edit.value.map { ": \($0)" } ?? ""
      return "\(edit.isMade ? "Changed" : "Would have been changed"): \(edit.kind)\(value)"
    }
  }
}

extension TrailEntry {
  /// What somebody released from the quarantine, how, who, and why, for messages that are such:
  /// `K7Q2M9XA4T as original by root (uid 0): asked for`.
  package var release: String? {
    let decision = decisions.first {
      $0.module == QuarantineOptions.name && $0.code == ReleasePolicy.Code.released.rawValue
        && $0.isActing
    }
    return decision?.detail.map { MailText($0).description }
  }
}

extension TrailDecision {
  /// Whether it says the same as `other`, but for its detail.
  fileprivate func isAlike(_ other: TrailDecision) -> Bool {
    var one = self
    one.detail = other.detail
    return one == other
  }

  var isActing: Bool { effect == Decision.Effect.enforced.rawValue }

  /// What an acting verdict did.
  fileprivate var done: String {
    switch verdict {
    case "change": "changed it"
    case "accept": "let it through without asking further modules"
    case "reject": "refused it"
    case "tempfail": "deferred it"
    case "discard": "dropped it"
    case "quarantine": "put it into quarantine"
    case "hold": "held it"
    default: verdict
    }
  }

  /// What a verdict would have done that did not act, and why it did not.
  fileprivate var wouldHaveDone: String {
    let what =
      switch verdict {
      case "change": "would have changed it"
      case "accept": "would have let it through without asking further modules"
      case "reject": "would have refused it"
      case "tempfail": "would have deferred it"
      case "discard": "would have dropped it"
      case "quarantine": "would have put it into quarantine"
      case "hold": "would have held it"
      default: "would have said \(verdict)"
      }
    let why =
      switch Decision.Effect(rawValue: effect) {
      case .observed where mode == Mode.enforce.rawValue:
        "but an entry OBSERVE has it recorded only"
      case .observed: "but [\(module)] mode is observe"
      case .onlyTo: "but [\(module)] only_to names other recipients"
      case .alwaysAccept: "but its recipients are in [network] always_accept"
      case .allowed: "but the allow-list ends it here"
      case .accepted: "but an earlier module let the mail through"
      case .authenticated: "but the client authenticated"
      case .notSMTP: "but mail that did not come by SMTP is never refused"
      case .unanswered:
        "but nobody was told: the client left first, or another refusal was told instead"
      case .enforced, nil: "but it did not act (\(effect))"
      }
    return "\(what), \(why)"
  }
}
