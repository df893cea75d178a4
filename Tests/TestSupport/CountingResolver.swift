// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import DNS
package import Environment
internal import Synchronization

/// Counts questions, lets each take some time, and lets answers live as long as a test wants.
package final class CountingResolver: Resolver {
  private let resolver: any Resolver
  private let cost: Duration
  private let time: FakeTime
  /// The seconds for which answers about a name hold, where the other resolver shall not say so.
  private let lives: [DomainName: UInt32]
  private let questions = Mutex<[Question]>([])

  package init(
    _ resolver: any Resolver, _ cost: Duration, _ time: FakeTime,
    lives: [DomainName: UInt32] = [:]
  ) {
    self.resolver = resolver
    self.cost = cost
    self.time = time
    self.lives = lives
  }

  /// Every question so far.
  package var asked: [Question] { questions.withLock { $0 } }

  package func resolve(_ question: Question, by deadline: Deadline) -> Response {
    questions.withLock { $0.append(question) }
    guard cost < deadline.remaining || cost == .zero else {
      time.advance(by: deadline.remaining)
      return Response(.temporary(.deadline))
    }
    time.advance(by: cost)
    var response = resolver.resolve(question, by: deadline)
    if let life = lives[question.name] { response.timeToLive = life }
    return response
  }
}
