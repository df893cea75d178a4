// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import DNS

/// What a check found, and how.
///
/// `result` is what RFC 7208 says and nothing else; what a lax reading, a guess or a delegate would
/// say is a `HeuristicResult`.
package struct SPFEvaluation: Sendable {
  package var result: SPFResult
  /// The text that the domain gives for a fail (RFC 7208 §6.2): visible ASCII, at most
  /// `longestExplanation` bytes, not to be believed. Nil when it gives none.
  package var explanation: String?
  /// The directive of the domain's own record, or of the one it redirects to, that matched, as
  /// published: `-all`, `include:example.org`.
  package var mechanism: String?
  /// Why the result is permerror or temperror, or which domain has no record.
  package var problem: String?
  /// Every question, in order.
  package var lookups: [SPFLookup] = []
  /// How many terms asked DNS; at most 10 (RFC 7208 §4.6.4).
  package var lookupCount = 0
  /// How many of these got no records; at most 2 (RFC 7208 §4.6.4).
  package var voidLookupCount = 0
  /// Records and their terms as they were evaluated; empty unless asked for.
  package var steps: [SPFStep] = []

  package init(_ result: SPFResult, problem: String? = nil) {
    self.result = result
    self.problem = problem
  }

  /// The most bytes of an explanation: a line of an SMTP reply has 512 (RFC 5321 §4.5.3.1.5).
  package static let longestExplanation = 400
}

/// One question that a check has asked.
package struct SPFLookup: Sendable, Equatable {
  package var question: Question
  /// `answer`, `no data`, `NXDOMAIN`, `timeout` ...
  package var outcome: String
  /// How many records came.
  package var recordCount: Int
  /// The number of the term that asked, from 1; 0 for the first record and for explanations,
  /// which are not counted.
  package var term: Int
  /// How long the answer took.
  package var elapsed: Duration
  /// Whether nobody had to be asked.
  package var isFromCache: Bool
}

/// One line of the evaluation as a tree, in the order of evaluation.
package struct SPFStep: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    /// The record of a domain.
    case record(DomainName)
    /// A directive, or the redirect modifier.
    case term
  }

  /// 0 for the first record, 1 for its terms, 2 for a record that one of these includes ...
  package var depth: Int
  package var kind: Kind
  /// The record or term as published, safe to show.
  package var text: String
  /// What came of it: `no match`, `match: fail`, `permerror: ...`.
  package var outcome: String
}
