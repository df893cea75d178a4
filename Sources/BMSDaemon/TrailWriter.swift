// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Dispatch
package import Environment
internal import Glibc
package import Logging
package import Policy
package import Store
internal import Synchronization

/// The daemon's decision trail: takes records on the mail path, writes them on a thread of its own.
///
/// Until a configuration with `[trail]` is applied, nothing is kept. Whatever happens to the file,
/// mail does not notice: records wait in a bounded queue, and what does not fit is counted, said
/// once a minute in the log, and remembered in the trail once it can be written again.
package final class TrailWriter: DecisionTrail {
  /// The most records in one transaction, and how long the first of them waits for more.
  package static let batch = 200
  static let pause = DispatchTimeInterval.milliseconds(250)
  /// How often old records are looked for and the disk's room is checked.
  static let housekeeping = Duration.seconds(10)
  /// How often the same trouble is said.
  static let complaintInterval = Duration.seconds(60)
  /// How often a batch that fails for no passing reason is tried.
  private static let attempts = 3

  /// What `[trail]` and `[store]` say.
  private struct Settings: Sendable {
    var path: String
    var limits: TrailLimits
    var minimumFree: Int
    var node: String
    var log: Logger
  }

  private struct State: Sendable {
    var settings: Settings?
    var store: TrailStore?
    /// The right to be the one daemon that writes it.
    var lock: ProcessLock?
    var failures = 0
    var nextHousekeeping: Duration?
    var lastComplaint: Duration?
    var lastLoss = ""
    /// How many of the lost ones the log has told.
    var saidLost = 0
    var isLow = false
    var trouble: String?
  }

  private let time: any TimeSource
  private let freeSpace: @Sendable (String) -> Int?
  private let queue = TrailQueue()
  private let state = Mutex(State())
  private let isOn = Atomic(false)
  /// Held while a batch is written: by the thread, or by whoever flushes.
  private let turn = Mutex(())
  private let wake = DispatchSemaphore(value: 0)

  /// A trail that keeps nothing yet. Without a `thread` somebody must call `step`, as tests do;
  /// `freeSpace` tells the bytes left where a path lies.
  package init(
    time: any TimeSource, thread: Bool = true,
    freeSpace: @escaping @Sendable (String) -> Int? = { FreeSpace.bytes(at: $0) }
  ) {
    self.time = time
    self.freeSpace = freeSpace
    guard thread else { return }
    _ = startThread { [self] in run() }
  }

  /// Takes over a configuration: opens the file at the first one that has `[trail]`, later changes
  /// only limits. A file that cannot be opened is a fault in the log and tried again.
  package func apply(_ configuration: Configuration, log: Logger) {
    let options = configuration.settings(TrailOptions.self)
    guard options.isPresent else {
      isOn.store(false, ordering: .relaxed)
      return
    }
    let settings = Settings(
      path: state.withLock { $0.settings?.path } ?? options.path.path,
      limits: TrailLimits(
        keep: options.keep.milliseconds, keepRefused: options.keepRefused.milliseconds,
        maximumSize: options.maximumSize.bytes),
      minimumFree: configuration.settings(StoreOptions.self).minFree.bytes, node: options.node,
      log: log)
    state.withLock { $0.settings = settings }
    isOn.store(true, ordering: .relaxed)
    turn.withLock { _ in
      do throws(StoreTrouble) {
        _ = try store(settings)
      } catch {
        complain(settings, error.naming(settings.path))
      }
    }
  }

  /// When the newest record began, in milliseconds since 1970; nil without any.
  package var newest: Int64? {
    guard let store = state.withLock({ $0.store }) else { return nil }
    return try? store.newest()
  }

  /// The file that is written; nil without any.
  package var path: String? { state.withLock { $0.settings?.path } }

  /// What is wrong at the moment, for `bmsd status`; nil when all is well.
  package var trouble: String? { state.withLock { $0.trouble } }

  /// What is wrong, or was not long ago, a sentence each: an earlier trail is told of for a day, or
  /// until somebody removes it.
  package var faults: [String] {
    let (trouble, path) = state.withLock { ($0.trouble, $0.settings?.path) }
    let day = time.milliseconds / 1000 - 86_400
    let asides = path.map { TrailAside.all(of: $0) } ?? []
    return [trouble].compactMap(\.self)
      + asides.filter { $0.moved > day }.map {
        "an earlier trail could not be used and was set aside as \($0.path): look at it, or delete it"
      }
  }

  package func record(_ record: TransactionRecord) {
    guard isOn.load(ordering: .relaxed) else {
      queue.forgetOpen(record.reference)
      return
    }
    let count = queue.append(record, now: time.milliseconds)
    // The first one starts the pause, a full batch ends it.
    if count == 1 || count == Self.batch { wake.signal() }
  }

  package func refused(_ record: TransactionRecord) {
    guard isOn.load(ordering: .relaxed) else { return }
    queue.keepOpen(record)
  }

  /// What is known of a message of which nothing is written yet: it is not over, or its record
  /// waits. `name` is a reference, a queue id or a Message-ID.
  package func unwritten(_ name: String) -> TrailEntry? {
    guard let (record, isOver) = queue.find(name) else { return nil }
    var entry = TrailEntry(record, node: state.withLock { $0.settings?.node } ?? "")
    if !isOver { entry.ending = TrailEntry.notOver }
    return entry
  }

  /// Writes everything queued, trying for at most `limit`; what is left then is lost.
  ///
  /// - Returns: whether nothing was lost.
  @discardableResult
  package func flush(_ limit: Duration) -> Bool {
    let end = SystemTime().monotonic + limit
    while queue.count > 0 {
      let isWritten = step()
      if SystemTime().monotonic >= end { break }
      if !isWritten { usleep(10_000) }
    }
    let left = queue.count
    guard left > 0, let settings = state.withLock({ $0.settings }) else { return true }
    queue.lose(left, now: time.milliseconds, "the daemon ended")
    state.withLock { $0.lastComplaint = nil }
    complain(settings, trouble ?? "time was up")
    return false
  }

  /// Flushes, then closes the file: the last thing the daemon does with it.
  package func close(_ limit: Duration) {
    isOn.store(false, ordering: .relaxed)
    flush(limit)
    turn.withLock { _ in
      let store = state.withLock { state in
        defer {
          state.store = nil
          state.lock = nil
          state.settings = nil
        }
        return state.store
      }
      store?.close()
    }
  }

  private func run() {
    while true {
      _ = wake.wait(timeout: .now() + .seconds(1))
      if (1..<Self.batch).contains(queue.count) { _ = wake.wait(timeout: .now() + Self.pause) }
      while step(), queue.count >= Self.batch {}
    }
  }

  // MARK: one step

  /// Writes one batch and does what housekeeping is due.
  ///
  /// - Returns: whether the file could be written, or nothing waited.
  @discardableResult
  package func step() -> Bool {
    turn.withLock { _ in
      guard let settings = state.withLock({ $0.settings }) else { return true }
      do throws(StoreTrouble) {
        let store = try store(settings)
        if isHousekeepingDue { try keepHouse(store, settings) }
        try writeBatch(store, settings)
        return true
      } catch {
        failed(error, settings)
        return false
      }
    }
  }

  private func store(_ settings: Settings) throws(StoreTrouble) -> TrailStore {
    if let store = state.withLock({ $0.store }) { return store }
    // Two writers would each take the other's entries for its own.
    let lock = try ProcessLock(path: settings.path)
    let store = try TrailStore(path: settings.path, time: time)
    state.withLock { state in
      state.store = store
      state.lock = lock
    }
    tell(store, settings)
    return store
  }

  /// Says what became of an earlier trail.
  private func tell(_ store: TrailStore, _ settings: Settings) {
    for event in store.takeEvents() { settings.log.warning("trail: \(event)") }
  }

  private func writeBatch(_ store: TrailStore, _ settings: Settings) throws(StoreTrouble) {
    let records = queue.first(Self.batch)
    guard !records.isEmpty else { return }
    if state.withLock({ $0.isLow }) {
      queue.lose(records.count, now: time.milliseconds, "the disk is nearly full")
      complain(settings, Self.lowDisk)
      return
    }
    try store.append(records.map { TrailEntry($0, node: settings.node) })
    queue.remove(records.count)
    tell(store, settings)
    state.withLock { state in
      state.failures = 0
      state.trouble = nil
    }
    if let loss = queue.takeLoss() {
      do { try store.append(loss) } catch { queue.putBack(loss) }
      state.withLock { $0.lastLoss = loss.why }
    }
    if queue.lostCount > state.withLock({ $0.saidLost }) {
      complain(settings, state.withLock { $0.lastLoss }, isOver: true)
    }
    if try store.usedBytes() > settings.limits.maximumSize {
      _ = try store.prune(settings.limits, now: time.milliseconds, rows: 2 * Self.batch)
    }
  }

  private var isHousekeepingDue: Bool {
    state.withLock { $0.nextHousekeeping.map { time.monotonic >= $0 } ?? true }
  }

  private func keepHouse(_ store: TrailStore, _ settings: Settings) throws(StoreTrouble) {
    let free = freeSpace(settings.path) ?? .max
    let now = time.monotonic
    state.withLock { state in
      state.isLow = free < settings.minimumFree
      // Known before the first record is lost for it.
      state.trouble = state.isLow ? Self.lowDisk : nil
      state.nextHousekeeping = now + Self.housekeeping
    }
    state.withLock { $0.lock }?.renew()
    store.purgeAside(settings.limits, now: time.milliseconds)
    // Small steps: a batch is written between two of them.
    if try store.prune(settings.limits, now: time.milliseconds) {
      state.withLock { $0.nextHousekeeping = nil }
    } else {
      try store.checkpoint()
    }
  }

  // MARK: trouble

  private static let lowDisk =
    "less than [store] min_free is left on the disk, so no decision is recorded"

  private func failed(_ trouble: StoreTrouble, _ settings: Settings) {
    if case .failing = trouble { return }
    var why = trouble.naming(settings.path)
    let failures = state.withLock { state in
      state.failures += trouble.isPassing ? 0 : 1
      return state.failures
    }
    if failures >= Self.attempts {
      // It may be these records that the file does not take.
      queue.lose(Self.batch, now: time.milliseconds, why)
      state.withLock { $0.failures = 0 }
      why += "; records were dropped"
    }
    complain(settings, why)
  }

  /// Says what is wrong and what was lost since it was last said, once a minute; `isOver` when
  /// records are written again.
  private func complain(_ settings: Settings, _ why: String, isOver: Bool = false) {
    let now = time.monotonic
    let total = queue.lostCount
    let lost = state.withLock { state -> Int? in
      if !isOver { state.trouble = why }
      if let last = state.lastComplaint, now - last < Self.complaintInterval { return nil }
      state.lastComplaint = now
      defer { state.saidLost = total }
      return total - state.saidLost
    }
    guard let lost else { return }
    settings.log.warning(
      "trail: \(why); \(lost) records lost, \(queue.count) wait; mail is not affected")
  }
}

extension StoreTrouble {
  /// With the file that it is about.
  fileprivate func naming(_ path: String) -> String {
    let text = description
    return text.contains(path) ? text : "\(path): \(text)"
  }
}
