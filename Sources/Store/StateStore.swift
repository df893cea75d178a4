// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import GRDB

/// `bms.db`: the state that matters. Each table family extends it in a file of its own.
package final class StateStore: Sendable {
  package let file: SQLiteFile
  package let time: any TimeSource

  /// Opens or creates the database; see `SQLiteFile` for what is refused.
  package init(path: String, time: any TimeSource) throws(StoreTrouble) {
    self.time = time
    file = try SQLiteFile(path: path, migrator: Self.migrator, time: time)
  }

  /// All schema changes there ever were, oldest first. A released one is never edited: what
  /// changes is added at the end.
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    registerGreylist(&migrator)
    registerBans(&migrator)
    registerAllowList(&migrator)
    return migrator
  }
}
