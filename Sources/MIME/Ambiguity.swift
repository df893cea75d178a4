// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Why two mail programs can see different parts in the same message.
package enum Ambiguity: String, Sendable, Hashable, CaseIterable {
  /// A CR without LF, or LF with and without CR, that make different lines.
  case lineEnds = "line-ends"
  /// A line in a header that is no field.
  case junkInHeader = "junk-in-header"
  /// A line of white space in a header.
  case blankLineInHeader = "blank-line-in-header"
  /// Fields of MIME behind empty lines where a header should begin.
  case headerBehindEmptyLines = "header-behind-empty-lines"
  /// Several Content-Type fields that say different things.
  case contentTypes = "content-types"
  /// Several Content-Transfer-Encoding fields that say different things.
  case transferEncodings = "transfer-encodings"
  /// A Content-Transfer-Encoding that RFC 2045 does not know.
  case unknownEncoding = "unknown-encoding"
  /// A boundary that can be read as different texts, each of which splits the body.
  case boundaries = "boundaries"
  /// A multipart without a boundary that occurs; parts were found by guessing.
  case guessedBoundary = "guessed-boundary"
  /// Lines that are delimiters only if what follows the boundary on them is ignored.
  case longerDelimiter = "longer-delimiter"
  /// Delimiters behind the closing one.
  case partsBehindEnd = "parts-behind-end"
  /// The boundary of an enclosing multipart.
  case boundaryOfParent = "boundary-of-parent"
  /// Parts in a body whose type is not multipart.
  case partsInOtherType = "parts-in-other-type"
  /// A multipart or message under an encoding that RFC 2045 §6.4 forbids for it.
  case encodedContainer = "encoded-container"
  /// Base64 that goes on behind its padding.
  case base64BehindPadding = "base64-behind-padding"
  /// A NUL in a field that describes content.
  case nulInHeader = "nul-in-header"
}
