// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
package import Environment
internal import Synchronization

/// Lets one writer in at a time, each waiting no longer than its deadline, and after a failure
/// nobody until a probe is due.
///
/// SQLite's own waits add up: sixteen threads behind a held lock waited one, two ... sixteen
/// seconds. Here the threads wait together, and after one of them met the lock the others fail at
/// once.
package final class WriteGate: Sendable {
  /// How long after a failure the next attempt is made, by one caller.
  package static let probeInterval = Duration.seconds(1)

  private struct Failure: Sendable {
    var trouble: StoreTrouble
    var nextProbe: Duration
    var since: Duration
  }

  private let turn = DispatchSemaphore(value: 1)
  private let failure = Mutex<Failure?>(nil)
  private let time: any TimeSource

  package init(_ time: any TimeSource) { self.time = time }

  /// What the last attempt failed with; nil when all is well.
  package var trouble: StoreTrouble? { failure.withLock { $0?.trouble } }

  /// Runs `body` alone.
  ///
  /// Throws `failing` at once while a failure is fresh, `busy` when the turn did not come within
  /// `limit`, else what `body` throws, as `StoreTrouble`.
  package func run<T>(within limit: Duration, _ body: () throws -> T) throws(StoreTrouble) -> T {
    let isProbe = try checkFailure()
    guard waitForTurn(limit) else {
      // The writer ahead is stuck: nobody else need wait as long to learn it.
      note(.busy)
      throw StoreTrouble.busy
    }
    defer { turn.signal() }
    // While we waited the writer ahead may have failed.
    if !isProbe { _ = try checkFailure() }
    do {
      let value = try body()
      failure.withLock { $0 = nil }
      return value
    } catch {
      let trouble = StoreTrouble(error)
      note(trouble)
      throw trouble
    }
  }

  /// Runs `body` alone, whatever failed before, and keeps to itself how that ends: for what looks
  /// after the file.
  ///
  /// Throws `busy` when the turn did not come within `limit`, else what `body` throws.
  func alone<T>(within limit: Duration, _ body: () throws -> T) throws(StoreTrouble) -> T {
    guard waitForTurn(limit) else { throw .busy }
    defer { turn.signal() }
    do { return try body() } catch { throw StoreTrouble(error) }
  }

  private func waitForTurn(_ limit: Duration) -> Bool {
    // A day is as good as for ever, and no sum overflows.
    let (seconds, attoseconds) = min(max(limit, .zero), .seconds(86_400)).components
    let nanoseconds = Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    return turn.wait(timeout: .now() + .nanoseconds(nanoseconds)) == .success
  }

  /// Forgets the last failure: what caused it is gone.
  func forgive() { failure.withLock { $0 = nil } }

  /// Notes a failure met outside `run`, such as too little space.
  package func note(_ trouble: StoreTrouble) {
    let now = time.monotonic
    failure.withLock { failure in
      failure = Failure(
        trouble: trouble, nextProbe: now + Self.probeInterval, since: failure?.since ?? now)
    }
  }

  /// Throws while a failure is fresh; true for the one caller for whom a probe is due.
  private func checkFailure() throws(StoreTrouble) -> Bool {
    let now = time.monotonic
    let (fresh, isProbe) = failure.withLock { failure -> (StoreTrouble?, Bool) in
      guard let known = failure else { return (nil, false) }
      if now < known.nextProbe { return (known.trouble, false) }
      failure?.nextProbe = now + Self.probeInterval
      return (nil, true)
    }
    if let fresh { throw StoreTrouble.failing(fresh.description) }
    return isProbe
  }
}
