// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
internal import Attachments
internal import MIME
internal import Mail

// Messages and what is in them.

extension FuzzTarget {
  /// Each check of a message is made of the bytes as they are and of words that they stand for.
  private static func each(_ bytes: [UInt8], _ check: ([UInt8]) -> String?) -> String? {
    if let fault = check(bytes) { return fault }
    let made = bytes.prefix(400).flatMap { words[Int($0) % words.count] }
    return check(made).map {
      "\($0), for \(String(decoding: made, as: UTF8.self).debugDescription)"
    }
  }

  private static let words: [[UInt8]] = [
    "\n", "\n", "\n", "\r\n", "\n\n", "\r", "\0", " ", "\t", "; ", "=", "\"", "\\", "--", "--a\n",
    "--a\n", "--a--\n", "--b\n", "--b--\n", "--ab\n", "Content-Type: ", "Content-Type: text/plain",
    "Content-Type: multipart/mixed; boundary=a\n", "Content-Type: multipart/mixed; boundary=b\n",
    "Content-Type: multipart/mixed; boundary=\"a\"; boundary=b\n", "boundary=a", "boundary=\"b \"",
    "Content-Type: message/rfc822\n", "message/rfc822", "multipart/digest", "text/html",
    "; charset=utf-7", "; charset=utf-16", "; charset=ibm037",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n", "Content-Transfer-Encoding: x-uue\n",
    "Content-Transfer-Encoding: x\n", "Content-Disposition: attachment; filename=x.exe\n",
    "; filename=x.exe", "; name=\"a.exe\"", "; filename*0=x.; filename*1=exe", "*=utf-8''x%2Eexe",
    "Content-Location: x.exe\n", "Content-ID: <x.exe>\n", "=?utf-8?Q?x=2Eexe?=", "Subject: x\n",
    "begin 644 x.exe\n", "begin  x.exe\n", "end\n", "=ybegin name=x.exe\n", "=yend\n", "junk\n",
    " \n", "LS1hCg==\n", "LS1hCkNvbnRlbnQtVHlwZTogYS9iOyBuYW1lPXguZXhlCgox\n", "=2D-a=0A", "=\n",
    "x.eml", "PK\u{3}\u{4}", "x.zip", "hello", "=", "+AGI-egin 644 x.exe\n",
  ].map { Array($0.utf8) }

  /// Small limits are met more often than large ones.
  private static var limits: MIMELimits {
    var limits = MIMELimits()
    limits.depth = 12
    limits.parts = 300
    limits.leastWork = 1 << 18
    return limits
  }

  private static var rules: AttachmentRules {
    var rules = AttachmentRules()
    rules.limits = limits
    rules.archiveLimits.entries = 100
    rules.archiveLimits.bytes = 1 << 20
    return rules
  }

  // MARK: The tree

  /// Every part is where it says it is, and everything can be decoded.
  static func checkMIMETree(_ bytes: [UInt8]) -> String? {
    each(bytes) { message in
      let tree = MIMETree(message, limits: limits)
      guard let root = tree.parts.first, root.range == 0..<message.count else {
        return "the message is not the first part"
      }
      if tree.parts.count > limits.parts { return "\(tree.parts.count) parts" }
      if tree.inOrder.count != tree.parts.count { return "parts that nothing leads to" }
      if Set(tree.parts.map(\.number)).count != tree.parts.count { return "a number twice" }
      for (index, part) in tree.parts.enumerated() {
        if part.id != index { return "part \(index) is called \(part.id)" }
        if let fault = fault(of: part, in: tree) { return "part \(part.number): \(fault)" }
      }
      return nil
    }
  }

  private static func fault(of part: MIMEPart, in tree: MIMETree) -> String? {
    let size = tree.buffer(of: part).count
    if !tree.buffers.indices.contains(part.buffer) { return "in no text" }
    for range in [part.range, part.header, part.body] where range.upperBound > size {
      return "\(range) is not inside \(size) bytes"
    }
    if part.body.upperBound > part.range.upperBound { return "its body ends behind it" }
    if part.depth > limits.depth { return "depth \(part.depth)" }
    if let parent = part.parent {
      guard parent < part.id, let above = tree[parent], above.children.contains(part.id) else {
        return "its parent \(parent) does not know it"
      }
      if above.buffer == part.buffer, !(above.range.contains(part.range)) {
        return "\(part.range) is not in its parent's \(above.range)"
      }
    }
    var decoder = tree.decoder(of: part)
    let content = decoder.content(limit: Int.max) ?? []
    // Uuencoded lines can be shorter than what they stand for.
    let most = part.encoding == .uuencode ? size &* 64 : size
    return content.count > most ? "decodes \(content.count) bytes of \(size)" : nil
  }

  // MARK: Fields

  /// Whatever follows it, a name that stands first is seen; folding changes nothing.
  static func checkParameters(_ bytes: [UInt8]) -> String? {
    each(bytes) { bytes in
      let value = bytes.filter { $0 != 0x0A && $0 != 0x0D }
      let head = Array("Content-Type: a/b; name=first.exe; ".utf8)
      let plain = names(head + value)
      guard plain.contains(where: { $0.text == "first.exe" }) else { return "the first is hidden" }
      let folded = value.flatMap { $0 == 0x20 ? [0x0D, 0x0A, 0x20] : [$0] }
      if names(head + folded) != plain { return "folded, it has other names" }
      let banned = BannedExtensions(BannedExtensions.standard)
      for name in plain {
        for form in FileName.forms(of: name.text) where form != form.lowercased() {
          return "the form \(form) is not in lower case"
        }
        _ = banned.extensionBanning(name)
      }
      return nil
    }
  }

  private static func names(_ field: [UInt8]) -> [PartName] {
    MIMETree(field + Array("\r\n\r\n".utf8)).parts.first?.names ?? []
  }

  /// What is written as encoded words is read as the same text; what has none stays as it is.
  static func checkEncodedWords(_ bytes: [UInt8]) -> String? {
    let decoded = EncodedWord.decode(bytes[...])
    if decoded.utf8.count > bytes.count &* 4 { return "\(decoded.utf8.count) bytes" }
    let text = String(decoding: bytes.prefix(300), as: UTF8.self)
    if !EncodedWord.occurs(in: text.utf8), EncodedWord.decode(Array(text.utf8)[...]) != text {
      return "text without a word is changed"
    }
    guard !text.isEmpty else { return nil }
    let base64 = ContentEncoder.encode(Array(text.utf8), .base64, lineEnd: [])
    let hex = text.utf8.flatMap { byte -> [UInt8] in
      let digits = String(byte, radix: 16)
      return Array((digits.count < 2 ? "=0\(digits)" : "=\(digits)").utf8)
    }
    for (letter, content) in [("B", base64), ("q", hex)] {
      let word = Array("=?UTF-8?\(letter)?".utf8) + content + Array("?=".utf8)
      // Compared as bytes: Swift takes canonically equivalent texts for equal.
      if Array(EncodedWord.decode(word[...]).utf8) != Array(text.utf8) {
        return "\(letter) does not read back"
      }
    }
    return nil
  }

  // MARK: Surgery

  /// What is cut is clean in every reading, by its edits as well, and all else is what it was.
  static func checkSurgery(_ bytes: [UInt8]) -> String? {
    each(bytes) { message in
      for treatment in [Surgery.Treatment.replace(Notice("REMOVED")), .remove] {
        let surgery = Surgery(rules) { _, _ in treatment }
        // That it gives up is a result: such a message is not passed on.
        guard let result = try? surgery.operate(on: message) else { continue }
        if !Inspection(MIMETree(result.message, limits: limits), rules).isClean {
          return "something dangerous is left"
        }
        if let fault = editsFault(result, message) { return fault }
        if let fault = bytesFault(result, message, treatment) { return fault }
      }
      return nil
    }
  }

  /// The edits and the body make the new message of the old one.
  private static func editsFault(_ result: Surgery.Result, _ original: [UInt8]) -> String? {
    var message = EditedMessage(parsing: original)
    // An MTA makes a header of fields and an empty line of whatever it gets.
    guard message.body.elementsEqual(original[MIMETree.split(original).bodyStart...]) else {
      return nil
    }
    for edit in result.headerEdits { message.apply(edit) }
    if let body = result.body { message.body = EditedMessage(parsing: [0x0A] + body).body }
    let expected = EditedMessage(parsing: result.message)
    if message.body != expected.body { return "the body is not that of the result" }
    let lines = [message, expected].map {
      Set($0.headers.map { "\($0.name.lowercased): \($0.value)" })
    }
    return lines.first == lines.last ? nil : "the edits do not make the header of the result"
  }

  /// Where parts of a multipart or data in text were cut and nothing else, all bytes outside of
  /// them follow one another as before.
  private static func bytesFault(
    _ result: Surgery.Result, _ original: [UInt8], _ treatment: Surgery.Treatment
  ) -> String? {
    guard
      result.removed.allSatisfy({
        $0.round == 0 && $0.part.buffer == 0 && ($0.part.outer != nil || $0.part.kind == .embedded)
      })
    else { return nil }
    var kept: [ArraySlice<UInt8>] = []
    var at = 0
    for part in result.removed.map(\.part).sorted(by: { $0.range.lowerBound < $1.range.lowerBound })
    {
      let cut = treatment == .remove ? part.outer ?? part.range : part.range
      kept.append(original[at..<max(at, cut.lowerBound)])
      at = max(at, cut.upperBound)
    }
    let last = original[at...]
    guard let first = kept.first, result.message.starts(with: first),
      result.message.suffix(last.count).elementsEqual(last)
    else { return "bytes before or behind what was cut are others" }
    var rest = result.message[...]
    for piece in kept {
      guard let found = rest.firstRange(of: piece) else { return "bytes between cuts are others" }
      rest = rest[found.upperBound...]
    }
    return rest.count < last.count ? "bytes are missing" : nil
  }

  // MARK: Archives

  /// Lists end at their limits, and what one name says does not depend on what follows.
  static func checkArchive(_ bytes: [UInt8]) -> String? {
    var limits = ArchiveLimits()
    limits.entries = 50
    limits.visits = 200
    limits.bytes = 1 << 20
    let listing = ArchiveReader.list(bytes, limits: limits) { member in
      switch member.path.count {
      case ..<3: .interest
      case 3: .message
      default: ArchiveReader.isArchiveName(member.path) ? .archive : nil
      }
    }
    if listing.members.count > limits.entries + 4 { return "\(listing.members.count) members" }
    if listing.members.dropFirst(limits.entries).contains(where: { $0.path.count >= 3 }) {
      return "a member that is of no interest"
    }
    if listing.visits > limits.visits { return "\(listing.visits) members opened" }
    if listing.members.contains(where: { $0.depth > limits.depth }) { return "too deep" }
    if listing.members.contains(where: { $0.path.isEmpty }) { return "a member without a name" }
    if listing.members.count != Set(listing.members).count { return "a member twice" }
    return nil
  }
}

extension Range<Int> {
  fileprivate func contains(_ other: Self) -> Bool {
    other.lowerBound >= lowerBound && other.upperBound <= upperBound
  }
}
