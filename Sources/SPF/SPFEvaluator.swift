// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import DNS
package import Environment
internal import Mail

/// Something that can evaluate SPF: our own evaluator, or a library behind the same door.
package protocol SPFEngine: Sendable {
  /// What RFC 7208 says of a client and its sender; never later than `deadline`. Each step of the
  /// evaluation is kept when it `isExplained`.
  func evaluate(_ query: SPFQuery, by deadline: Deadline, isExplained: Bool) -> SPFEvaluation
}

extension SPFEngine {
  /// The same without steps.
  package func evaluate(_ query: SPFQuery, by deadline: Deadline) -> SPFEvaluation {
    evaluate(query, by: deadline, isExplained: false)
  }
}

/// Evaluates SPF as RFC 7208 has it.
///
/// No record can trap it or keep it busy: terms that ask DNS, void lookups, MX and PTR names,
/// nesting and the size of macros are limited, and time is, by the deadline (RFC 7208 §4.6.4).
package struct SPFEvaluator: SPFEngine {
  let resolver: any Resolver
  let time: any TimeSource
  let records: SPFRecordCache?
  private let evaluations: SPFEvaluationCache?

  /// The evaluator that asks `resolver`, keeps records as it has read them in `records`, and what
  /// official evaluations came to in `evaluations`.
  package init(
    resolver: any Resolver, time: any TimeSource, records: SPFRecordCache? = nil,
    evaluations: SPFEvaluationCache? = nil
  ) {
    self.resolver = resolver
    self.time = time
    self.records = records
    self.evaluations = evaluations
  }

  package func evaluate(
    _ query: SPFQuery, by deadline: Deadline, isExplained: Bool
  ) -> SPFEvaluation {
    let began = time.monotonic
    // The tree of steps is made anew each time.
    let cache = isExplained ? nil : evaluations
    if let known = cache?.evaluation(of: query, now: began) { return known }
    guard let domain = Self.domain(of: query) else {
      return SPFEvaluation(.none, problem: "there is no domain to check")
    }
    var run = SPFRun(query, self, by: deadline, isLax: false, isExplained: isExplained)
    let found = run.evaluation { run throws(SPFStop) in
      try run.check(domain, depth: 0, isCounted: false)
    }
    cache?.keep(found, of: query, run.traits, seconds: run.timeToLive, since: began)
    return found
  }

  /// The domain to check; nil for what is none, for an address literal, and for a single label
  /// (RFC 7208 §4.3).
  static func domain(of query: SPFQuery) -> DomainName? {
    guard let text = query.sender.domain?.bytes, text.first != UInt8(ascii: "["),
      let name = DomainName(text), name.hasParent
    else { return nil }
    return name
  }
}

extension SPFRun {
  /// Runs `body`, and says what came of it with what it took.
  mutating func evaluation(
    _ body: (inout SPFRun) throws(SPFStop) -> Finding?
  ) -> SPFEvaluation {
    var evaluation: SPFEvaluation
    do throws(SPFStop) {
      if let finding = try body(&self) {
        evaluation = SPFEvaluation(finding.result)
        evaluation.mechanism = finding.directive
        if finding.result == .fail { evaluation.explanation = explanation(of: finding) }
      } else {
        evaluation = SPFEvaluation(.none, problem: "the domain has no SPF record")
      }
    } catch {
      switch error {
      case .permerror(let why): evaluation = SPFEvaluation(.permerror, problem: why)
      case .temperror(let why): evaluation = SPFEvaluation(.temperror, problem: why)
      }
    }
    evaluation.lookups = lookups
    evaluation.lookupCount = termCount
    evaluation.voidLookupCount = voidTermCount
    evaluation.steps = steps
    return evaluation
  }

  /// The text that the domain gives for a fail; nil for whatever is wrong with it
  /// (RFC 7208 §6.2).
  private mutating func explanation(of finding: Finding) -> String? {
    guard let spec = finding.explanation else { return nil }
    do throws(SPFStop) {
      guard let name = try name(spec, of: finding.domain) else { return nil }
      let texts = try look(name, .txt, isCounted: false).texts
      guard texts.count == 1, let text = texts.first,
        let macros = try? MacroString(text, for: .explanation)
      else { return nil }
      return try explanation(macros, for: finding.domain)
    } catch {
      return nil
    }
  }
}
