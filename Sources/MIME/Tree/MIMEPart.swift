// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What is remarkable about a part.
package enum PartFinding: Sendable, Hashable {
  /// A limit kept this part, or some of what is in it, from being inspected.
  case notInspected(MIMELimit)
  /// Two mail programs can see it differently; every reading is in the tree.
  case ambiguous(Ambiguity)
  /// A piece of a message that is put together by the recipient (RFC 2046 §5.2.2).
  case partialMessage
  /// Content that the recipient fetches from elsewhere (RFC 2046 §5.2.3).
  case externalBody
  /// A multipart whose closing delimiter is missing.
  case missingEnd
}

extension PartFinding: CustomStringConvertible {
  /// For people and for `detail` of a log line.
  package var description: String {
    switch self {
    case .notInspected(let limit): "not inspected: \(limit.rawValue)"
    case .ambiguous(let ambiguity): "ambiguous: \(ambiguity.rawValue)"
    case .partialMessage: "partial message"
    case .externalBody: "external body"
    case .missingEnd: "missing end"
    }
  }
}

/// One part of a message in one reading; the message itself is the first.
package struct MIMEPart: Sendable {
  /// What a part is to the tree.
  package enum Kind: String, Sendable {
    /// Content.
    case leaf
    /// Parts between delimiters.
    case multipart
    /// A message with a header of its own, its one child.
    case message
    /// Data between a `begin` and an `end` line inside text.
    case embedded
  }

  /// Its index in the tree.
  package let id: Int
  /// The part it is in.
  package let parent: Int?
  /// How many parts it is in.
  package let depth: Int
  /// Which text of the tree the ranges are in; 0 is the message.
  package let buffer: Int
  /// Header, empty line and body, without the line end that belongs to the next delimiter.
  package let range: Range<Int>
  /// From the start of its delimiter line to that of the next, or to the end of what it is in; nil
  /// where there are no delimiters.
  package let outer: Range<Int>?
  /// The lines of the header, without the empty line. Of embedded data, the line that begins it.
  package let header: Range<Int>
  /// The encoded content.
  package let body: Range<Int>
  /// The fields that describe the content, top first.
  package let fields: [ContentField]
  /// What it says it is; text/plain where it says nothing.
  package let type: ContentType
  /// Whether there is a Content-Type field.
  package let hasType: Bool
  /// How its content is encoded.
  package let encoding: TransferEncoding
  /// What ends its lines.
  package let lineEnds: LineEnds
  /// Every name that some mail program could use for it.
  package let names: [PartName]
  /// What it is to the tree.
  package internal(set) var kind: Kind
  /// The boundary that its parts were found by.
  package internal(set) var boundary: [UInt8]?
  /// 0 for what most mail programs see. Others read the same bytes of the message differently.
  package let reading: Int
  /// What makes this reading differ, nil for the first.
  package let difference: Ambiguity?
  /// What is remarkable about it.
  package internal(set) var findings: [PartFinding] = []
  /// Its parts in order, those of the other readings among them.
  package internal(set) var children: [Int] = []
  /// Its place: `0` is the message, `2.1` the first part of the second part, `2.0` the message in
  /// the second part (RFC 3501 §6.4.5), `2b` another reading of the second part.
  package internal(set) var number = ""

  /// The readings of the same bytes share the group.
  let group: Int
  /// Whether its content is a file by itself: a leaf, data in text, or what is a message only by its
  /// name or by the first word of its type, which some programs give out as a file.
  package var holdsContent: Bool {
    kind == .leaf || kind == .embedded || kind == .message && !type.isWholeMessage
  }
}

extension MIMEPart {
  /// Whether no other type is declared besides `type`: readings that differ in nothing but the type
  /// of the same content are one part.
  package var hasOneType: Bool { fields.count { $0.name == .type } <= 1 }

  /// Adds a finding once.
  mutating func note(_ finding: PartFinding) {
    if !findings.contains(finding) { findings.append(finding) }
  }
}
