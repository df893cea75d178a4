// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import DNS
internal import Mail

// check_host() (RFC 7208 §4).

extension SPFRun {
  /// Evaluates the record of a domain; nil when it has none.
  mutating func check(
    _ domain: DomainName, depth: Int, isCounted: Bool = true
  ) throws(SPFStop) -> Finding? {
    guard depth / 2 <= limits.depth else {
      throw .permerror("records include each other too deeply")
    }
    let step = begin(.record(domain), "", depth)
    do throws(SPFStop) {
      guard let record = try record(of: domain, isCounted: isCounted) else {
        end(step, "none")
        return nil
      }
      let finding = try evaluate(record, of: domain, depth: depth + 1)
      end(step, finding.result.rawValue)
      return finding
    } catch {
      end(step, error)
      throw error
    }
  }

  /// Evaluates a record for a domain (RFC 7208 §4.6.2).
  mutating func evaluate(
    _ record: SPFRecord, of domain: DomainName, depth: Int
  ) throws(SPFStop) -> Finding {
    for directive in record.directives {
      let step = begin(.term, directive.text, depth)
      do throws(SPFStop) {
        if directive.mechanism.asksDNS { try countTerm() }
        let isMatch = try matches(directive.mechanism, of: domain, depth: depth)
        end(step, isMatch ? "match: \(directive.result.rawValue)" : "no match")
        guard !isMatch else {
          return Finding(
            result: directive.result, directive: directive.text,
            explanation: record.explanation, domain: domain)
        }
      } catch {
        end(step, error)
        throw error
      }
    }
    guard let redirect = record.redirect else {
      return Finding(result: record.fallback, directive: nil, explanation: nil, domain: domain)
    }
    return try follow(redirect, from: domain, depth: depth)
  }

  /// RFC 7208 §6.1.
  private mutating func follow(
    _ redirect: DomainSpec, from domain: DomainName, depth: Int
  ) throws(SPFStop) -> Finding {
    try countTerm()
    guard let target = try name(redirect, of: domain) else {
      throw .permerror("redirect= leads to no domain name")
    }
    guard let finding = try check(target, depth: depth) else {
      throw .permerror("\(target), to which redirect= leads, has no SPF record")
    }
    return finding
  }

  // MARK: - Steps

  /// Notes a step and where it is, to say later what came of it.
  private mutating func begin(_ kind: SPFStep.Kind, _ text: String, _ depth: Int) -> Int? {
    // Even a record of the largest size is shown only in part.
    guard isExplained, steps.count < 1000 else { return nil }
    steps.append(SPFStep(depth: depth, kind: kind, text: text, outcome: ""))
    return steps.count - 1
  }

  private mutating func end(_ step: Int?, _ outcome: String) {
    if let step, steps.indices.contains(step) { steps[step].outcome = outcome }
  }

  private mutating func end(_ step: Int?, _ stop: SPFStop) {
    switch stop {
    case .permerror(let why): end(step, "permerror: \(why)")
    case .temperror(let why): end(step, "temperror: \(why)")
    }
  }
}
