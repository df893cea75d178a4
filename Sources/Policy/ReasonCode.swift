// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration

/// The reason codes of a module, each with what it means in plain words.
///
/// `sentence` is a total switch, so a code without a sentence does not compile; a test asserts that
/// every module's `Code` conforms.
package protocol ReasonCode: CaseIterable, RawRepresentable, Sendable where RawValue == String {
  /// One sentence for an administrator. `{detail}` stands for the reason's detail; where it does
  /// not occur the detail is added in brackets.
  var sentence: String { get }
}

extension ReasonCode {
  /// All sentences by code.
  package static var sentences: [String: String] {
    Dictionary(allCases.map { ($0.rawValue, $0.sentence) }) { first, _ in first }
  }
}

/// Why the runner itself defers mail.
package enum RunnerCode: String, ReasonCode {
  case error
  case editNotTaken = "edit-not-taken"
  case notKept = "not-kept"
  case notForgotten = "not-forgotten"

  package var sentence: String {
    switch self {
    case .error: "The module failed: {detail}. That is trouble of ours, not the sender's fault."
    case .notKept:
      "The original could not be put into the quarantine ({detail}), so the message was deferred."
    case .notForgotten:
      "The message was deferred, and a copy may be left in the quarantine: {detail}."
    case .editNotTaken:
      "The MTA did not take a change to the message ({detail}), and it must not pass without."
    }
  }
}

/// What an administrator can do to let mail through that a module refused.
package enum Remedy: Sendable {
  /// `bmsd allow add`: for all modules that yield to the allow-list.
  case allow
  /// `bmsd greylist pass SENDER RCPT`.
  case greylistPass
  /// `bmsd ban remove IP`.
  case unban
  /// Only a change to the file helps.
  case configuration
}

/// The words of all modules: what their reason codes mean and what helps against them.
package struct ReasonBook: Sendable {
  private var sentences: [String: [String: String]] = [:]
  private var remedies: [String: Remedy] = [:]
  private var places: [String: Int] = [:]

  /// The book of these modules, whether they are on or off.
  package init(_ types: [any PolicyModule.Type]) {
    for type in types { add(type) }
  }

  private mutating func add<M: PolicyModule>(_ type: M.Type) {
    sentences[M.Options.name] = M.reasons
    remedies[M.Options.name] = M.remedy
    places[M.Options.name] = places.count
  }

  /// Where a module stands in the order; behind all for one that this version does not know.
  package func place(of module: String) -> Int { places[module] ?? places.count }

  /// The sentence of a code with its detail; the code itself for one that a later version made.
  package func sentence(module: String, code: String, detail: String?) -> String {
    let detail = detail ?? ""
    let known = sentences[module]?[code] ?? RunnerCode.sentences[code]
    guard let known else { return detail.isEmpty ? "\(code)." : "\(code): \(detail)." }
    if known.contains("{detail}") {
      return known.replacing("{detail}", with: detail.isEmpty ? "(unknown)" : detail)
    }
    return detail.isEmpty ? known : "\(known) (\(detail))"
  }

  /// What helps against a module; nil for one that this version does not know.
  package func remedy(module: String) -> Remedy? { remedies[module] }
}
