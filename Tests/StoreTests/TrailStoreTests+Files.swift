// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import FoundationEssentials
import GRDB
import Store
import TestSupport
import Testing

/// A file that is deleted, damaged or none of ours.
extension TrailStoreTests {
  @Test func beginsAnewWhenItsFileIsDeleted() throws {
    let store = try open()
    try store.append([Self.entry(1)])
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect((attributes[.posixPermissions] as? Int ?? 0) & 0o007 == 0)
    try FileManager.default.removeItem(atPath: path)
    try store.append([Self.entry(2)])
    #expect(try all().map(\.reference) == ["REF2"])
    for name in [path, "\(path)-wal", "\(path)-shm"] {
      try FileManager.default.removeItem(atPath: name)
    }
    try store.append([Self.entry(3)])
    #expect(try all().map(\.reference) == ["REF3"])
  }

  @Test func movesAsideWhatIsNoTrail() throws {
    let junk = Data(String(repeating: "no database ", count: 1000).utf8)
    try junk.write(to: URL(filePath: path))
    let store = try open()
    try store.append([Self.entry(1)])
    #expect(try Data(contentsOf: URL(filePath: "\(path).aside")) == junk)
    // The same while it is open: another file comes in its place.
    try FileManager.default.removeItem(atPath: path)
    try junk.write(to: URL(filePath: path))
    try store.append([Self.entry(2)])
    #expect(try all().map(\.reference) == ["REF2"])
  }

  /// The first ones tell more than the last.
  @Test func keepsWhatWasMovedAside() throws {
    let store = try open()
    for number in 1...7 {
      let junk = Data(repeating: UInt8(number), count: 5000)
      try junk.write(to: URL(filePath: path), options: .atomic)
      try store.append([Self.entry(number)])
      #expect(try all().map(\.reference) == ["REF\(number)"])
    }
    let kept = try ["", ".2", ".3", ".4", ".5"].map {
      try Data(contentsOf: URL(filePath: "\(path).aside\($0)")).first
    }
    #expect(kept == [1, 2, 3, 4, 7])
    #expect(!FileManager.default.fileExists(atPath: "\(path).aside.6"))
  }

  @Test func goesOnOnceWhatCouldNotBeMovedAsideIsGone() throws {
    let store = try open()
    try store.append([Self.entry(1)])
    for name in ["", ".2", ".3", ".4", ".5"] {
      try FileManager.default.createDirectory(
        atPath: "\(path).aside\(name)", withIntermediateDirectories: false)
    }
    try Data(repeating: 0xA5, count: 5000).write(to: URL(filePath: path), options: .atomic)
    for _ in 0..<3 {
      #expect(throws: StoreTrouble.self) { try store.append([Self.entry(2)]) }
    }
    try FileManager.default.removeItem(atPath: "\(path).aside.2")
    try store.append([Self.entry(3)])
    #expect(try all().map(\.reference) == ["REF3"])
  }

  @Test func movesAsideADamagedFile() throws {
    let store = try open()
    for number in 0..<50 { try store.append([Self.entry(number)]) }
    try store.checkpoint()
    let handle = try #require(FileHandle(forPath: path))
    for offset in stride(from: 0, to: handle.size, by: 4096) { handle.overwrite(at: offset) }
    handle.close()
    // Whether SQLite notices at once or later, no record makes it fail for ever.
    for number in 100..<103 { _ = try? store.append([Self.entry(number)]) }
    store.close()
    let again = try open()
    try again.append([Self.entry(7)])
    #expect(try all().last?.reference == "REF7")
  }

  @Test func movesAsideALaterSchemaAndAForeignOne() throws {
    let foreign = try DatabaseQueue(path: path)
    try foreign.write { try $0.execute(sql: "CREATE TABLE entry (x); CREATE TABLE decision (y)") }
    try foreign.close()
    let store = try open()
    try store.append([Self.entry(1)])
    store.close()
    let later = try DatabaseQueue(path: path)
    try later.write {
      try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('trail 99')")
    }
    try later.close()
    #expect(throws: StoreTrouble.newer(path: path)) { try TrailReader(path: path) }
    try open().append([Self.entry(2)])
    #expect(try all().map(\.reference) == ["REF2"])
  }

  @Test func readerTellsWhatIsNoTrail() throws {
    try Data(String(repeating: "x", count: 5000).utf8).write(to: URL(filePath: path))
    #expect(throws: StoreTrouble.self) { try TrailReader(path: path) }
    #expect(throws: StoreTrouble.readOnly) { try TrailReader(path: folder.path("none.db")) }
  }
}
