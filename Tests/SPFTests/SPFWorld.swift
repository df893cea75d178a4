// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import TestSupport
import Testing

/// A zone, a clock that stands still, and an evaluator between them.
struct SPFWorld: Sendable {
  let time = FakeTime()
  let resolver: CountingResolver
  let evaluator: SPFEvaluator

  init(
    _ zone: String, cost: Duration = .zero, records: SPFRecordCache? = nil,
    evaluations: SPFEvaluationCache? = nil, lives: [DomainName: UInt32] = [:]
  ) throws {
    resolver = CountingResolver(try ZoneResolver(zone), cost, time, lives: lives)
    evaluator = SPFEvaluator(
      resolver: resolver, time: time, records: records, evaluations: evaluations)
  }

  func query(
    _ from: String = "a@example.com", client: String = "192.0.2.1", helo: MailText = "mail.example"
  ) throws -> SPFQuery {
    SPFQuery(
      client: try #require(IPAddress(client)), mailFrom: Mailbox(envelope: MailText(from)),
      helo: helo, receiver: "mx.example.org")
  }

  func deadline(_ seconds: Int = 20) -> Deadline { Deadline(.seconds(seconds), time) }

  func check(
    _ from: String = "a@example.com", client: String = "192.0.2.1", helo: MailText = "mail.example"
  ) throws -> SPFEvaluation {
    evaluator.evaluate(
      try query(from, client: client, helo: helo), by: deadline(), isExplained: true)
  }
}
