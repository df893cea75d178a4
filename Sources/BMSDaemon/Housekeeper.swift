// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
internal import Environment
internal import Greylisting
internal import Logging
internal import Quarantine
internal import Store
internal import Synchronization

/// Looks after the memory in a thread of its own: writes what waits, forgets what expired, copies
/// the log into the database, watches the disk and the file.
final class Housekeeper: Sendable {
  private let memory: Memory
  private let time: any TimeSource
  private let minFree: @Sendable () -> Int
  private let greylist: @Sendable () -> TripletRule?
  private let log: @Sendable () -> Logger
  private let freeBytes: @Sendable (String) -> Int?
  private let maximumTriplets: Int
  private let state: Mutex<State>

  private struct State {
    var nextPurge: Duration
    var nextGreylistPurge: Duration
    var nextCheckpoint: Duration
    var nextQuarantineCare: Duration
    /// When `attend` was done last.
    var attended: Duration
    /// What was said, so that a standing fault is said once a minute and its end once.
    var saidFault: String?
    var nextWord: Duration
  }

  static let purgeInterval = Duration.seconds(60)
  /// The greylist may be long: every triplet is looked at, 500 at a time.
  static let greylistPurgeInterval = Duration.seconds(3600)
  /// How often the log is copied into the database, if it does not grow faster.
  static let checkpointInterval = Duration.seconds(60)
  /// How long a write waits; only this thread does.
  static let writeLimit = Duration.seconds(1)

  /// `minFree`, `greylist` (nil while it is off) and `log` are asked each time, since a reload may
  /// change them.
  init(
    _ memory: Memory, _ time: any TimeSource, minFree: @escaping @Sendable () -> Int,
    greylist: @escaping @Sendable () -> TripletRule? = { nil },
    log: @escaping @Sendable () -> Logger,
    freeBytes: @escaping @Sendable (String) -> Int? = { FreeSpace.bytes(at: $0) },
    maximumTriplets: Int = StateStore.maximumTriplets
  ) {
    self.memory = memory
    self.time = time
    self.minFree = minFree
    self.greylist = greylist
    self.log = log
    self.freeBytes = freeBytes
    self.maximumTriplets = maximumTriplets
    let now = time.monotonic
    state = Mutex(
      State(
        nextPurge: now, nextGreylistPurge: now, nextCheckpoint: now + Self.checkpointInterval,
        nextQuarantineCare: now,
        attended: now, saidFault: nil, nextWord: now))
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
    attend()
    let purges = state.withLock { state in
      guard state.nextPurge <= now else { return false }
      state.nextPurge = now + Self.purgeInterval
      return true
    }
    if purges {
      memory.bans?.purge()
      memory.allowed?.purge()
      try? memory.flush(within: Self.writeLimit)
      careForGreylist(now)
    }
    careForQuarantine(now)
    report(now)
  }

  // MARK: quarantine

  /// Deletes what is over once a minute, and at once when there is too much.
  private func careForQuarantine(_ now: Duration) {
    guard let quarantine = memory.quarantine else { return }
    let isDue = state.withLock { state in
      guard now >= state.nextQuarantineCare || quarantine.isOverfull else { return false }
      state.nextQuarantineCare = now + Self.purgeInterval
      return true
    }
    guard isDue else { return }
    do {
      for word in try quarantine.care(within: Self.writeLimit, attendIfDue) {
        log().notice("\(word)")
      }
      memory.noteQuarantine(nil)
    } catch {
      memory.noteQuarantine("the quarantine cannot be kept within its limits: \(error)")
    }
  }

  /// Does within long work what cannot wait for its end.
  private func attendIfDue() {
    let attended = state.withLock { $0.attended }
    if time.monotonic - attended >= .seconds(1) { attend() }
  }

  /// What does not wait for longer work to end.
  private func attend() {
    state.withLock { $0.attended = time.monotonic }
    // First of all: what is written into a file that was removed is lost.
    if let event = memory.follow(within: Self.writeLimit) { log().warning("\(event)") }
    // Before every write: what is noted holds until the next probe, a second later.
    checkDisk()
    // What fails is told by `faults` and tried again at the next tick.
    try? memory.flush(within: Self.writeLimit)
    checkpoint()
  }

  /// No commit of the mail path does it, unless this thread stands still.
  private func checkpoint() {
    guard let file = memory.store?.file else { return }
    let now = time.monotonic
    let isDue = state.withLock { state in
      guard now >= state.nextCheckpoint || file.hasLongLog else { return false }
      state.nextCheckpoint = now + Self.checkpointInterval
      return true
    }
    guard isDue else { return }
    do {
      try file.checkpoint(within: Self.writeLimit)
      memory.noteLog(nil)
    } catch {
      memory.noteLog(error)
    }
  }

  // MARK: greylist

  /// Forgets what is over once an hour, and sooner when there are too many triplets.
  private func careForGreylist(_ now: Duration) {
    guard let store = memory.store, let rule = greylist() else { return }
    let isFull = store.estimatedTriplets > maximumTriplets
    guard isFull || state.withLock({ $0.nextGreylistPurge <= now }),
      let purge = try? purge(store, rule)
    else { return }
    state.withLock { $0.nextGreylistPurge = now + Self.greylistPurgeInterval }
    guard purge.ages.total > maximumTriplets else {
      // Room was made a while ago, and it lasts.
      if !isFull { memory.noteGreylist(nil) }
      return
    }
    let shorter = purge.ages.rule(rule, keeping: maximumTriplets - maximumTriplets / 10)
    _ = try? self.purge(store, shorter)
    memory.noteGreylist(
      "the greylist had more than \(maximumTriplets) triplets: what has not passed was forgotten "
        + "after \(shorter.expire / 60_000) min, the rest after \(shorter.retain / 3_600_000) h")
  }

  private func purge(_ store: StateStore, _ rule: TripletRule) throws -> GreylistPurge {
    try store.purgeGreylist(by: rule, at: time.milliseconds, within: Self.writeLimit) { _, _ in
      attendIfDue()
    }
  }

  // MARK: disk

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
