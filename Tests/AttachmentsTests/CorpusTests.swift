// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// What the ancestor's tests pin, on its own messages.
@Suite struct AncestorMessageTests {
  private static let isMissing: Comment = "the ancestor's messages are not beside the checkout"

  /// The messages in which something is replaced, and the parts that are.
  static let replaced = [
    "honey": ["2", "4"], "zip1": ["2"], "zip3": ["2"], "ziploop": ["2"],
  ]

  @Test(
    .enabled(if: Corpus.exists(Corpus.ancestor), isMissing),
    arguments: Corpus.names(Corpus.ancestor), ["\n", "\r\n"])
  func replacesWhatTheAncestorReplaced(_ name: String, _ lineEnd: String) throws {
    var message = try Corpus.message(Corpus.ancestor, name)
    if lineEnd == "\r\n" { message = withCRLF(message) }
    let result = try defanged(message)
    let expected = Self.replaced[name] ?? []
    #expect(Set(result?.removed.map(\.part.number) ?? []) == Set(expected))
    if let result { expectSound(result, from: message) }
    var limited = AttachmentRules.usual
    limited.scansArchives = false
    #expect(try (defanged(message, limited) != nil) == (name == "honey"))
  }
}

/// The messages of Python's own tests, most of them broken in some way.
@Suite struct PythonMessageTests {
  @Test(
    .enabled(
      if: Corpus.exists(Corpus.python), "install libpython3.11-testsuite for this"),
    arguments: Corpus.names(Corpus.python, suffix: ".txt"))
  func readsAndCuts(_ name: String) throws {
    let original = try Corpus.message(Corpus.python, name)
    for message in [original, withCRLF(original)] {
      let tree = MIMETree(message)
      #expect(tree.limitsMetNothing)
      #expect(try defanged(message) == nil)
      // All that holds content goes; what is left is the notices.
      let surgery = Surgery(.usual, judge: contentParts) { _, _ in .replace(Notice("REMOVED")) }
      // Two of them are nothing but structure.
      let result = try surgery.operate(on: message)
      #expect((result == nil) == contentParts(tree, Inspection(tree, .usual)).isEmpty)
      let after = MIMETree(result?.message ?? message)
      #expect(contentParts(after, Inspection(after, .usual)).isEmpty)
    }
  }
}

/// The parts that hold anything but the notice.
private func contentParts(_ tree: MIMETree, _: Inspection) -> [Int] {
  tree.parts.filter { part in
    guard part.holdsContent else { return false }
    var decoder = tree.decoder(of: part)
    return decoder.content(limit: 100)?.starts(with: "REMOVED".utf8) != true
      && !(part.body.isEmpty && part.fields.isEmpty)
  }.map(\.id)
}

func withCRLF(_ message: [UInt8]) -> [UInt8] {
  var out: [UInt8] = []
  for byte in message {
    if byte == 0x0A, out.last != 0x0D { out.append(0x0D) }
    out.append(byte)
  }
  return out
}

extension MIMETree {
  var limitsMetNothing: Bool {
    !findings.contains {
      guard case .notInspected = $0 else { return false }
      return true
    }
  }
}
