// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension MIMETree {
  /// What a leaf is to those who read it.
  private struct LeafSignature: Hashable {
    var buffer: Int
    var body: Range<Int>
    var fields: [Range<Int>]
    var encoding: TransferEncoding
  }

  /// Takes out readings that come to the same content as the first one of their part, and the
  /// findings that were made for them.
  mutating func prune() {
    guard parts.contains(where: { $0.reading > 0 }) else { return }
    var firsts: [Int: [LeafSignature]] = [:]
    // The parts of one group stand together in their parent; the first of them is read first.
    var firstOfGroup: [Int: Int] = [:]
    for part in parts where firstOfGroup[part.group] == nil { firstOfGroup[part.group] = part.id }
    var dropped: Set<Int> = []
    for part in parts where part.reading > 0 {
      let first = part.parent == nil ? 0 : firstOfGroup[part.group] ?? part.id
      guard first != part.id else { continue }
      let signatures = firsts[first] ?? leaves(below: first)
      firsts[first] = signatures
      if leaves(below: part.id) == signatures {
        dropped.insert(part.id)
      } else if let difference = part.difference {
        parts[first].note(.ambiguous(difference))
      }
    }
    remove(dropped)
  }

  private func leaves(below id: Int) -> [LeafSignature] {
    var found: [LeafSignature] = []
    var pending = [id]
    while let next = pending.popLast(), let part = self[next] {
      // What is a multipart by name only, or nothing at all, is no content.
      let isNothing =
        part.fields.isEmpty && part.body.isEmpty
        || part.type.isMultipart && part.encoding == .identity
      if part.children.isEmpty, !isNothing {
        found.append(
          LeafSignature(
            buffer: part.buffer, body: part.body, fields: part.fields.map(\.position.value),
            encoding: part.encoding))
      }
      pending += part.children.reversed()
    }
    return found
  }

  /// Removes parts and what is in them; the others keep their order.
  private mutating func remove(_ dropped: Set<Int>) {
    guard !dropped.isEmpty else { return }
    var newIDs: [Int: Int] = [:]
    var kept: [MIMEPart] = []
    for part in parts where !dropped.contains(part.id) {
      if let parent = part.parent, newIDs[parent] == nil { continue }
      newIDs[part.id] = kept.count
      kept.append(part)
    }
    parts = kept.map { part in
      part.moved(
        to: newIDs[part.id] ?? 0, parent: part.parent.flatMap { newIDs[$0] },
        children: part.children.compactMap { newIDs[$0] })
    }
  }

  /// Numbers the parts as IMAP does, with a letter for readings behind the first.
  mutating func numberParts() {
    var roots = 0
    for index in parts.indices where parts[index].parent == nil {
      parts[index].number = "0" + Self.letter(roots)
      roots &+= 1
    }
    for index in parts.indices {
      let part = parts[index]
      var prefix = part.number
      // The message and the message in a message have no number of their own in IMAP.
      if part.kind != .message {
        if prefix == "0" {
          prefix = ""
        } else if prefix.hasSuffix(".0") {
          prefix.removeLast(2)
        }
      }
      if !prefix.isEmpty { prefix += "." }
      var counter = 0
      var group: Int?
      var readings = 0
      for child in part.children where parts.indices.contains(child) {
        if parts[child].group != group {
          group = parts[child].group
          counter &+= 1
          readings = 0
        } else {
          readings &+= 1
        }
        let own = part.kind == .message ? "0" : String(counter)
        parts[child].number = prefix + own + Self.letter(readings)
      }
    }
  }

  /// Nothing for the first reading, `b` for the second.
  private static func letter(_ reading: Int) -> String {
    guard reading > 0 else { return "" }
    let letters = Array("bcdefghijklmnopqrstuvwxyz")
    return letters.indices.contains(reading - 1) ? String(letters[reading - 1]) : "(\(reading + 1))"
  }
}

extension MIMEPart {
  /// The part at another place of the tree.
  fileprivate func moved(to id: Int, parent: Int?, children: [Int]) -> MIMEPart {
    MIMEPart(
      id: id, parent: parent, depth: depth, buffer: buffer, range: range, outer: outer,
      header: header, body: body, fields: fields, type: type, hasType: hasType,
      encoding: encoding, lineEnds: lineEnds, names: names, kind: kind, boundary: boundary,
      reading: reading, difference: difference, findings: findings, children: children,
      number: number, group: group)
  }
}
