// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Environment
package import Policy
package import Store
internal import Synchronization

/// What the daemon remembers: opened once at start, shared by every configuration that a reload
/// brings.
package final class Memory: Sendable {
  /// The database, when the file has `[store]`.
  package let store: StateStore?
  package let bans: BanList?
  package let allowed: AllowList?
  package let trail: any DecisionTrail
  /// The right to keep this database's lists in memory.
  private let lock: ProcessLock?
  private let notes = Mutex(Notes())

  /// What who looks after it met.
  private struct Notes: Sendable {
    /// What became of the file, and until when that is told.
    var event: (word: String, until: Int64)?
    var logTrouble: StoreTrouble?
    var greylist: String?
  }

  /// Without any memory, as `check` and `try` work.
  package static let none = Memory(store: nil, trail: MemoryTrail(capacity: 0))

  package init(store: StateStore?, trail: any DecisionTrail, lock: ProcessLock? = nil) {
    self.store = store
    self.trail = trail
    self.lock = lock
    bans = store.map { BanList($0) }
    allowed = store.map { AllowList($0) }
  }

  /// Opens what the configuration asks for: the database when `[store]` stands in the file.
  ///
  /// The daemon, and with `isAlone` a command too, gets the right to keep lists in memory; it waits
  /// for the turn of another command, but not for a daemon. With `isBrief` it has that right only
  /// until the database is open: it is for who changes nothing.
  ///
  /// - Throws: also when a daemon has this database already.
  package static func open(
    _ configuration: Configuration, time: any TimeSource, isDaemon: Bool = false,
    isAlone: Bool = false, isBrief: Bool = false,
    trail: any DecisionTrail = MemoryTrail(capacity: 0)
  ) throws(StoreTrouble) -> Memory {
    let options = configuration.settings(StoreOptions.self)
    guard options.isPresent else { return Memory(store: nil, trail: trail) }
    let path = options.path.path
    var lock: ProcessLock?
    if isDaemon || isAlone {
      lock = try ProcessLock(path: path, role: isDaemon ? .daemon : .command, within: lockLimit)
    }
    // A full disk or a lock that somebody holds must not keep mail waiting: what bmsd would do if it
    // happened now, it does at start too.
    let store = try StateStore(path: path, time: time, use: isDaemon ? .mail : .command)
    return Memory(store: store, trail: trail, lock: isBrief ? nil : lock)
  }

  /// A command may have its write wait for the database, once for each list.
  private static let lockLimit = Duration.seconds(10)

  /// Puts the memory where modules find it.
  func lend(to services: inout Services) {
    services.trail = trail
    services.triplets = store
    services.bans = bans
    services.allowed = allowed
  }

  /// What is wrong with it at the moment, a sentence each.
  var faults: [String] {
    guard let store else { return [] }
    var faults: [String] = []
    if let trouble = store.file.trouble { faults.append("\(store.file.path): \(trouble)") }
    if let trouble = bans?.loadTrouble ?? allowed?.loadTrouble {
      faults.append("bans and allow-list could not be read, and do not hold: \(trouble)")
    }
    let notes = notes.withLock { $0 }
    if let event = notes.event, store.time.milliseconds < event.until {
      faults.append(event.word)
    } else if !store.file.isInPlace, store.file.trouble == nil {
      faults.append("\(store.file.path) was removed or replaced")
    }
    if let trouble = notes.logTrouble {
      faults.append("\(store.file.path)-wal cannot be copied into the database: \(trouble)")
    }
    if let greylist = notes.greylist { faults.append(greylist) }
    let pending = (bans?.pendingCount ?? 0) + (allowed?.pendingCount ?? 0)
    if pending > 0, store.file.trouble != nil {
      faults.append("\(pending) changes of bans and allow-list hold, but are not written yet")
    }
    return faults
  }

  /// Writes everything that waits, as at the end of the process.
  func flush(within limit: Duration) throws(StoreTrouble) {
    var trouble: StoreTrouble?
    do { try bans?.flush(within: limit) } catch { trouble = error }
    try allowed?.flush(within: limit)
    if let trouble { throw trouble }
  }

  /// The last thing that the daemon does with it: writes what waits, and closes the file, so that no
  /// log stays beside it.
  func close(within limit: Duration) {
    try? flush(within: limit)
    store?.close()
  }

  // MARK: care

  /// Goes on with what stands at the path of the database when somebody removed or replaced the
  /// file: a new one gets the lists from memory and an empty greylist; another one holds as it is.
  ///
  /// - Returns: what happened, for the log; nil when nothing did.
  func follow(within limit: Duration) -> String? {
    guard let store else { return nil }
    lock?.renew()
    let path = store.file.path
    // What cannot be opened is told by `faults`.
    switch try? store.file.follow(within: limit) {
    case nil, SQLiteFile.Change.none?: return nil
    case .opened: return "\(path) could be opened at last, and is used from now on"
    case .made:
      bans?.rewrite()
      allowed?.rewrite()
      return told(
        "\(path) was removed while bmsd runs: a new one was made, with the bans and the allow-list "
          + "and an empty greylist")
    case .replaced:
      // What cannot be read now is read by the next flush.
      try? bans?.reload()
      try? allowed?.reload()
      return told("\(path) was replaced while bmsd runs: what the new file holds is used now")
    }
  }

  private func told(_ word: String) -> String {
    guard let store else { return word }
    notes.withLock { $0.event = (word, store.time.milliseconds + Self.eventLife) }
    return word
  }

  /// How long `faults` tell what happened, in milliseconds.
  private static let eventLife: Int64 = 3_600_000

  /// Notes that the log of the database cannot be copied into it; nil when it could be.
  func noteLog(_ trouble: StoreTrouble?) { notes.withLock { $0.logTrouble = trouble } }

  /// Notes that the greylist is too long, so that more was forgotten than the rule says; nil when it
  /// is not.
  func noteGreylist(_ fault: String?) { notes.withLock { $0.greylist = fault } }
}
