// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import MilterClient

// What looking through attachments costs.

extension Bench {
  static let copying = "no-op that copies"
  static let withDefang = "bmsd, defang on"

  private func attachmentSections(_ dns: NameServer) -> String {
    sections(dns, isOn: true) + """

      [defang]
      mode = enforce
      [quarantine]
      dir = \(path("quarantine"))
      """
  }

  /// The mix of messages through bmsd with everything enforcing, beside a milter that answers each
  /// step and copies the body; SPF has all answers in its cache.
  func attachments(_ connections: [Int]) throws -> [Measurement] {
    let dns = try nameServer(Correspondence.knownClients)
    let candidates = [
      try Candidate(
        Self.copying, [noCopy, "\(socket("copying"))"], at: socket("copying"),
        log: path("copying.log")),
      try daemon(
        "defang", named: Self.withDefang, at: socket("defang"), sections: attachmentSections(dns)),
    ]
    defer { for candidate in candidates { candidate.stop() } }
    return try compare(candidates, connections, "attachments", .mix)
  }

  /// Memory after each twentieth of `count` messages of the mix over 8 connections.
  func attachmentGrowth(_ count: Int) throws -> [MemorySample] {
    let dns = try nameServer(Correspondence.knownClients)
    let candidate = try daemon(
      "defang-growth", named: Self.withDefang, at: socket("defang-growth"),
      sections: attachmentSections(dns))
    defer { candidate.stop() }
    return try growth(of: candidate, count, .mix)
  }
}
