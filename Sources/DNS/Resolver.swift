// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment

/// Answers questions of DNS.
///
/// A call waits until there is an answer, or until `deadline` at the latest; then the outcome is
/// temporary. What it returns belongs to the question: aliases are followed, and the records have
/// the type asked for.
package protocol Resolver: Sendable {
  func resolve(_ question: Question, by deadline: Deadline) -> Response
}

extension Resolver {
  /// The records of one type of a name.
  package func resolve(
    _ name: DomainName, _ type: RecordType, by deadline: Deadline
  ) -> Response {
    resolve(Question(name, type), by: deadline)
  }
}

/// How often one name may point to another before that is an error.
let longestAliasChain = 10

/// Nobody to ask: every answer is that there is none for now.
package struct NoResolver: Resolver {
  private let why: String

  package init(because why: String = "there is no resolver") { self.why = why }
  package func resolve(_ question: Question, by deadline: Deadline) -> Response {
    Response(.temporary(.unavailable(why)))
  }
}
