// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
package import Environment
internal import Synchronization

/// Asks the servers through libunbound.
///
/// However the library and the servers behave, a call ends after the time for one query, and at its
/// deadline. Who asks what somebody else is asking waits for the same answer; an answer that comes
/// too late for who asked is kept for the next. Servers that are down cost one wait and are then
/// remembered (`ServerHealth`).
package final class UnboundResolver: Resolver {
  private let core: Core

  /// - Throws: what libunbound does not take, and why.
  package init(
    _ options: UnboundOptions, time: any TimeSource, random: any RandomSource
  ) throws(UnboundFailure) {
    core = Core(try UnboundContext(options), options, time, random)
    try core.context.start()
  }

  deinit { core.context.stop() }

  /// Whether the servers are thought to be down.
  package var isDown: Bool { core.state.withLock { $0.health.isDown } }

  package func resolve(_ question: Question, by deadline: Deadline) -> Response {
    core.resolve(question, by: deadline)
  }
}

/// What the calls and the thread of libunbound share.
private final class Core: Sendable {
  /// A question under way, and who waits for its answer.
  struct Query: Sendable {
    var waiters: [Waiter] = []
  }

  struct State: Sendable {
    var cache: AnswerCache
    var health = ServerHealth()
    var queries: [Question: Query] = [:]
  }

  /// What a call finds.
  private enum Plan {
    case known(Response)
    /// Wait; the question must be asked first, unless somebody did.
    case wait(Waiter, mustAsk: Bool)
    /// Ask, so as to see whether the servers are back, and do not wait.
    case probe
  }

  let context: UnboundContext
  let state: Mutex<State>
  private let options: UnboundOptions
  private let time: any TimeSource
  private let random: any RandomSource

  init(
    _ context: UnboundContext, _ options: UnboundOptions, _ time: any TimeSource,
    _ random: any RandomSource
  ) {
    self.context = context
    self.options = options
    self.time = time
    self.random = random
    state = Mutex(State(cache: AnswerCache(capacity: options.cacheSize)))
  }

  func resolve(_ question: Question, by deadline: Deadline) -> Response {
    let began = time.monotonic
    switch plan(question, now: began) {
    case .known(let response): return response
    case .probe:
      ask(question)
      return Response(.temporary(.serversDown))
    case .wait(let waiter, let mustAsk):
      if mustAsk { ask(question) }
      return wait(waiter, for: question, since: began, by: deadline)
    }
  }

  private func plan(_ question: Question, now: Duration) -> Plan {
    state.withLock { state in
      if let response = state.cache.response(to: question, now: now) { return .known(response) }
      let isUnderWay = state.queries[question] != nil
      if state.health.isDown {
        guard !isUnderWay, state.health.mayProbe(at: now) else {
          return .known(Response(.temporary(.serversDown)))
        }
        state.queries[question] = Query()
        return .probe
      }
      guard isUnderWay || state.queries.count < options.questionsAtOnce else {
        return .known(Response(.temporary(.unavailable("too many questions at once"))))
      }
      let waiter = Waiter()
      state.queries[question, default: Query()].waiters.append(waiter)
      return .wait(waiter, mustAsk: !isUnderWay)
    }
  }

  private func ask(_ question: Question) {
    let refusal = context.ask("\(question.name)", question.type.rawValue) { reply in
      self.arrived(reply, for: question)
    }
    if let refusal { finish(question, Response(.temporary(.unavailable(refusal)))) }
  }

  private func wait(
    _ waiter: Waiter, for question: Question, since began: Duration, by deadline: Deadline
  ) -> Response {
    let left = deadline.remaining
    let limit = min(left, options.timeout)
    // Servers that kept silent for so long are judged by it; less may be no fault of theirs.
    let tells = limit >= options.timeout / 2
    if tells {
      if let response = waiter.wait(limit / 2) { return response }
      probe(since: began)
    }
    let rest = tells ? limit - limit / 2 : limit
    if let response = waiter.wait(rest) { return response }
    let now = time.monotonic
    return state.withLock { state in
      // The answer may have come between the end of the wait and here.
      if let response = waiter.response { return response }
      state.queries[question]?.waiters.removeAll { $0 === waiter }
      if tells { state.health.timedOut(asked: began, at: now) }
      return Response(.temporary(left >= options.timeout ? .timeout : .deadline))
    }
  }

  /// Asks something that every server answers at once, when nobody was answered for a while.
  private func probe(since began: Duration) {
    guard state.withLock({ $0.health.isSilent(since: began) }) else { return }
    // A name that cannot be there, and that no cache has.
    let name = "_probe-\(String(random.next(), radix: 16))"
    _ = context.ask(name, RecordType.soa.rawValue) { reply in self.noteLife(reply) }
  }

  /// An answer came, on the thread of the library.
  private func arrived(_ reply: UnboundContext.Reply, for question: Question) {
    noteLife(reply)
    let response =
      switch reply {
      case .message(let bytes, let isSecure): response(bytes, isSecure, to: question)
      case .code(let code): Response(.temporary(.serverFailure(code: code)))
      case .bogus(let why): Response(.bogus(why))
      case .failure(let why): Response(.temporary(.unavailable(why)))
      }
    finish(question, response)
  }

  private func response(_ bytes: [UInt8], _ isSecure: Bool, to question: Question) -> Response {
    var response = Response(bytes, to: question)
    if options.trustAnchor != nil { response.security = isSecure ? .secure : .insecure }
    return response
  }

  /// Any message but SERVFAIL, which the library makes up itself, is a sign of life.
  private func noteLife(_ reply: UnboundContext.Reply) {
    let isAlive =
      switch reply {
      case .message(let bytes, _): bytes.dropFirst(3).first.map { $0 & 0xF != 2 } ?? false
      case .bogus: true
      case .code, .failure: false
      }
    guard isAlive else { return }
    let now = time.monotonic
    state.withLock { $0.health.answered(at: now) }
  }

  private func finish(_ question: Question, _ response: Response) {
    let now = time.monotonic
    state.withLock { state in
      state.cache.keep(response, to: question, now: now)
      let query = state.queries.removeValue(forKey: question)
      for waiter in query?.waiters ?? [] { waiter.deliver(response) }
    }
  }
}

/// One call that waits for an answer.
private final class Waiter: Sendable {
  private let arrival = DispatchSemaphore(value: 0)
  private let answer = Mutex<Response?>(nil)

  var response: Response? { answer.withLock { $0 } }

  func deliver(_ response: Response) {
    answer.withLock { $0 = response }
    arrival.signal()
  }

  /// The answer, or nil when it has not come after `limit`.
  func wait(_ limit: Duration) -> Response? {
    let (seconds, attoseconds) = limit.components
    // No wait is longer than some days, whatever a deadline says.
    let nanoseconds =
      Int(min(seconds, 1_000_000)) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    guard arrival.wait(timeout: .now() + .nanoseconds(nanoseconds)) == .success else { return nil }
    return response
  }
}
