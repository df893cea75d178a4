// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Environment
internal import GRDB
internal import Synchronization

/// A row of a list of parties, with the SQL of its table.
package protocol ListEntry: Sendable, Equatable {
  var party: ListedParty { get }
  /// Milliseconds since 1970.
  var since: Int64 { get }
  /// Milliseconds since 1970; nil for ever.
  var until: Int64? { get }
}

/// The SQL of one table of parties.
protocol EntryTable: Sendable {
  associatedtype Entry: ListEntry
  static func load(_ db: Database) throws -> [Entry]
  static func put(_ entry: Entry, _ db: Database) throws
  static func delete(_ party: ListedParty, _ db: Database) throws
}

/// A list that the mail path asks in memory, and that is kept in a table of the database.
///
/// Changes hold in memory at once and are written by `flush`, which the housekeeper calls every
/// second: a locked or full disk costs neither mail time nor a ban, only its memory across a
/// restart.
final class PartyList<Table: EntryTable>: ListCare {
  typealias Entry = Table.Entry

  private enum Change: Equatable {
    case put(Entry)
    case remove
  }

  private struct State {
    var index = PartyIndex<Entry>()
    var pending: [ListedParty: Change] = [:]
    var isLoaded = false
    /// Why it could not be read.
    var loadTrouble: StoreTrouble?
  }

  /// A limit for the memory of an attacker's making; some 300 bytes each.
  static var maximumCount: Int { 1_000_000 }
  /// Changes in one transaction, so that no other writer waits long.
  static var step: Int { 500 }

  private let state = Mutex(State())
  /// One flush at a time: an older change must not be written over a newer one.
  private let flushing = Mutex(())
  private let store: StateStore

  init(_ store: StateStore) {
    self.store = store
    try? load()
  }

  private var now: Int64 { store.time.milliseconds }

  /// Reads the table in place of what is in memory; what is not written yet stays as it is.
  private func load() throws(StoreTrouble) {
    let entries: [Entry]
    do {
      entries = try store.file.read { try Table.load($0) }
    } catch {
      state.withLock { $0.loadTrouble = error }
      throw error
    }
    var index = PartyIndex<Entry>()
    for entry in entries { index[entry.party] = entry }
    state.withLock { state in
      for (party, change) in state.pending {
        if case .put(let entry) = change { index[party] = entry } else { index[party] = nil }
      }
      state.index = index
      state.isLoaded = true
      state.loadTrouble = nil
    }
  }

  package var loadTrouble: StoreTrouble? { state.withLock { $0.loadTrouble } }

  package func reload() throws(StoreTrouble) {
    state.withLock { $0.isLoaded = false }
    try flushing.withLock { _ throws(StoreTrouble) in try load() }
  }

  package func rewrite() {
    for number in 0..<PartyIndex<Entry>.sliceCount {
      state.withLock { state in
        for (party, entry) in state.index.slice(number) where state.pending[party] == nil {
          state.pending[party] = .put(entry)
        }
        state.isLoaded = true
        state.loadTrouble = nil
      }
    }
  }

  // MARK: asking

  /// The entry of `party` itself, unless it expired.
  func entry(for party: ListedParty) -> Entry? {
    let now = now
    return state.withLock { $0.index[party] }.flatMap { $0.isOver(now) ? nil : $0 }
  }

  /// The entries of all blocks that hold `ip`, narrowest first, without expired ones.
  func entries(covering ip: IPAddress) -> [Entry] {
    let now = now
    return state.withLock { $0.index.values(covering: ip) }.filter { !$0.isOver(now) }
  }

  /// Everything that has not expired, in order.
  var entries: [Entry] {
    let now = now
    var entries: [Entry] = []
    for number in 0..<PartyIndex<Entry>.sliceCount {
      entries += state.withLock { $0.index.slice(number) }.values.filter { !$0.isOver(now) }
    }
    return entries.sorted { $0.party < $1.party }
  }

  package var count: Int { state.withLock { $0.index.count } }

  package var pendingCount: Int { state.withLock { $0.pending.count } }

  // MARK: changing

  /// Adds or replaces an entry.
  ///
  /// - Returns: false when the list is full.
  func put(_ entry: Entry) -> Bool {
    state.withLock { state in
      guard state.index[entry.party] != nil || state.index.count < Self.maximumCount else {
        return false
      }
      state.index[entry.party] = entry
      state.pending[entry.party] = .put(entry)
      return true
    }
  }

  /// Removes an entry.
  ///
  /// - Returns: whether there was one.
  func remove(_ party: ListedParty) -> Bool {
    let now = now
    return state.withLock { state in
      guard let entry = state.index[party] else { return false }
      state.index[party] = nil
      state.pending[party] = .remove
      return !entry.isOver(now)
    }
  }

  package func purge() -> Int {
    let now = now
    var count = 0
    for number in 0..<PartyIndex<Entry>.sliceCount {
      // Found without the lock, and asked again with it: somebody may have changed it meanwhile.
      let expired = state.withLock { $0.index.slice(number) }.filter { $0.value.isOver(now) }.keys
      guard !expired.isEmpty else { continue }
      count += state.withLock { state in
        let expired = expired.filter { state.index[$0]?.isOver(now) ?? false }
        for party in expired {
          state.index[party] = nil
          state.pending[party] = .remove
        }
        return expired.count
      }
    }
    return count
  }

  package func flush(within limit: Duration) throws(StoreTrouble) {
    try flushing.withLock { _ throws(StoreTrouble) in try flushAlone(within: limit) }
  }

  private func flushAlone(within limit: Duration) throws(StoreTrouble) {
    // What is written into a file that nobody will open again is lost.
    guard store.file.isInPlace else {
      throw store.file.trouble ?? .other("that its file was removed or replaced")
    }
    if !state.withLock({ $0.isLoaded }) { try load() }
    while true {
      let batch = state.withLock { Array($0.pending.prefix(Self.step)) }
      guard !batch.isEmpty else { return }
      try store.file.write(within: limit) { db in
        for (party, change) in batch {
          switch change {
          case .put(let entry): try Table.put(entry, db)
          case .remove: try Table.delete(party, db)
          }
        }
      }
      state.withLock { state in
        // What changed again while it was written is still to be written.
        for (party, change) in batch where state.pending[party] == change {
          state.pending[party] = nil
        }
      }
    }
  }
}

extension ListEntry {
  func isOver(_ now: Int64) -> Bool { until.map { $0 <= now } ?? false }
}
