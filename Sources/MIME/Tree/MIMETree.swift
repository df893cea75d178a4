// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A message taken apart, in every reading that some mail program has of it (RFC 2045, RFC 2046).
///
/// Parts are ranges of the message's bytes. Only what stands in an encoded message or multipart is
/// decoded, into a text of its own; the content of leaves is decoded when it is asked for. Every
/// message can be read; what lies beyond a limit is a finding.
package struct MIMETree: Sendable {
  /// The message, and the decoded texts of encoded messages and multiparts.
  package internal(set) var buffers: [MessageBytes]
  /// Where each of them comes from; nil for the message.
  package internal(set) var sources: [TextSource?] = [nil]
  /// All parts of all readings; the first is the message, and each comes after the one it is in.
  package internal(set) var parts: [MIMEPart] = []
  /// The limits that the message was read with.
  package let limits: MIMELimits

  /// How many bytes were looked at, those again that several readings look at. It is bounded by
  /// `MIMELimits.work`.
  package let bytesRead: Int
  /// The most parts that waited to be read at once. It is bounded by a multiple of
  /// `MIMELimits.parts`.
  package let mostWaiting: Int

  /// Reads a message: header, empty line, body.
  package init(_ message: [UInt8], limits: MIMELimits = MIMELimits()) {
    buffers = [MessageBytes(message)]
    self.limits = limits
    var builder = TreeBuilder(message: MessageBytes(message), limits: limits)
    builder.build()
    bytesRead = builder.texts.bytesRead
    mostWaiting = builder.mostPending
    buffers = builder.texts.buffers
    sources = builder.texts.sources
    parts = builder.parts
    prune()
    numberParts()
  }

  /// The part of that index, nil when there is none.
  package subscript(id: Int) -> MIMEPart? { parts.indices.contains(id) ? parts[id] : nil }

  /// The text that a part is in.
  package func buffer(of part: MIMEPart) -> MessageBytes {
    buffers.indices.contains(part.buffer) ? buffers[part.buffer] : MessageBytes([])
  }

  /// A decoder of the content of a part.
  package func decoder(of part: MIMEPart) -> ContentDecoder {
    ContentDecoder(buffer(of: part), part.body, part.encoding, part.lineEnds)
  }

  /// Whether there is more than one reading, or one that programs may not share.
  package var isAmbiguous: Bool { parts.contains { $0.isAmbiguous } }

  /// The parts in the order of the message, each before what is in it and before its other readings.
  package var inOrder: [MIMEPart] {
    var ordered: [MIMEPart] = []
    ordered.reserveCapacity(parts.count)
    var pending = parts.filter { $0.parent == nil }.map(\.id).reversed() as [Int]
    while let next = pending.popLast(), let part = self[next] {
      ordered.append(part)
      pending += part.children.reversed()
    }
    return ordered
  }

  /// What is remarkable about the message, each once.
  package var findings: [PartFinding] {
    var all: [PartFinding] = []
    for part in parts {
      for finding in part.findings where !all.contains(finding) { all.append(finding) }
    }
    return all
  }
}

extension MIMETree {
  /// The header of a message as an MTA sees it, which ends at the first empty line, and where the
  /// body begins.
  package static func split(_ message: [UInt8]) -> (header: Range<Int>, bodyStart: Int) {
    let text = MessageBytes(message)
    let whole = 0..<text.count
    var start = 0
    while start < text.count {
      let line = text.line(at: start, in: whole, .lf)
      if line.content.isEmpty { return (0..<start, line.next) }
      start = line.next
    }
    return (whole, text.count)
  }
}

extension MIMEPart {
  /// Whether mail programs can see the part differently.
  package var isAmbiguous: Bool {
    findings.contains {
      guard case .ambiguous = $0 else { return false }
      return true
    }
  }
}
