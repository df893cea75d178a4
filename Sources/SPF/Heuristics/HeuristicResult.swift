// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What something other than RFC 7208 makes of a sender: a type of its own, so that it can never
/// be taken for the official result.
package struct HeuristicResult: Sendable, Equatable {
  /// Where it comes from.
  package enum Basis: String, Sendable {
    /// The domain's record, with common mistakes put up with.
    case lax
    /// A record that we think the domain could have.
    case bestGuess = "best-guess"
    /// A record that somebody else keeps for the domain.
    case delegate
  }

  package let basis: Basis
  package let result: SPFResult
  /// The directive that matched.
  package let mechanism: String?
  /// What was put up with, and what ended the evaluation.
  package let problems: [String]
}
