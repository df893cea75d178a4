// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB
internal import Glibc

/// Whether a file is a trail of ours, by what the file itself says: nothing else may be opened as
/// one, changed, or moved aside.
enum TrailMark {
  /// SQLite's `application_id` of a trail: "bmst".
  static let applicationID: Int32 = 0x626D_7374

  /// The first bytes of every SQLite file (SQLite's file format, §1.3).
  private static let magic = Array("SQLite format 3\0".utf8)
  /// Where the header has the application id, in four bytes.
  private static let place = 68..<72

  /// Looks at what stands at `path` before it is opened for writing. No file and an empty one may
  /// become a trail; so may a database of ours too damaged to say what it is.
  ///
  /// - Throws: `foreign` for anything else.
  static func require(at path: String) throws(StoreTrouble) {
    guard let header = try header(of: path), !header.isEmpty else { return }
    guard header.starts(with: magic) else { throw .foreign(path: path) }
    let id = header[place.clamped(to: header.indices)].reduce(Int32(0)) { $0 << 8 | Int32($1) }
    if id == applicationID { return }
    guard id == 0 else { throw .foreign(path: path) }
    // It may be one of before the mark, or its mark is in its log still.
    var configuration = Configuration()
    configuration.readonly = true
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? queue.close() }
      guard try queue.read(isOurs) else { throw StoreTrouble.foreign(path: path) }
    } catch {
      let trouble = StoreTrouble(error)
      if case .damaged = trouble { return }
      throw trouble
    }
  }

  private static func isOurs(_ db: Database) throws -> Bool {
    if try Int32.fetchOne(db, sql: "PRAGMA application_id") == applicationID { return true }
    let tables = try String.fetchAll(db, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
    guard tables.contains("grdb_migrations") else { return tables.isEmpty }
    return try String.fetchAll(db, sql: "SELECT identifier FROM grdb_migrations")
      .allSatisfy { $0.hasPrefix("trail ") }
  }

  /// The first 100 bytes of a regular file; nil where there is none.
  private static func header(of path: String) throws(StoreTrouble) -> [UInt8]? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw errno == EACCES ? .readOnly : .other("\(path): \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .foreign(path: path) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw .readOnly
    }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count >= 0 else { throw .other("\(path): \(String(cString: strerror(errno)))") }
    return Array(bytes.prefix(count))
  }
}
