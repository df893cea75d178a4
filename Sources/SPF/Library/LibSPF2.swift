// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import CSPF2
internal import DNS
package import Environment
internal import Mail

/// Debian's libspf2 in place of our own evaluator, for those who want what it says.
///
/// It asks through our resolver. What it does not do is done here: the limits of RFC 7208 §4.6.4
/// over the whole evaluation, the deadline, and explanations, which come from our own evaluator when
/// that finds a fail too. What it cannot take — bytes that are not ASCII, long names, clients on
/// this machine, which it always lets pass — our own evaluator answers.
package struct LibSPF2: SPFEngine {
  private let native: SPFEvaluator

  /// The longest sender and HELO name that the library gets.
  private static let longestName = 512

  /// The engine beside our own evaluator.
  package init(native: SPFEvaluator) { self.native = native }

  package func evaluate(
    _ query: SPFQuery, by deadline: Deadline, isExplained: Bool
  ) -> SPFEvaluation {
    guard SPFEvaluator.domain(of: query) != nil else {
      return SPFEvaluation(.none, problem: "there is no domain to check")
    }
    let sender =
      query.sender.localPart.bytes + [UInt8(ascii: "@")]
      + (query.sender.domain?.bytes ?? [])
    let receiver = query.receiver?.bytes ?? Array("unknown".utf8)
    let texts = [sender, query.helo.bytes, receiver]
    guard !query.client.isLoopback, texts.allSatisfy(Self.isPlain) else {
      return native.evaluate(query, by: deadline, isExplained: isExplained)
    }
    let door = LibSPF2Door(query, native, by: deadline)
    let (word, problem) = door.check(sender, receiver)
    var evaluation = SPFEvaluation(word, problem: problem)
    evaluation.lookups = door.lookups
    evaluation.lookupCount = door.termCount
    evaluation.voidLookupCount = door.voidCount
    if word == .fail {
      let own = native.evaluate(query, by: deadline, isExplained: isExplained)
      evaluation.explanation = own.result == .fail ? own.explanation : nil
    }
    return evaluation
  }

  private static func isPlain(_ bytes: [UInt8]) -> Bool {
    bytes.count <= longestName && bytes.allSatisfy { (0x20...0x7E).contains($0) }
  }
}
