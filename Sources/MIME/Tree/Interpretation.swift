// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// One way to read one part, before it becomes a part of the tree.
struct Interpretation {
  /// Where children are.
  struct Inside: Equatable {
    var buffer: Int
    var range: Range<Int>
    var ends: LineEnds
  }

  enum Structure: Equatable {
    case leaf
    case message(Inside)
    case multipart(Inside, boundary: [UInt8], Split)
  }

  var header: HeaderBlock
  var names: [PartName]
  /// Whether one of the names says that it is a message.
  var saysMessage: Bool
  var type: ContentType
  var hasType: Bool
  var encoding: TransferEncoding
  var structure: Structure
  var difference: Ambiguity?
  var findings: [PartFinding] = []

  /// Whether both lead to the same content, so that one of them is enough.
  ///
  /// Of content that is not encoded, a reading that begins earlier or later differs in text only.
  func isSame(as other: Interpretation) -> Bool {
    guard structure == other.structure else { return false }
    if structure == .leaf {
      return encoding == other.encoding && header.fields == other.header.fields
        && (encoding == .identity
          || (header.bodyStart == other.header.bodyStart && type.isText == other.type.isText))
    }
    return header.fields == other.header.fields
  }
}

/// What is to be read next.
struct PendingPart {
  var range: Range<Int>
  var outer: Range<Int>?
  var buffer: Int
  var ends: LineEnds
  var parent: Int?
  var depth = 0
  /// What a part without Content-Type is.
  var standardType = ContentType.standard
  /// The reading of the whole text that this belongs to: 0 for the first.
  var reading = 0
  var difference: Ambiguity?
  /// Whether it is data inside text, which has no header.
  var isEmbedded = false
}
