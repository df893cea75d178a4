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

  @Test(
    "a file that is no trail is neither changed nor moved",
    arguments: ["text", "database", "marked database", "state", "folder"])
  func leavesWhatIsNoTrail(_ kind: String) throws {
    func put() throws {
      switch kind {
      case "text":
        try Data(String(repeating: "no database ", count: 1000).utf8)
          .write(to: URL(filePath: path))
      case "folder":
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      case "state": try StateStore(path: path, time: time).close()
      default:
        let foreign = try DatabaseQueue(path: path)
        try foreign.write { try $0.execute(sql: "CREATE TABLE entry (x); CREATE TABLE mine (y)") }
        if kind.hasPrefix("marked") {
          try foreign.write { try $0.execute(sql: "PRAGMA application_id = 7") }
        }
        try foreign.close()
      }
    }
    func content() -> Data? { try? Data(contentsOf: URL(filePath: path)) }
    try put()
    let before = content()
    #expect(throws: StoreTrouble.foreign(path: path)) { try open() }
    #expect(content() == before)
    // The same while it is open: another file comes in its place.
    try FileManager.default.removeItem(atPath: path)
    let store = try open()
    try store.append([Self.entry(1)])
    try FileManager.default.removeItem(atPath: path)
    try put()
    let again = content()
    #expect(throws: StoreTrouble.foreign(path: path)) { try store.append([Self.entry(2)]) }
    #expect(content() == again)
    #expect(TrailAside.all(of: path) == [])
    // Moved away by hand, it goes on.
    try FileManager.default.removeItem(atPath: path)
    try store.append([Self.entry(3)])
    #expect(try all().map(\.reference) == ["REF3"])
    #expect(store.takeEvents() == [])
  }

  /// Makes what stands there a trail of a later version.
  func makeLater() throws {
    let later = try DatabaseQueue(path: path)
    try later.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('trail 99')") }
    try later.close()
  }

  /// As trails were before they had a mark.
  @Test func takesATrailWithoutAMark() throws {
    let store = try open()
    try store.append([Self.entry(1)])
    store.close()
    let old = try DatabaseQueue(path: path)
    try old.write { try $0.execute(sql: "PRAGMA application_id = 0") }
    try old.close()
    try open().append([Self.entry(2)])
    #expect(try all().map(\.reference) == ["REF1", "REF2"])
  }

  @Test func keepsAtMostTwoAsideAndOverwritesNone() throws {
    for number in 1...2 {
      let store = try open()
      try store.append([Self.entry(number)])
      store.close()
      try makeLater()
    }
    let names = ["\(path).aside", "\(path).aside.2"]
    let store = try open()
    #expect(TrailAside.all(of: path).map(\.path) == names)
    let events = store.takeEvents()
    #expect(events.count == 1)
    #expect(events.first?.contains("later version") == true)
    #expect(events.first?.contains("\(path).aside.2, which may be deleted") == true)
    try store.append([Self.entry(3)])
    store.close()
    try makeLater()
    let kept = try names.map { try Data(contentsOf: URL(filePath: $0)) }
    #expect(throws: StoreTrouble.self) { try open() }
    #expect(try names.map { try Data(contentsOf: URL(filePath: $0)) } == kept)
    try FileManager.default.removeItem(atPath: names[0])
    try open().append([Self.entry(4)])
    #expect(try all().map(\.reference) == ["REF4"])
  }

  @Test func purgesWhatWasSetAside() throws {
    for _ in 1...2 {
      let store = try open()
      try store.append([Self.entry(1)])
      store.close()
      try makeLater()
    }
    let store = try open()
    let asides = TrailAside.all(of: path)
    #expect(asides.count == 2)
    var limits = limits
    limits.keepRefused = 5_000_000
    let written = try #require(asides.map(\.written).max())
    store.purgeAside(limits, now: (written + 4900) * 1000)
    #expect(TrailAside.all(of: path) == asides)
    store.purgeAside(limits, now: (written + 5100) * 1000)
    #expect(TrailAside.all(of: path) == [])
  }

  @Test func movesAsideADamagedFile() throws {
    let store = try open()
    for number in 0..<50 { try store.append([Self.entry(number)]) }
    try store.checkpoint()
    let handle = try #require(FileHandle(forPath: path))
    for offset in stride(from: 4096, to: handle.size, by: 4096) { handle.overwrite(at: offset) }
    handle.close()
    // Whether SQLite notices at once or later, no record makes it fail for ever.
    for number in 100..<103 { _ = try? store.append([Self.entry(number)]) }
    store.close()
    let again = try open()
    try again.append([Self.entry(7)])
    #expect(try all().last?.reference == "REF7")
  }

  @Test func movesAsideALaterSchema() throws {
    let store = try open()
    try store.append([Self.entry(1)])
    store.close()
    try makeLater()
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
