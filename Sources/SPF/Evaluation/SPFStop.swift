// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What ends a check early (RFC 7208 §2.6.6, §2.6.7).
enum SPFStop: Error {
  case permerror(String)
  case temperror(String)
}

/// What a check may cost before it ends.
struct SPFLimits: Sendable {
  /// Terms that ask DNS (RFC 7208 §4.6.4).
  var terms = 10
  /// Terms whose lookups find nothing (RFC 7208 §4.6.4).
  var voidTerms = 2
  /// Mail exchanges of one `mx`, and names of a client (RFC 7208 §4.6.4).
  var names = 10
  /// Records within records; more than the limit of terms lets through.
  var depth = 20
  /// Bytes that the expansion of macros may handle: some thousand names' worth.
  var macroBytes = 1 << 16

  /// The limits of RFC 7208.
  static let official = SPFLimits()
  /// Where a lax evaluation ends at last.
  static let lax = SPFLimits(terms: 40, names: 40)
}
