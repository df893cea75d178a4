// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
package import Environment
internal import GRDB
internal import Synchronization

/// `bms.db`: the state that matters. Each table family extends it in a file of its own.
package final class StateStore: Sendable {
  package let file: SQLiteFile
  package let time: any TimeSource
  /// Triplets that were there when they were counted last, and those that came since.
  private let triplets = Atomic(0)

  /// Opens or creates the database; see `SQLiteFile` for what is refused, and for what the daemon
  /// must do.
  package init(
    path: String, time: any TimeSource, use: SQLiteFile.Use = .background
  ) throws(StoreTrouble) {
    self.time = time
    file = try SQLiteFile(path: path, migrator: Self.migrator, time: time, use: use)
  }

  /// About how many triplets there are; those that another process brought are counted by the next
  /// `purgeGreylist`.
  package var estimatedTriplets: Int { triplets.load(ordering: .relaxed) }

  func countTriplet(_ change: Int = 1) {
    triplets.wrappingAdd(change, ordering: .relaxed)
  }

  /// Leaves the database alone while a daemon uses it: for as long as the last step took, and no
  /// less than 5 ms. Mail that waits asks for its turn every millisecond.
  func letMailIn(after took: Duration) {
    guard ProcessLock.isHeld(path: file.path) else { return }
    let pause = min(max(took, .milliseconds(5)), .milliseconds(500))
    // Nobody signals it: it is only a wait that no signal cuts short.
    _ = DispatchSemaphore(value: 0).wait(
      timeout: .now() + .microseconds(Int(pause / .microseconds(1))))
  }

  /// Closes; call when no other thread uses it any more.
  package func close() { file.close() }

  /// All schema changes there ever were, oldest first. A released one is never edited: what
  /// changes is added at the end.
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    registerGreylist(&migrator)
    registerBans(&migrator)
    registerAllowList(&migrator)
    registerQuarantine(&migrator)
    return migrator
  }
}
