// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
internal import Attachments
internal import MIME
internal import Mail

/// What was found in a message, by what is done about it, and in words.
struct AttachmentReport {
  /// The parts that must not stay as they are.
  private(set) var doomed: [Int] = []
  /// What is dangerous, whether it goes or stays.
  private(set) var dangers: [String] = []
  /// Dangerous parts that stay because they are signed.
  private(set) var keptSigned: [String] = []
  private(set) var encrypted: [String] = []
  private(set) var uninspected: [String] = []
  /// What lies beyond limits that only odd messages meet; it is dangerous besides.
  private(set) var beyondLimits: [String] = []
  /// Whether the header of the message itself is longer than is looked into: it cannot be cut.
  private(set) var hasLongHeader = false
  private(set) var ambiguous: [String] = []

  init(_ tree: MIMETree, _ inspection: Inspection, _ rules: DefangRules) {
    for offence in inspection.offences {
      guard let part = tree[offence.part] else { continue }
      let text = Self.text(offence.danger)
      if rules.keepsSigned, Self.isSigned(part, tree, inspection) {
        if keptSigned.last != text { keptSigned.append(text) }
        continue
      }
      // One file has often the same name in two fields.
      if dangers.last != text { dangers.append(text) }
      doomed.append(offence.part)
    }
    for fact in inspection.facts {
      guard let part = tree[fact.part] else { continue }
      let place = "part \(part.number)"
      let stays = rules.keepsSigned && Self.isSigned(part, tree, inspection)
      switch fact.fact {
      case .archive(.encrypted), .encrypted:
        encrypted.append(place + Self.nameInBrackets(of: part))
        if rules.encrypted == .defang, !stays { doomed.append(part.id) }
      case .archive(.damaged), .archive(.unreadableName):
        // Dangerous where a program would open it; else no archive that anybody can use.
        break
      case .archive(let problem) where fact.fact.danger(in: part) != nil:
        beyondLimits.append("\(place), archive: \(problem.rawValue)")
      case .archive(let problem):
        uninspected.append("\(place), archive: \(problem.rawValue)")
        if rules.uninspected == .defang, !stays { doomed.append(part.id) }
      case .finding(.notInspected(let limit)) where fact.fact.danger(in: part) == nil:
        uninspected.append("\(place), limit: \(limit.rawValue)")
        hasLongHeader = true
      case .finding(.notInspected(let limit)):
        beyondLimits.append("\(place), limit: \(limit.rawValue)")
      case .finding(.partialMessage), .finding(.externalBody), .opaque:
        uninspected.append("\(place), \(fact.fact.words)")
        if rules.uninspected == .defang, !stays { doomed.append(part.id) }
      case .finding(.ambiguous(let ambiguity)):
        if !ambiguous.contains(ambiguity.rawValue) { ambiguous.append(ambiguity.rawValue) }
      case .finding(.missingEnd): break
      }
    }
  }

  /// Why a part is dangerous, in words: `setup.exe: .exe`.
  static func text(_ danger: AttachmentDanger) -> String {
    switch danger {
    case .name(let name, let banned): "\(shown(name.text)): .\(banned)"
    case .member(let path, let banned): "\(shown(path)) in an archive: .\(banned)"
    case .unreadableMember: "a name in an archive that cannot be read"
    case .damagedArchive: "an archive that cannot be opened"
    case .notInspected(let limit): "more than can be inspected: \(limit.rawValue)"
    case .archiveNotInspected(let problem):
      "an archive with more than can be inspected: \(problem.rawValue)"
    case .inside(let wrapping, let danger): "\(text(danger)), in \(wrapping.rawValue)"
    }
  }

  /// ` (a.zip)`, or nothing for a part without a name.
  private static func nameInBrackets(of part: MIMEPart) -> String {
    part.names.first { $0.isFileName }.map { " (\(shown($0.text)))" } ?? ""
  }

  /// A name of an attacker's choice for a line of text: visible, and not long.
  static func shown(_ name: String) -> String {
    var cut = String.UnicodeScalarView()
    cut.append(contentsOf: name.unicodeScalars.prefix(longestName))
    // What cannot be shown is written as an escape, which is longer.
    let escaped = MailText(String(cut)).description.unicodeScalars
    var shown = String.UnicodeScalarView()
    shown.append(contentsOf: escaped.prefix(2 * longestName))
    let isWhole = cut.count == name.unicodeScalars.count && shown.count < 2 * longestName
    return String(shown) + (isWhole ? "" : "...")
  }

  private static let longestName = 120

  /// Whether S/MIME or PGP vouches for the part: it is in a multipart/signed, or in or itself what
  /// holds signed data, whatever it calls itself.
  private static func isSigned(
    _ part: MIMEPart, _ tree: MIMETree, _ inspection: Inspection
  ) -> Bool {
    var next: MIMEPart? = part
    while let part = next {
      if part.type.name == "multipart/signed" || inspection.signed.contains(part.id) { return true }
      next = part.parent.flatMap { tree[$0] }
    }
    return false
  }
}

extension AttachmentFact {
  /// For people.
  fileprivate var words: String {
    switch self {
    case .finding(let finding): finding.description
    case .archive(let problem): "archive: \(problem.rawValue)"
    case .encrypted: "encrypted"
    case .opaque: "S/MIME"
    }
  }
}

/// How `[defang]` judges what was found.
struct DefangRules: Sendable {
  var attachments: AttachmentRules
  var keepsSigned: Bool
  var encrypted: DefangOptions.Measure
  var uninspected: DefangOptions.Measure
  var ambiguous: DefangOptions.Tolerance
}
