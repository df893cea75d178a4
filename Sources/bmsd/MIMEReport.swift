// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
internal import Attachments
internal import MIME
internal import Mail

/// The parts of a message for people and for programs.
struct MIMEReport {
  let tree: MIMETree
  let inspection: Inspection
  private let offences: [Int: [AttachmentOffence]]
  private let facts: [Int: [Inspection.PartFact]]

  init(_ tree: MIMETree, _ rules: AttachmentRules) {
    self.tree = tree
    inspection = Inspection(tree, rules)
    offences = Dictionary(grouping: inspection.offences, by: \.part)
    facts = Dictionary(grouping: inspection.facts, by: \.part)
  }

  /// A table of the parts, then the names, dangers and findings of each.
  var text: [String] {
    var rows = [["PART", "BYTES", "DECODED", "ENCODING", "TYPE"]]
    for part in tree.inOrder {
      rows.append([
        String(repeating: "  ", count: min(part.depth, 20)) + part.number,
        "\(part.range.count)", inspection.sizes[part.id].map { "\($0)" } ?? "-",
        part.encoding.rawValue, typeText(part),
      ])
    }
    var lines = Terminal.table(rows)
    for part in tree.inOrder {
      let details = details(part)
      guard !details.isEmpty else { continue }
      lines.append("")
      lines.append("\(part.number):")
      lines += details.map { "  \($0)" }
    }
    return lines
  }

  /// One object a part.
  var json: [String] {
    tree.inOrder.map { part in
      Terminal.json([
        ("part", .string(part.number)), ("kind", .string(part.kind.rawValue)),
        ("type", .string(shown(part.type.name))), ("declared", .bool(part.hasType)),
        ("encoding", .string(part.encoding.rawValue)), ("offset", .number(part.range.lowerBound)),
        ("size", .number(part.range.count)), ("text", .number(part.buffer)),
        ("decoded", inspection.sizes[part.id].map { .number($0) } ?? .null),
        ("reading", JSONValue(part.difference?.rawValue)),
        (
          "names",
          .array(
            part.names.map {
              .object([
                ("name", .string(shown($0.text))), ("from", .string($0.origin.description)),
              ])
            })
        ), ("members", .array(members(part).map { .string(shown($0)) })),
        ("dangers", .array(dangers(part).map { .string($0) })),
        ("findings", .array(findings(part).map { .string($0) })),
      ])
    }
  }

  private func typeText(_ part: MIMEPart) -> String {
    var text = part.kind == .embedded ? "data in text" : shown(part.type.name)
    if part.kind == .message, !part.type.isMessage { text += " (a message by its name)" }
    if !part.hasType, part.kind != .embedded { text += " (not declared)" }
    if let difference = part.difference { text += " [another reading: \(difference.rawValue)]" }
    return text
  }

  private func details(_ part: MIMEPart) -> [String] {
    part.names.filter(isWorthShowing).map { "name: \(shown($0.text)) (\($0.origin))" }
      + members(part).map { "in the archive: \(shown($0))" }
      + dangers(part).map { "DANGEROUS: \($0)" } + findings(part)
  }

  /// Boundary and charset are names to nobody but the inspection.
  private func isWorthShowing(_ name: PartName) -> Bool {
    name.origin != .parameter(.type, "boundary") && name.origin != .parameter(.type, "charset")
  }

  private func members(_ part: MIMEPart) -> [String] {
    inspection.archives[part.id]?.members.map(\.text) ?? []
  }

  private func dangers(_ part: MIMEPart) -> [String] {
    offences[part.id, default: []].map { words($0.danger) }
  }

  private func words(_ danger: AttachmentDanger) -> String {
    switch danger {
    case .name(let name, let banned):
      "\(shown(name.text)) (\(name.origin)): .\(banned) is banned"
    case .member(let path, let banned): "\(shown(path)) in the archive: .\(banned) is banned"
    case .unreadableMember: "a name in the archive cannot be read"
    case .damagedArchive: "the archive cannot be opened"
    case .notInspected: "more than can be inspected"
    case .archiveNotInspected: "the archive has more in it than can be inspected"
    case .inside(let wrapping, let danger): "in \(wrapping.rawValue): \(words(danger))"
    }
  }

  private func findings(_ part: MIMEPart) -> [String] {
    facts[part.id, default: []].map { fact in
      switch fact.fact {
      case .finding(let finding): finding.description
      case .archive(let problem): "archive: \(problem.rawValue)"
      case .encrypted: "encrypted"
      case .opaque: "not inspected: S/MIME"
      }
    }
  }

  private func shown(_ text: String) -> String { MailText(text).description }
}
