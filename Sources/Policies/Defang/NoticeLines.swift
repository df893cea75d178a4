// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
internal import Attachments
internal import MIME
internal import Mail
internal import Policy

/// Writes the notices of one message: each part has its own, as long as there are not too many.
struct NoticeWriter {
  private let module: Defang
  private let t: Transaction
  private var inspection: Inspection?
  /// The offences within each part, by its index.
  private var within: [Int: [AttachmentOffence]] = [:]
  private var isHTMLAlone = false
  private var count = 0

  /// After so many notices the rest of a message gets a line each: who sends thousands of files wants
  /// no explanation of each.
  private static let most = 50

  init(_ module: Defang, _ t: Transaction) {
    self.module = module
    self.t = t
  }

  /// Takes what was found in the message as it is now.
  mutating func begin(_ tree: MIMETree, _ inspection: Inspection) {
    self.inspection = inspection
    isHTMLAlone = tree.isHTMLAlone
    within = [:]
    for offence in inspection.offences {
      var next = tree[offence.part]
      while let part = next {
        within[part.id, default: []].append(offence)
        next = part.parent.flatMap { tree[$0] }
      }
    }
  }

  mutating func notice(for part: MIMEPart, _ tree: MIMETree) -> Notice {
    count += 1
    let lines = NoticeLines(part, tree, within[part.id] ?? [], inspection)
    guard count <= Self.most else {
      let text = "\(lines.names): taken out, reference \(t.reference)\n"
      return isHTMLAlone ? .html(text) : Notice(text)
    }
    let text = module.notice.text { variable in
      switch variable {
      case .parts: lines.parts
      case .names: lines.names
      case .reason: lines.reason
      case .reference: t.reference.description
      case .contact: t.contact
      case .sender: AttachmentReport.shown(t.sender?.mailbox.description ?? "")
      case .host: t[ClientClassFact.self]?.ownName?.description ?? ""
      }
    }
    return isHTMLAlone ? .html(text) : Notice(text)
  }
}

/// What a notice says of the part whose place it takes, and of what was in it.
struct NoticeLines {
  /// A line for each dangerous part.
  private(set) var parts = ""
  private(set) var names = ""
  private(set) var reason = ""

  /// At most this many parts are named.
  private static let most = 20

  init(
    _ part: MIMEPart, _ tree: MIMETree, _ offences: [AttachmentOffence], _ inspection: Inspection?
  ) {
    var seen: Set<Int> = []
    var lines: [String] = []
    var found: [String] = []
    var more = 0
    for offence in offences where seen.insert(offence.part).inserted {
      guard let dangerous = tree[offence.part] else { continue }
      guard lines.count < Self.most else {
        more += 1
        continue
      }
      let name = Self.name(of: dangerous)
      found.append(name)
      let size = inspection?.sizes[offence.part].map { ", \($0) bytes" } ?? ""
      lines.append(
        "  \(name) (\(AttachmentReport.shown(dangerous.type.name))\(size)): "
          + Self.sentence(offence.danger))
      if reason.isEmpty { reason = Self.sentence(offence.danger) }
    }
    if lines.isEmpty {
      // It goes for something that no name says.
      let name = Self.name(of: part)
      found = [name]
      reason =
        inspection?.holdsSecrets(part.id) == true
        ? "it is encrypted and cannot be inspected" : "it cannot be inspected"
      lines = ["  \(name) (\(AttachmentReport.shown(part.type.name))): \(reason)"]
    }
    if more > 0 { lines.append("  and \(more) more") }
    parts = lines.joined(separator: "\n")
    names = found.joined(separator: ", ")
  }

  private static func name(of part: MIMEPart) -> String {
    let name = part.names.first { $0.isFileName } ?? part.names.first
    return name.map { AttachmentReport.shown($0.text) } ?? "part \(part.number)"
  }

  private static func sentence(_ danger: AttachmentDanger) -> String {
    switch danger {
    case .name(_, let banned): "files ending in .\(banned) are not let in"
    case .member(let path, let banned):
      "holds \(AttachmentReport.shown(path)), and files ending in .\(banned) are not let in"
    case .unreadableMember: "holds a file whose name cannot be read"
    case .damagedArchive: "an archive that cannot be opened"
    case .notInspected(let limit): "has more than can be inspected (\(limit.rawValue))"
    case .archiveNotInspected(let problem):
      "an archive with more than can be inspected (\(problem.rawValue))"
    case .inside(let wrapping, let danger): "holds \(wrapping.rawValue): \(sentence(danger))"
    }
  }
}

extension Inspection {
  /// Whether there is something in a part that only its recipient can read.
  fileprivate func holdsSecrets(_ part: Int) -> Bool {
    facts.contains { $0.part == part && ($0.fact == .encrypted || $0.fact == .archive(.encrypted)) }
  }
}

extension MIMETree {
  /// Whether the message shows its text as HTML only.
  var isHTMLAlone: Bool {
    let texts = parts.filter { $0.kind == .leaf && $0.type.isText && $0.reading == 0 }
    return texts.contains { $0.type.name == "text/html" }
      && !texts.contains { $0.type.name != "text/html" && $0.names.allSatisfy { !$0.isFileName } }
  }
}
