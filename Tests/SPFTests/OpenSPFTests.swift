// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import DNS
import Environment
import SPF
import TestSupport
import Testing

/// The suites of openspf.org, which decide what is right where the RFCs leave it open.
@Suite struct OpenSPFTests {
  static func evaluate(_ test: OpenSPFCase) throws -> SPFEvaluation {
    let time = FakeTime()
    let evaluator = SPFEvaluator(resolver: try ZoneResolver(test.zone), time: time)
    return evaluator.evaluate(try test.query(), by: Deadline(.seconds(20), time))
  }

  @Test func theSuitesAreWhole() throws {
    #expect(try OpenSPFCase.rfc7208.get().count == 203)
    #expect(try OpenSPFCase.rfc4408.get().count == 191)
  }

  @Test("RFC 7208: the first result, and the explanation", arguments: try OpenSPFCase.rfc7208.get())
  func rfc7208(_ test: OpenSPFCase) throws {
    let evaluation = try Self.evaluate(test)
    #expect(evaluation.result.rawValue == test.results.first, "\(evaluation.problem ?? "")")
    if let explanation = test.explanation {
      #expect((evaluation.explanation ?? "DEFAULT") == explanation)
    }
  }

  @Test("RFC 4408: one of the results", arguments: try OpenSPFCase.rfc4408.get())
  func rfc4408(_ test: OpenSPFCase) throws {
    let evaluation = try Self.evaluate(test)
    #expect(test.results.contains(evaluation.result.rawValue), "\(evaluation.problem ?? "")")
  }

  @Test func thePreferredResultChangedInTenCases() throws {
    let preferred = try Dictionary(
      uniqueKeysWithValues: OpenSPFCase.rfc4408.get().map { ($0.name, $0.results.first) })
    let changed = try OpenSPFCase.rfc7208.get().filter { test in
      guard let before = preferred[test.name] else { return false }
      return before != test.results.first
    }
    #expect(
      Set(changed.map(\.name)) == [
        "exists-dnserr", "invalid-domain-empty-label", "invalid-domain-long",
        "invalid-domain-long-via-macro", "multispf2", "multitxt1", "mx-limit", "spfonly",
        "spfoverride", "txttimeout",
      ])
    // There the evaluator follows RFC 7208, and the older suite allows it.
    for test in changed {
      #expect(try Self.evaluate(test).result.rawValue == test.results.first, "\(test.name)")
    }
  }
}
