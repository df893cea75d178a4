// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import Glibc
package import GRDB
internal import Synchronization

/// One SQLite file in WAL mode: opened, migrated, guarded, and followed when somebody puts another
/// one at its path.
///
/// `StateStore` and `TrailStore` are made of it. All SQL of a table family stands in that family's
/// file; this one knows none.
package final class SQLiteFile: Sendable {
  package let path: String
  private let migrator: DatabaseMigrator
  private let use: Use
  private let cache: Int
  private let mustCopy: Bool
  private let inspect: Inspection
  private let gate: WriteGate
  private let opened: Mutex<Opened?>
  /// Why the file that stands at the path now cannot be used, while the old one still is.
  private let unusable = Mutex<StoreTrouble?>(nil)
  /// Set at the end: what is closed then is not opened again.
  private let isClosed = Atomic(false)

  private struct Opened: Sendable {
    var pool: DatabasePool
    /// The file as it was opened, to notice that it was removed or replaced.
    var identity: FileIdentity?
    /// Its log and that log's index.
    var companions: [FileIdentity?]
  }

  /// Who works with the file.
  package enum Use: Sendable {
    /// The daemon's threads that answer mail: none of them waits long for another process, or copies
    /// the log; somebody else must call `checkpoint`. A file that is locked or on a full disk at the
    /// start is opened by a later `follow`.
    case mail
    /// A thread that nobody waits for.
    case background
    /// A command, which lets a daemon go first and is patient.
    case command

    /// How often SQLite asks, a millisecond apart, for a lock that another process holds. Asked so
    /// often, a turn is not missed when that process pauses for a few milliseconds.
    var busyTries: Int { self == .command ? 5000 : 200 }

    /// From how many pages in the log on (256 MB and 32 MB) a commit copies them into the file.
    var checkpointPages: Int { self == .mail ? 65_536 : 8000 }
  }

  /// What became of the file since it was looked at last.
  package enum Change: Sendable, Equatable {
    /// It is the same.
    case none
    /// It could not be opened before.
    case opened
    /// It was gone, and there is a new one without any rows.
    case made
    /// Another one stood in its place, and is used from now on.
    case replaced
  }

  /// Looks at the file before it is opened; throws what speaks against it.
  typealias Inspection = @Sendable (_ path: String) throws(StoreTrouble) -> Void

  /// The bytes of the log that are kept for its next round.
  private static let logLimit = 32 << 20

  /// Opens or creates the file and brings its schema forward.
  ///
  /// The writer keeps at most `cache` bytes of pages in memory. A copy `PATH.vN` (N the number of
  /// migrations it has) is left before a schema change; where there is no room for it, that is an
  /// error if `mustCopy`, else it is done without. Throws `newer` for a schema that a later
  /// version made, `damaged` for what is no database.
  package convenience init(
    path: String, migrator: DatabaseMigrator, time: any TimeSource, use: Use = .background,
    cache: Int = 64 << 20, mustCopy: Bool = true
  ) throws(StoreTrouble) {
    try self.init(
      path: path, migrator: migrator, time: time, use: use, cache: cache, mustCopy: mustCopy,
      inspect: { _ in })
  }

  /// The same, with a look at the file each time before it is opened.
  init(
    path: String, migrator: DatabaseMigrator, time: any TimeSource, use: Use = .background,
    cache: Int = 64 << 20, mustCopy: Bool = true, inspect: @escaping Inspection
  ) throws(StoreTrouble) {
    self.path = path
    self.migrator = migrator
    self.use = use
    self.cache = cache
    self.mustCopy = mustCopy
    self.inspect = inspect
    gate = WriteGate(time)
    do {
      try inspect(path)
      opened = Mutex(try Self.open(path, migrator, use, cache, mustCopy))
    } catch {
      guard use == .mail, error == .busy || error == .full else { throw error }
      opened = Mutex(nil)
      gate.note(error)
    }
  }

  private static func open(
    _ path: String, _ migrator: DatabaseMigrator, _ use: Use, _ cache: Int, _ mustCopy: Bool
  ) throws(StoreTrouble) -> Opened {
    // A log of another file's pages must not be replayed into a new one.
    if access(path, F_OK) != 0 { for name in companions(path) { unlink(name) } }
    makePrivate(path)
    do {
      let pool = try DatabasePool(path: path, configuration: configuration(use, cache))
      try migrate(pool, migrator, path, mustCopy)
      return Opened(
        pool: pool, identity: FileIdentity(path),
        companions: companions(path).map(FileIdentity.init)
      )
    } catch {
      throw StoreTrouble(error)
    }
  }

  private static func companions(_ path: String) -> [String] { ["\(path)-wal", "\(path)-shm"] }

  /// Makes the file before SQLite does, whose companions take its mode: who writes to whom is not
  /// for everybody. What is wrong with the place SQLite will say.
  private static func makePrivate(_ path: String) {
    let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
    if descriptor >= 0 { Glibc.close(descriptor) }
  }

  private static func configuration(_ use: Use, _ cache: Int) -> Configuration {
    var configuration = Configuration()
    configuration.busyMode = .callback { tries in
      usleep(1000)
      return tries < use.busyTries
    }
    configuration.maximumReaderCount = 4
    configuration.prepareDatabase { db in
      guard !db.configuration.readonly else { return }
      // A file never shrinks by DELETE unless this is set before its first table.
      try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
      try db.execute(sql: "PRAGMA synchronous = NORMAL")
      try db.execute(sql: "PRAGMA journal_size_limit = \(logLimit)")
      // The writer's, filled as needed: with SQLite's 2 MB a check of a triplet among a million
      // reads its pages anew each time. No mmap: a file that is cut short behind our back would end
      // the process.
      try db.execute(sql: "PRAGMA cache_size = -\(cache >> 10)")
      // Pages of a large table come apart: the later they are copied into the file, the more of
      // them are copied once for several writes. The commit that does it takes long, so that it
      // must not be one of the mail path.
      try db.execute(sql: "PRAGMA wal_autocheckpoint = \(use.checkpointPages)")
    }
    return configuration
  }

  private static func migrate(
    _ pool: DatabasePool, _ migrator: DatabaseMigrator, _ path: String, _ mustCopy: Bool
  ) throws {
    if try pool.read({ try migrator.hasBeenSuperseded($0) }) {
      throw StoreTrouble.newer(path: path)
    }
    let applied = try pool.read { try migrator.appliedIdentifiers($0).count }
    let isComplete = try pool.read { try migrator.hasCompletedMigrations($0) }
    if applied > 0, !isComplete {
      let copy = "\(path).v\(applied)"
      unlink(copy)
      do {
        try pool.vacuum(into: copy)
        chmod(copy, 0o640)
      } catch  where !mustCopy {
        unlink(copy)
      }
    }
    try migrator.migrate(pool)
  }

  // MARK: reading and writing

  private func pool() throws -> DatabasePool {
    guard let pool = opened.withLock({ $0?.pool }) else {
      throw gate.trouble ?? StoreTrouble.readOnly
    }
    return pool
  }

  /// Reads; several threads at once, beside a writer.
  package func read<T>(_ body: (Database) throws -> T) throws(StoreTrouble) -> T {
    do { return try pool().read(body) } catch { throw StoreTrouble(error) }
  }

  /// Writes in one transaction, waiting for the turn no longer than `limit`.
  package func write<T>(
    within limit: Duration, _ body: (Database) throws -> T
  ) throws(StoreTrouble) -> T {
    try gate.run(within: limit) { try pool().write(body) }
  }

  /// Writes in one transaction that a crash of the machine does not undo: for what somebody is told
  /// of next. It costs a fsync of the log.
  package func writeDurably<T>(
    within limit: Duration, _ body: (Database) throws -> T
  ) throws(StoreTrouble) -> T {
    try gate.run(within: limit) {
      try pool().writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA synchronous = FULL")
        defer { try? db.execute(sql: "PRAGMA synchronous = NORMAL") }
        var result: T?
        try db.inTransaction {
          result = try body(db)
          return .commit
        }
        guard let result else { throw StoreTrouble.other("the transaction came to nothing") }
        return result
      }
    }
  }

  /// Writes one statement, which is its own transaction: less than half the price.
  package func writeStatement<T>(
    within limit: Duration, _ body: (Database) throws -> T
  ) throws(StoreTrouble) -> T {
    try gate.run(within: limit) { try pool().writeWithoutTransaction(body) }
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

  // MARK: the log

  /// Bytes of the log as it lies on the disk; of these, about 32 MB may be there for use again.
  package var logBytes: Int {
    var status = stat()
    return stat("\(path)-wal", &status) == 0 ? Int(status.st_size) : 0
  }

  /// Whether the log grew beyond what is kept of it: `checkpoint` is due at once.
  package var hasLongLog: Bool { logBytes > 2 * Self.logLimit }

  /// Copies what the log holds into the file, so that the log begins anew. Writers go on meanwhile,
  /// but for the last pages of a log that they would otherwise lengthen for ever; for these it
  /// waits for its turn no longer than `limit`.
  package func checkpoint(within limit: Duration) throws(StoreTrouble) {
    guard isInPlace else { return }
    do {
      // A connection of its own: the writer's is free for writing.
      var configuration = Configuration()
      configuration.busyMode = .immediateError
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA wal_autocheckpoint = 0") }
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? queue.close() }
      let counts = try queue.writeWithoutTransaction { try $0.checkpoint(.passive) }
      guard counts.checkpointedFrameCount < counts.walFrameCount, hasLongLog else { return }
      try gate.alone(within: limit) {
        _ = try queue.writeWithoutTransaction { try $0.checkpoint(.passive) }
      }
    } catch {
      let trouble = StoreTrouble(error)
      // Somebody else does it at the moment.
      if trouble != .busy { throw trouble }
    }
  }

  // MARK: the path

  /// What is wrong at the moment; nil when all is well.
  package var trouble: StoreTrouble? { gate.trouble ?? unusable.withLock { $0 } }

  /// Makes writes fail fast until the next probe, for a reason found outside.
  package func note(_ trouble: StoreTrouble) { gate.note(trouble) }

  /// Whether the file that was opened still stands at its path.
  package var isInPlace: Bool {
    guard let identity = opened.withLock({ $0?.identity }) else { return false }
    return FileIdentity(path) == identity
  }

  /// Opens what stands at the path, or makes a new file there, when that is not the one in use.
  /// What cannot be opened leaves the old one in use, though nobody else sees it any more.
  ///
  /// Waits for its turn no longer than `limit`, so that no write is under way.
  package func follow(within limit: Duration) throws(StoreTrouble) -> Change {
    guard !isInPlace, !isClosed.load(ordering: .relaxed) else { return .none }
    return try gate.alone(within: limit) {
      let old = opened.withLock { $0 }
      // Whoever moved the file away wants what was written so far in it.
      _ = try? old?.pool.writeWithoutTransaction { try $0.checkpoint(.passive) }
      // The log of the old file stays behind, and its pages would be replayed into the new one.
      for (name, identity) in zip(Self.companions(path), old?.companions ?? [])
      where identity != nil && FileIdentity(name) == identity {
        unlink(name)
      }
      let isEmpty = (FileIdentity(path)?.size ?? 0) == 0
      let new: Opened
      do throws(StoreTrouble) {
        try inspect(path)
        new = try Self.open(path, migrator, use, cache, mustCopy)
      } catch {
        if old == nil { gate.note(error) } else { unusable.withLock { $0 = error } }
        throw error
      }
      opened.withLock { $0 = new }
      unusable.withLock { $0 = nil }
      gate.forgive()
      try? old?.pool.close()
      return old == nil ? .opened : isEmpty ? .made : .replaced
    }
  }

  /// Closes, cutting off whoever reads; call when no other thread writes any more.
  package func close() {
    isClosed.store(true, ordering: .relaxed)
    let last = opened.withLock { opened in
      defer { opened = nil }
      return opened
    }
    // Whoever reads for long would be waited for. The writer forgets that it was interrupted, too,
    // once it runs a statement: else it would not copy the log.
    last?.pool.interrupt()
    try? last?.pool.writeWithoutTransaction { try $0.execute(sql: "SELECT 1") }
    // The last connection copies the log into the file and removes it: that must be one that may
    // write.
    last?.pool.invalidateReadOnlyConnections()
    try? last?.pool.close()
  }
}

/// Which file a path leads to.
struct FileIdentity: Equatable {
  private let device: UInt64
  private let inode: UInt64
  /// In bytes, at that time.
  let size: Int

  /// Nil when there is no file.
  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// Nil when the descriptor is none.
  init?(descriptor: Int32) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    self.init(status)
  }

  private init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int(status.st_size)
  }

  static func == (left: Self, right: Self) -> Bool {
    left.device == right.device && left.inode == right.inode
  }
}
