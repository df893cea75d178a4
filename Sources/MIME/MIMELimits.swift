// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// How far a message is looked into. What lies beyond a limit is reported as not inspected; the rest
/// of the message is still read.
package struct MIMELimits: Sendable, Equatable {
  /// Parts within parts, the message itself being the first.
  package var depth = 100
  /// Parts of one message, those of all its readings together.
  package var parts = 10_000
  /// Bytes of one header.
  package var headerBytes = 1 << 20
  /// Fields of one header that describe content, and names that one part may have.
  package var namesPerPart = 1_000
  /// Such fields and names that are kept of a whole message, for each part that it may have: an
  /// ordinary part has 5 to 20. A name counts once for every 64 bytes of it.
  package var namesForEachPart = 30
  /// Bytes of all encoded messages and multiparts together, decoded.
  package var decodedBytes = 128 << 20
  /// Lines that could be delimiters, in each piece of contiguous text.
  package var delimiters = 200_000
  /// Ways in which one part may be read.
  package var readings = 16
  /// Bytes looked at, as a multiple of the size of the message. It bounds what readings of readings
  /// of odd messages may cost; an ordinary one takes 2 to 5, and some 40 where it is nothing but
  /// headers of parts.
  package var work = 64
  /// Bytes that may be looked at however small the message is: enough for the names of 50 files in a
  /// charset that nobody knows.
  package var leastWork = 1 << 24

  /// The limits that hold by default.
  package init() {}

  /// How many fields that describe content and names are kept of a message.
  package var names: Int {
    let (names, isHuge) = parts.multipliedReportingOverflow(by: namesForEachPart)
    return isHuge ? Int.max : max(names, namesPerPart)
  }

  /// What it costs to read one byte of a field that describes content, if looking at one costs 1.
  static let fieldWork = 12

  /// How many bytes may be looked at in a message of `size` bytes.
  package func work(forSize size: Int) -> Int {
    let (work, isHuge) = size.multipliedReportingOverflow(by: max(1, work))
    return isHuge ? Int.max : max(work, leastWork)
  }
}

/// The limit that kept a part from being inspected.
package enum MIMELimit: String, Sendable, Hashable, CaseIterable {
  case depth, parts, header, names, decoded, delimiters, readings, work
}
