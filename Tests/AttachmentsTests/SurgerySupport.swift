// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Mail
import Testing

extension AttachmentRules {
  /// The rules that the tests use unless they are about others.
  static let usual = AttachmentRules()
}

/// Replaces every dangerous part by the word `REMOVED`.
func defanged(
  _ message: [UInt8], _ rules: AttachmentRules = .usual, removing: Bool = false
) throws -> Surgery.Result? {
  try Surgery(rules) { _, _ in removing ? .remove : .replace(Notice("REMOVED")) }
    .operate(on: message)
}

/// The message with CRLF, cut; nil when nothing was.
func defanged(lines: String, _ rules: AttachmentRules = .usual) throws -> Surgery.Result? {
  try defanged(Array(lines.replacing("\n", with: "\r\n").utf8), rules)
}

/// The bytes of each leaf that most programs see, header and all.
func leaves(_ tree: MIMETree, without removed: [MIMEPart] = []) -> [[UInt8]] {
  tree.inOrder.filter { part in
    guard part.kind == .leaf, isFirstReading(part, tree) else { return false }
    return !removed.contains {
      $0.buffer == part.buffer && $0.range.overlaps(part.range) && !part.range.isEmpty
    } && !part.names.contains { AttachmentRules.usual.banned.extensionBanning($0) != nil }
  }.map { Array(tree.buffer(of: $0)[$0.range]) }
}

private func isFirstReading(_ part: MIMEPart, _ tree: MIMETree) -> Bool {
  var next: MIMEPart? = part
  while let part = next {
    if part.reading > 0 { return false }
    next = part.parent.flatMap { tree[$0] }
  }
  return true
}

/// What must hold of every result, whatever the message was.
func expectSound(
  _ result: Surgery.Result, from original: [UInt8], _ rules: AttachmentRules = .usual,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let tree = MIMETree(result.message)
  #expect(Inspection(tree, rules).isClean, sourceLocation: sourceLocation)
  #expect(!result.removed.isEmpty, sourceLocation: sourceLocation)
  expectEdits(result, from: original, sourceLocation: sourceLocation)
}

/// The edits and the body make of the original what the result says.
func expectEdits(
  _ result: Surgery.Result, from original: [UInt8],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  var message = EditedMessage(parsing: original)
  for edit in result.headerEdits { message.apply(edit) }
  if let body = result.body {
    message.body = EditedMessage(parsing: [0x0A] + body).body
  }
  let expected = EditedMessage(parsing: result.message)
  #expect(
    Set(message.headers.map(\.line)) == Set(expected.headers.map(\.line)),
    sourceLocation: sourceLocation)
  #expect(message.body == expected.body, sourceLocation: sourceLocation)
}

extension HeaderField {
  fileprivate var line: String { "\(name.lowercased): \(value)" }
}
