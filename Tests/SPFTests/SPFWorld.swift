// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Mail
import SPF
import Synchronization
import TestSupport
import Testing

/// A zone, a clock that stands still, and an evaluator between them.
struct SPFWorld: Sendable {
  let time = FakeTime()
  let resolver: CountingResolver
  let evaluator: SPFEvaluator

  init(_ zone: String, cost: Duration = .zero, records: SPFRecordCache? = nil) throws {
    resolver = CountingResolver(try ZoneResolver(zone), cost, time)
    evaluator = SPFEvaluator(resolver: resolver, time: time, records: records)
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

/// Counts questions, and lets each take some time.
final class CountingResolver: Resolver {
  private let resolver: any Resolver
  private let cost: Duration
  private let time: FakeTime
  private let questions = Mutex<[Question]>([])

  init(_ resolver: any Resolver, _ cost: Duration, _ time: FakeTime) {
    self.resolver = resolver
    self.cost = cost
    self.time = time
  }

  var asked: [Question] { questions.withLock { $0 } }

  func resolve(_ question: Question, by deadline: Deadline) -> Response {
    questions.withLock { $0.append(question) }
    guard cost < deadline.remaining || cost == .zero else {
      time.advance(by: deadline.remaining)
      return Response(.temporary(.deadline))
    }
    time.advance(by: cost)
    return resolver.resolve(question, by: deadline)
  }
}
