// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import DNS
package import Environment

extension SPFEvaluator {
  /// What the domain probably means by a record with common mistakes.
  ///
  /// Put up with: misspelt and unknown mechanisms, a missing `ip4:`, an argument of `all`, more
  /// than 10 terms that ask DNS (at most 40), more than 10 MX records, modifiers that stand there
  /// twice, the inclusion of a domain without a record, the obsolete `default=`. Without any of
  /// these the result is the official one, and `problems` is empty.
  package func laxResult(of query: SPFQuery, by deadline: Deadline) -> HeuristicResult {
    heuristic(.lax, query, by: deadline) { run, domain throws(SPFStop) in
      try run.check(domain, depth: 0, isCounted: false)
    }
  }

  /// What a record that we think up would say of the sender.
  ///
  /// A domain whose last label cannot be a top-level domain has no result; a guess never is a
  /// permerror, for the domain has made no error: it is neutral.
  package func bestGuess(
    _ guess: GuessedRecord, for query: SPFQuery, by deadline: Deadline
  ) -> HeuristicResult {
    guard let domain = Self.domain(of: query), DomainSpec.endsWithTopLabel(domain.text) else {
      return HeuristicResult(basis: .bestGuess, result: .none, mechanism: nil, problems: [])
    }
    let found = heuristic(.bestGuess, query, by: deadline) { run, domain throws(SPFStop) in
      try run.evaluate(guess.record, of: domain, depth: 0)
    }
    guard found.result == .permerror else { return found }
    return HeuristicResult(
      basis: .bestGuess, result: .neutral, mechanism: nil, problems: found.problems)
  }

  /// What the record at `domain._spf.delegate` says of the sender; nil when the domain has a
  /// record of its own, or there is nothing to ask.
  package func delegatedResult(
    of query: SPFQuery, to delegate: DomainName, by deadline: Deadline
  ) -> HeuristicResult? {
    guard let domain = Self.domain(of: query),
      let place = DomainName("_spf")?.below(delegate).flatMap(domain.below),
      !evaluate(query, by: deadline).hasRecord
    else { return nil }
    return heuristic(.delegate, query, by: deadline) { run, domain throws(SPFStop) in
      guard let record = try run.record(of: place, isCounted: false) else { return nil }
      return try run.evaluate(record, of: domain, depth: 1)
    }
  }

  private func heuristic(
    _ basis: HeuristicResult.Basis, _ query: SPFQuery, by deadline: Deadline,
    _ body: (inout SPFRun, DomainName) throws(SPFStop) -> SPFRun.Finding?
  ) -> HeuristicResult {
    guard let domain = Self.domain(of: query) else {
      return HeuristicResult(basis: basis, result: .none, mechanism: nil, problems: [])
    }
    var run = SPFRun(query, self, by: deadline, isLax: true, isExplained: false)
    do throws(SPFStop) {
      let finding = try body(&run, domain)
      return HeuristicResult(
        basis: basis, result: finding?.result ?? .none, mechanism: finding?.directive,
        problems: run.problems)
    } catch {
      switch error {
      case .permerror(let why):
        return HeuristicResult(
          basis: basis, result: .permerror, mechanism: nil, problems: run.problems + [why])
      case .temperror(let why):
        return HeuristicResult(
          basis: basis, result: .temperror, mechanism: nil, problems: run.problems + [why])
      }
    }
  }
}

extension SPFEvaluation {
  /// Whether the domain has published something.
  fileprivate var hasRecord: Bool { result != .none }
}
