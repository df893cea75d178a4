// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
internal import Environment
internal import Greylisting
internal import Logging
internal import Store
internal import Synchronization

/// Looks after the memory in a thread of its own: writes what waits, forgets what expired, watches
/// the disk and the file.
final class Housekeeper: Sendable {
  private let memory: Memory
  private let time: any TimeSource
  private let minFree: @Sendable () -> Int
  private let greylist: @Sendable () -> TripletRule?
  private let log: @Sendable () -> Logger
  private let freeBytes: @Sendable (String) -> Int?
  private let state: Mutex<State>

  private struct State {
    var nextPurge: Duration
    var nextGreylistPurge: Duration
    /// What was said, so that a standing fault is said once a minute and its end once.
    var saidFault: String?
    var nextWord: Duration
  }

  static let purgeInterval = Duration.seconds(60)
  /// The greylist may be long: every triplet is looked at, 500 at a time.
  static let greylistPurgeInterval = Duration.seconds(3600)
  /// How long a write waits; only this thread does.
  static let writeLimit = Duration.seconds(1)

  /// `minFree`, `greylist` (nil while it is off) and `log` are asked each time, since a reload may
  /// change them.
  init(
    _ memory: Memory, _ time: any TimeSource, minFree: @escaping @Sendable () -> Int,
    greylist: @escaping @Sendable () -> TripletRule? = { nil },
    log: @escaping @Sendable () -> Logger,
    freeBytes: @escaping @Sendable (String) -> Int? = { FreeSpace.bytes(at: $0) }
  ) {
    self.memory = memory
    self.time = time
    self.minFree = minFree
    self.greylist = greylist
    self.log = log
    self.freeBytes = freeBytes
    let now = time.monotonic
    state = Mutex(State(nextPurge: now, nextGreylistPurge: now, saidFault: nil, nextWord: now))
  }

  /// Begins; returns false when the system gives no thread.
  func start() -> Bool {
    startThread { [self] in
      // Nobody signals it: it is only a wait that no signal cuts short.
      let pause = DispatchSemaphore(value: 0)
      while true {
        tick()
        _ = pause.wait(timeout: .now() + .seconds(1))
      }
    }
  }

  /// Does what is due.
  func tick() {
    let now = time.monotonic
    // Before every write: what is noted holds until the next probe, a second later.
    checkDisk()
    let purges = state.withLock { state in
      guard state.nextPurge <= now else { return false }
      state.nextPurge = now + Self.purgeInterval
      return true
    }
    if purges {
      memory.bans?.purge()
      memory.allowed?.purge()
    }
    let purgesGreylist = state.withLock { state in
      guard state.nextGreylistPurge <= now else { return false }
      state.nextGreylistPurge = now + Self.greylistPurgeInterval
      return true
    }
    if purgesGreylist, let store = memory.store, let rule = greylist() {
      _ = try? store.purgeGreylist(by: rule, at: time.milliseconds, within: Self.writeLimit)
    }
    // What fails is told by `faults` below and tried again at the next tick.
    try? memory.flush(within: Self.writeLimit)
    report(now)
  }

  /// With less than a tenth of `min_free` the state is not written either.
  private func checkDisk() {
    guard let file = memory.store?.file, let free = freeBytes(file.path) else { return }
    if free < minFree() / 10 { file.note(.full) }
  }

  private func report(_ now: Duration) {
    let fault = memory.faults.first
    let isDue = state.withLock { state in
      let isNew = fault != nil && now >= state.nextWord
      let isOver = fault == nil && state.saidFault != nil
      if isNew { state.nextWord = now + .seconds(60) }
      if isNew || isOver { state.saidFault = fault }
      return isNew || isOver
    }
    guard isDue else { return }
    if let fault { log().error("\(fault)") } else { log().notice("the database works again") }
  }
}
