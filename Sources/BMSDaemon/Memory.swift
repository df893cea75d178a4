// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Environment
package import Policy
package import Store

/// What the daemon remembers: opened once at start, shared by every configuration that a reload
/// brings.
package struct Memory: Sendable {
  /// The database, when the file has `[store]`.
  package let store: StateStore?
  package let bans: BanList?
  package let allowed: AllowList?
  package let trail: any DecisionTrail
  /// The right to be the daemon of this database, where the process is that.
  private let lock: ProcessLock?
  /// Why the database could not be opened at start.
  private let startFault: String?

  /// Without any memory, as `check` and `try` work.
  package static let none = Memory(store: nil, trail: MemoryTrail(capacity: 0))

  package init(
    store: StateStore?, trail: any DecisionTrail, lock: ProcessLock? = nil,
    fault: String? = nil
  ) {
    startFault = fault
    self.store = store
    self.trail = trail
    self.lock = lock
    bans = store.map { BanList($0) }
    allowed = store.map { AllowList($0) }
  }

  /// Opens what the configuration asks for: the database when `[store]` stands in the file.
  ///
  /// - Throws: also when a daemon has this database already and `isDaemon` asks to be one.
  package static func open(
    _ configuration: Configuration, time: any TimeSource, isDaemon: Bool = false,
    trail: any DecisionTrail = MemoryTrail(capacity: 0)
  ) throws(StoreTrouble) -> Memory {
    let options = configuration.settings(StoreOptions.self)
    guard options.isPresent else { return Memory(store: nil, trail: trail) }
    let path = options.path.path
    let lock = isDaemon ? try ProcessLock(path: path) : nil
    do {
      return Memory(store: try StateStore(path: path, time: time), trail: trail, lock: lock)
    } catch {
      // A full disk or a lock that somebody holds must not keep mail waiting: what bmsd would do if
      // it happened now, it does at start too.
      guard isDaemon, error == .busy || error == .full else { throw error }
      return Memory(
        store: nil, trail: trail, lock: lock,
        fault: "\(path): \(error); bmsd works without memory until it is restarted")
    }
  }

  /// Puts the memory where modules find it.
  func lend(to services: inout Services) {
    services.trail = trail
    services.triplets = store
    services.bans = bans
    services.allowed = allowed
  }

  /// What is wrong with it at the moment, a sentence each.
  var faults: [String] {
    guard let store else { return [startFault].compactMap { $0 } }
    var faults: [String] = []
    if !store.file.isInPlace {
      faults.append(
        "\(store.file.path) was removed or replaced while bmsd runs: what it learns now is lost at "
          + "the next start; restart bmsd")
    }
    if let trouble = store.file.trouble { faults.append("\(store.file.path): \(trouble)") }
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
}
