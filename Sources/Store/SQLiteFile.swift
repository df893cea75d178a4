// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import Glibc
package import GRDB

/// One SQLite file in WAL mode: opened, migrated, guarded.
///
/// `StateStore` and `TrailStore` are made of it. All SQL of a table family stands in that family's
/// file; this one knows none.
package final class SQLiteFile: Sendable {
  package let path: String
  private let pool: DatabasePool
  private let gate: WriteGate
  /// The file as it was opened, to notice that it was removed or replaced.
  private let identity: FileIdentity?

  /// What SQLite itself waits for a lock that another process holds.
  static let busyTimeout = 0.2

  /// Opens or creates the file and brings its schema forward.
  ///
  /// The writer keeps at most `cache` bytes of pages in memory. A copy `PATH.vN` (N the number of
  /// migrations it has) is left before a schema change. Throws `newer` for a schema that a later
  /// version made, `damaged` for what is no database.
  package init(
    path: String, migrator: DatabaseMigrator, time: any TimeSource, cache: Int = 64 << 20
  ) throws(StoreTrouble) {
    self.path = path
    gate = WriteGate(time)
    do {
      var configuration = Configuration()
      configuration.busyMode = .timeout(Self.busyTimeout)
      configuration.maximumReaderCount = 4
      configuration.prepareDatabase { db in
        guard !db.configuration.readonly else { return }
        // A file never shrinks by DELETE unless this is set before its first table.
        try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
        try db.execute(sql: "PRAGMA synchronous = NORMAL")
        try db.execute(sql: "PRAGMA journal_size_limit = 33554432")
        // The writer's, filled as needed: with SQLite's 2 MB a check of a triplet among a million
        // reads its pages anew each time.
        try db.execute(sql: "PRAGMA cache_size = -\(cache >> 10)")
        // Pages of a large table come apart: the later they are copied into the file, the more of
        // them are copied once for several writes.
        try db.execute(sql: "PRAGMA wal_autocheckpoint = 8000")
      }
      pool = try DatabasePool(path: path, configuration: configuration)
      try Self.migrate(pool, migrator, path)
    } catch {
      throw StoreTrouble(error)
    }
    identity = FileIdentity(path)
  }

  private static func migrate(
    _ pool: DatabasePool, _ migrator: DatabaseMigrator, _ path: String
  ) throws {
    if try pool.read({ try migrator.hasBeenSuperseded($0) }) {
      throw StoreTrouble.newer(path: path)
    }
    let applied = try pool.read { try migrator.appliedIdentifiers($0).count }
    let isComplete = try pool.read { try migrator.hasCompletedMigrations($0) }
    if applied > 0, !isComplete {
      let copy = "\(path).v\(applied)"
      unlink(copy)
      try pool.vacuum(into: copy)
      chmod(copy, 0o640)
    }
    try migrator.migrate(pool)
  }

  /// Reads; several threads at once, beside a writer.
  package func read<T>(_ body: (Database) throws -> T) throws(StoreTrouble) -> T {
    do { return try pool.read(body) } catch { throw StoreTrouble(error) }
  }

  /// Writes in one transaction, waiting for the turn no longer than `limit`.
  package func write<T>(
    within limit: Duration, _ body: (Database) throws -> T
  ) throws(StoreTrouble) -> T {
    try gate.run(within: limit) { try pool.write(body) }
  }

  /// Writes one statement, which is its own transaction: less than half the price.
  package func writeStatement<T>(
    within limit: Duration, _ body: (Database) throws -> T
  ) throws(StoreTrouble) -> T {
    try gate.run(within: limit) { try pool.writeWithoutTransaction(body) }
  }

  /// Gives free pages back to the system, at most `pages`.
  package func shrink(pages: Int, within limit: Duration) throws(StoreTrouble) {
    try writeStatement(within: limit) { db in
      _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(\(pages))")
    }
  }

  /// Bytes in used pages, without the free ones and the WAL.
  package func usedBytes() throws(StoreTrouble) -> Int {
    try read { db in
      let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
      let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
      let size = try Int.fetchOne(db, sql: "PRAGMA page_size") ?? 0
      return (pages - free) * size
    }
  }

  /// What is wrong at the moment; nil when all is well.
  package var trouble: StoreTrouble? { gate.trouble }

  /// Makes writes fail fast until the next probe, for a reason found outside.
  package func note(_ trouble: StoreTrouble) { gate.note(trouble) }

  /// Whether the file that was opened still stands at its path.
  package var isInPlace: Bool { identity != nil && FileIdentity(path) == identity }

  /// Closes; call when no other thread uses it any more.
  package func close() { try? pool.close() }
}

/// Which file a path leads to.
struct FileIdentity: Equatable {
  private let device: UInt64
  private let inode: UInt64

  /// Nil when there is no file.
  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }
}
