// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What ends a line. Mail programs differ, and a message can look different to each.
package enum LineEnds: String, Sendable, Hashable, CaseIterable {
  /// LF, with or without a CR before it: what MTAs and nearly all mail programs take.
  case lf
  /// LF, CR or both in a row.
  case any
  /// CR and LF only, as RFC 5322 §2.3 has it.
  case crlf
}

/// One line of a buffer.
struct Line: Equatable {
  /// The bytes without the line end.
  var content: Range<Int>
  /// Where the next line begins.
  var next: Int
}
