// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
package import Configuration
internal import Mail
internal import Milter
internal import Policy

/// What a scripted module does at one stage, as the text of an option: rules separated by `|`, each
/// an action or `if TEXT ACTION`, which is done where the stage's subject holds TEXT (the HELO name,
/// sender, recipient or header name).
///
///     rcpt = if bob@ refuse | if eve@ discard | note looked
///
/// Actions: proceed, refuse, defer, accept, discard, hold, quarantine, throw, demerits N,
/// wait SECONDS, note TEXT, add NAME: VALUE. The first verdict counts; refuse and defer take a text.
package struct Script: OptionValue {
  enum Action: Sendable, Equatable {
    case verdict(String, text: String)
    case fail
    case demerits(Int)
    case wait(Int)
    case note(String)
    case add(name: String, value: String)
  }

  struct Rule: Sendable, Equatable {
    let condition: String?
    let action: Action
  }

  let rules: [Rule]
  package let text: String
  package static var kind: String { "script" }

  package init() {
    rules = []
    text = ""
  }

  package init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    var rules: [Rule] = []
    for part in text.split(separator: "|") {
      var words = part.split(separator: " ")[...]
      var condition: String?
      if words.first == "if" {
        condition = words.dropFirst().first.map(String.init)
        words = words.dropFirst(2)
      }
      guard let action = Self.action(words.map(String.init)) else {
        throw ValueError("no such action: \(part)")
      }
      rules.append(Rule(condition: condition, action: action))
    }
    self.rules = rules
    self.text = text
  }

  private static func action(_ words: [String]) -> Action? {
    let rest = words.dropFirst().joined(separator: " ")
    switch words.first {
    case "proceed", "refuse", "defer", "accept", "discard", "hold", "quarantine":
      return .verdict(words[0], text: rest)
    case "throw": return .fail
    case "demerits": return Int(rest).map { .demerits($0) }
    case "wait": return Int(rest).map { .wait($0) }
    case "note": return .note(rest)
    case "add":
      let parts = rest.split(separator: ":", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { return nil }
      return .add(name: parts[0], value: String(parts[1].drop { $0 == " " }))
    default: return nil
    }
  }

  /// A module's trouble.
  struct Trouble: Error, CustomStringConvertible { let description = "scripted trouble" }

  /// Does what the script says of `subject`.
  func perform(_ module: String, _ subject: MailText, _ t: Transaction, _ time: any TimeSource)
    throws -> Verdict
  {
    for rule in rules {
      if let condition = rule.condition, !subject.description.contains(condition) { continue }
      switch rule.action {
      case .verdict(let word, let text): return Self.verdict(word, text, module, subject)
      case .fail: throw Trouble()
      case .demerits(let count): t.addDemerits(count)
      case .wait(let seconds): (time as? FakeTime)?.advance(by: .seconds(seconds))
      case .note(let text): t.note(text)
      case .add(let name, let value): t.add(.addHeader(name: name, value: MailText(value)))
      }
    }
    return .proceed
  }

  private static func verdict(
    _ word: String, _ text: String, _ module: String, _ subject: MailText
  ) -> Verdict {
    let reason = Reason(module: module, code: "\(word)-scripted", detail: subject.description)
    let said = text.isEmpty ? "Said \(module)" : text
    switch word {
    case "refuse": return .refuse(.permanent(7, 1, said), reason)
    case "defer": return .refuse(.transient(7, 1, said), reason)
    case "accept": return .accept(reason)
    case "discard": return .discard(reason)
    case "hold": return .hold(reason)
    case "quarantine": return .quarantine(reason)
    default: return .proceed
    }
  }
}
