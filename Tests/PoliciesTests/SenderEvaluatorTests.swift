// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Configuration
import DNS
import Environment
import Mail
@testable import Policies
import Policy
import SPF
import Synchronization
import TestSupport
import Testing

@Suite struct SenderEvaluatorTests {
  /// Gives every name the same record, and counts.
  private final class EveryName: Resolver {
    private let count = Mutex(0)
    var asked: Int { count.withLock { $0 } }

    func resolve(_ question: Question, by deadline: Deadline) -> Response {
      count.withLock { $0 += 1 }
      return Response(.answer([.text(Array("v=spf1 ip4:192.0.2.1 -all".utf8))]), timeToLive: 300)
    }
  }

  @Test("records of very many domains are read once") func keepsRecords() throws {
    let resolver = EveryName()
    var services = Services.fake()
    services.resolver = resolver
    let options = Configuration(text: "", sections: [SPFOptions.self])
    let evaluator = try SenderEvaluator(options.settings(SPFOptions.self), services)
    let client = try #require(IPAddress("192.0.2.1"))
    let deadline = Deadline(.seconds(20), services.time)
    for _ in 0..<3 {
      for number in 0..<2_000 {
        let sender = Mailbox(envelope: MailText("a@d\(number).example"))
        let query = SPFQuery(client: client, mailFrom: sender, helo: "mail.example")
        #expect(evaluator.official(query, by: deadline).result == .pass)
      }
    }
    #expect(resolver.asked == 2_000)
  }
}
