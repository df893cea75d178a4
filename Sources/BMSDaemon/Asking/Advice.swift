// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Mail
internal import Policies
internal import Policy
internal import Store

/// The exact commands that would let a message through, as far as there are any.
struct Advice {
  private let entry: TrailEntry
  private let book: ReasonBook

  /// The most recipients for whom a command is printed, and the most commands.
  private static let shown = 5

  init(_ entry: TrailEntry, _ book: ReasonBook) {
    self.entry = entry
    self.book = book
  }

  var lines: [String] {
    let stopped = entry.decisions.filter { $0.isActing && $0.isAgainst }
    let endless = Decision.Effect.alwaysAccept.rawValue
    let withheld = entry.decisions.filter { $0.isWithheld && $0.effect != endless }
    guard let chosen = stopped.isEmpty ? withheld.isEmpty ? nil : withheld : stopped else {
      return [ending]
    }
    let ours = chosen.filter { RunnerCode(rawValue: $0.code ?? "") != nil }
    let judged = chosen.filter { RunnerCode(rawValue: $0.code ?? "") == nil }
    var lines: [String] = []
    if !judged.isEmpty {
      lines.append(
        stopped.isEmpty
          ? "To let such mail through when it is enforced:" : "To let such mail through:")
      let commands = unique(judged.flatMap(commands))
      for command in commands.prefix(Self.shown) { lines.append("    \(command)") }
      if commands.count > Self.shown {
        lines.append("    and \(commands.count - Self.shown) more like these")
      }
      for (index, change) in unique(judged.map(change)).enumerated() {
        lines.append(commands.isEmpty && index == 0 ? "    \(change)" : "or \(change)")
      }
    }
    if !ours.isEmpty {
      lines.append(
        "What failed on our side is in the log (journalctl -u bmsd); when it is mended, the "
          + "sender's next attempt passes.")
    }
    return lines
  }

  /// What is said where no module was against it.
  private var ending: String {
    let listed = entry.decisions.contains {
      $0.isActing && $0.verdict == "accept" && $0.module == AllowListed.Options.name
    }
    if listed {
      return "The allow-list let it in; bmsd allow list shows the entry, bmsd allow remove ends it."
    }
    if entry.decisions.contains(where: {
      $0.isWithheld && $0.effect == Decision.Effect.alwaysAccept.rawValue
    }) {
      return "[network] always_accept let it in, and will: there is nothing to do."
    }
    switch entry.ending {
    case "abandoned": return "Nothing was against it: it was given up by the other side."
    default: return "Nothing was against it."
    }
  }

  private func commands(against decision: TrailDecision) -> [String] {
    switch book.remedy(module: decision.module) {
    case .greylistPass: return passes(decision)
    case .unban: return unban(decision)
    case .allow: return allow(decision)
    case .configuration, nil: return []
    }
  }

  private func allow(_ decision: TrailDecision) -> [String] {
    if let ip { return ["bmsd allow add \(ip) --skip \(decision.module)"] }
    guard let sender = entry.sender.map({ Mailbox(envelope: $0) }), !sender.isNull else {
      return []
    }
    return [
      "bmsd allow add \(Self.quoted(sender)) --unauthenticated --skip \(decision.module)"
    ]
  }

  /// The ban that decided stands at the beginning of its detail: the address may be one of a banned
  /// network, the ban one of a domain. One from a file is removed there, and `change` names it, or
  /// passed by; what observe would have banned is not banned.
  private func unban(_ decision: TrailDecision) -> [String] {
    guard decision.code != "banned-by-file" else { return allow(decision) }
    guard decision.effect == Decision.Effect.enforced.rawValue else { return [] }
    let party = decision.detail?.split(separator: ": ").first.map(String.init)
    return (party ?? ip.map { "\($0)" }).map { ["bmsd ban remove \(Self.quoted($0))"] } ?? []
  }

  private func passes(_ decision: TrailDecision) -> [String] {
    let sender = Mailbox(envelope: entry.sender ?? "")
    let recipients = decision.recipient.map { [$0] } ?? entry.recipients
    // What was cut when it was stored, or is longer than a line, is no argument.
    guard Self.isWhole(sender) else { return [] }
    return recipients.prefix(Self.shown).filter { Self.isWhole(Mailbox(envelope: $0)) }.map {
      "bmsd greylist pass \(Self.quoted(sender)) \(Self.quoted(Mailbox(envelope: $0)))"
    }
  }

  /// Bytes of an address in a printed command; none on the Internet is longer (RFC 5321 §4.5.3.1).
  private static let longestAddress = 512

  private static func isWhole(_ mailbox: Mailbox) -> Bool {
    mailbox.description.utf8.count <= longestAddress
  }

  /// The line of the file that would have to change.
  private func change(for decision: TrailDecision) -> String {
    let mode = "set [\(decision.module)] mode = observe"
    guard let option = decision.option else { return mode }
    let place = decision.place.map { $0 == "default" ? "" : " (\($0))" } ?? ""
    return "change \(option)\(place), or \(mode)"
  }

  private var ip: IPAddress? { IPAddress(entry.client.description) }

  private func unique(_ lines: [String]) -> [String] {
    var seen: Set<String> = []
    return lines.filter { seen.insert($0).inserted }
  }

  /// An address as an argument that a shell takes as it is.
  private static func quoted(_ mailbox: Mailbox) -> String { quoted(mailbox.description) }

  /// A text as an argument that a shell takes as it is.
  static func quoted(_ text: String) -> String {
    let plain = text.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
        || (0x61...0x7A).contains(byte) || Array("@._+=:/-".utf8).contains(byte)
    }
    // In angle brackets it is no option.
    if text.hasPrefix("-") { return quoted(text: "<\(text)>") }
    return plain && !text.isEmpty ? text : quoted(text: text)
  }

  private static func quoted(text: String) -> String {
    "'\(text.replacing("'", with: "'\\''"))'"
  }
}

extension TrailDecision {
  /// Whether it stands in the way of mail.
  var isAgainst: Bool { verdict != "proceed" && verdict != "accept" }
}
