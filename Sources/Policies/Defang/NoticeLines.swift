// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Attachments
internal import MIME

/// What a notice says of the part whose place it takes, and of what was in it.
struct NoticeLines {
  /// A line for each dangerous part.
  private(set) var parts = ""
  private(set) var names = ""
  private(set) var reason = ""

  /// At most this many parts are named.
  private static let most = 20

  init(_ part: MIMEPart, _ tree: MIMETree, _ inspection: Inspection?) {
    let offences = (inspection?.offences ?? []).filter { Self.is($0.part, within: part, tree) }
    var seen: Set<Int> = []
    var lines: [String] = []
    var found: [String] = []
    for offence in offences where seen.insert(offence.part).inserted {
      guard let dangerous = tree[offence.part] else { continue }
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
      reason = "it cannot be inspected"
      lines = ["  \(name) (\(AttachmentReport.shown(part.type.name))): \(reason)"]
    }
    if lines.count > Self.most {
      lines = lines.prefix(Self.most) + ["  and \(lines.count - Self.most) more"]
    }
    parts = lines.joined(separator: "\n")
    names = found.prefix(Self.most).joined(separator: ", ")
  }

  private static func `is`(_ id: Int, within part: MIMEPart, _ tree: MIMETree) -> Bool {
    var next = tree[id]
    while let candidate = next {
      if candidate.id == part.id { return true }
      next = candidate.parent.flatMap { tree[$0] }
    }
    return false
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
    }
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
