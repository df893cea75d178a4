// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Configuration
import Environment
import Foundation
import Logging
import Mail
import Policy
import Store
import Synchronization
import TestSupport
import Testing

/// The writer behind the mail path: batches, losses, trouble. Time stands still and no thread runs
/// unless a test says so.
struct TrailWriterTests {
  let folder: TemporaryFolder
  let time = FakeTime()
  let log = LogCollector()
  var path: String { folder.path("trail.db") }

  init() throws { folder = try TemporaryFolder() }

  func configuration(_ more: String = "") -> Configuration {
    Configuration(
      text: "[trail]\npath = \(path)\n\(more)\n[store]\nmin_free = 1M", sections: BMSDaemon.sections
    )
  }

  func writer(_ more: String = "") -> TrailWriter {
    let writer = TrailWriter(time: time, thread: false)
    writer.apply(configuration(more), log: log.logger())
    return writer
  }

  /// A record as a conversation leaves it.
  func record(_ text: String = "[helo]\nmode = enforce") throws -> TransactionRecord {
    try #require(try Conversation().hello("192.0.2.9").from().to().run(text).records.first)
  }

  func entries() throws -> [TrailEntry] {
    try TrailReader(path: path).entries(TrailFilter(), limit: 100_000)
  }
  var warnings: [String] { log.entries.filter { $0.level == .warning }.map(\.message) }

  @Test func writesInBatches() throws {
    let writer = writer()
    let record = try record()
    for _ in 0..<450 { writer.record(record) }
    #expect(try entries().isEmpty)
    #expect(writer.step())
    #expect(try entries().count == TrailWriter.batch)
    #expect(writer.flush(.seconds(10)))
    #expect(try entries().count == 450)
    #expect(warnings == [])
  }

  @Test func keepsWhatTheRecordSays() throws {
    let record = try record()
    let writer = writer("node = K")
    writer.record(record)
    writer.step()
    var entry = try #require(try entries().first)
    #expect(entry.node == "K")
    entry.id = 0
    #expect(entry == TrailEntry(record, node: "K"))
    #expect(entry.ending == "reject")
    #expect(entry.decisions.contains { $0.code == "numeric" && $0.place == "default" })
  }

  @Test func knowsWhatIsNotWrittenYet() throws {
    let writer = writer()
    let record = try record()
    #expect(writer.unwritten(record.reference.description) == nil)
    writer.refused(record)
    #expect(writer.unwritten(record.reference.description)?.ending == TrailEntry.notOver)
    writer.record(record)
    #expect(writer.unwritten(record.reference.description)?.ending == "reject")
    writer.step()
    #expect(writer.unwritten(record.reference.description) == nil)
    #expect(try entries().map(\.ending) == ["reject"])
  }

  @Test func keepsNothingWithoutASection() throws {
    let writer = TrailWriter(time: time, thread: false)
    writer.apply(Configuration(text: "", sections: BMSDaemon.sections), log: log.logger())
    writer.record(try record())
    #expect(writer.step())
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func countsWhatDoesNotFit() throws {
    let writer = writer()
    let record = try record()
    for _ in 0..<10_250 { writer.record(record) }
    #expect(writer.flush(.seconds(60)))
    #expect(try entries().count == 10_000)
    #expect(try TrailReader(path: path).losses().map(\.count) == [250])
    #expect(warnings.count == 1)
    #expect(warnings.first?.contains("250 records lost") == true)
  }

  @Test func neverBlocksWhileTheFileIsLocked() throws {
    let writer = writer()
    let record = try record()
    writer.record(record)
    writer.step()
    try holdingLock(of: path) {
      for minute in 0..<3 {
        for _ in 0..<5000 { writer.record(record) }
        #expect(!writer.step())
        #expect(writer.trouble == "\(path): \(StoreTrouble.busy)")
        #expect(warnings.count == minute + 1)
        time.advance(by: .seconds(60))
      }
    }
    #expect(writer.flush(.seconds(60)))
    #expect(writer.trouble == nil)
    #expect(try entries().count == 10_001)
    #expect(try TrailReader(path: path).losses().map(\.count) == [5000])
  }

  @Test func goesOnWhenItsFileIsDeleted() throws {
    let writer = writer()
    writer.record(try record())
    writer.step()
    try FileManager.default.removeItem(atPath: path)
    writer.record(try record())
    #expect(writer.step())
    #expect(try entries().count == 1)
  }

  @Test func stopsOnANearlyFullDisk() throws {
    let room = Room()
    let writer = TrailWriter(time: time, thread: false) { _ in room.bytes }
    room.bytes = 1 << 19
    writer.apply(configuration(), log: log.logger())
    writer.step()
    // Known before anything is lost for it.
    #expect(writer.trouble?.contains("min_free") == true)
    for _ in 0..<7 { writer.record(try record()) }
    writer.step()
    #expect(try entries().isEmpty)
    #expect(writer.trouble?.contains("min_free") == true)
    room.bytes = 1 << 30
    time.advance(by: .seconds(60))
    writer.record(try record())
    writer.step()
    #expect(try entries().count == 1)
    #expect(try TrailReader(path: path).losses().map(\.count) == [7])
    #expect(writer.trouble == nil)
    #expect(warnings.count == 1)
  }

  final class Room: Sendable {
    private let kept = Mutex(0)
    var bytes: Int {
      get { kept.withLock { $0 } }
      set { kept.withLock { $0 = newValue } }
    }
  }

  @Test func aFileThatCannotBeOpenedIsAFaultOnly() throws {
    let writer = TrailWriter(time: time, thread: false)
    let text = "[trail]\npath = \(folder.path("missing/trail.db"))\n[store]\nmin_free = 1M"
    writer.apply(Configuration(text: text, sections: BMSDaemon.sections), log: log.logger())
    #expect(warnings.count == 1)
    writer.record(try record())
    #expect(!writer.step())
    // The folder comes back, and nothing is lost.
    try FileManager.default.createDirectory(
      atPath: folder.path("missing"), withIntermediateDirectories: false)
    #expect(writer.step())
    let reader = try TrailReader(path: folder.path("missing/trail.db"))
    #expect(try reader.entries(TrailFilter(), limit: 9).count == 1)
  }

  @Test func boundsItsSize() throws {
    let writer = writer("max_size = 1M")
    let record = try record()
    for _ in 0..<5000 { writer.record(record) }
    #expect(writer.flush(.seconds(60)))
    for _ in 0..<20 { writer.step() }
    let store = try TrailStore(path: path, time: time)
    #expect(try store.usedBytes() <= 1 << 20)
    #expect(try entries().count > 100)
  }

  @Test func purgesByAge() throws {
    let writer = writer("keep = 1d\nkeep_refused = 2d")
    writer.record(try record("[helo]\nmode = observe"))
    writer.record(try record())
    writer.step()
    #expect(try entries().map(\.ending) == ["accept", "reject"])
    time.advance(by: .seconds(86_400 + 60))
    writer.step()
    #expect(try entries().map(\.ending) == ["reject"])
    time.advance(by: .seconds(86_400))
    writer.step()
    #expect(try entries().isEmpty)
  }

  @Test func theThreadWritesByItself() throws {
    let writer = TrailWriter(time: SystemTime())
    writer.apply(configuration(), log: log.logger())
    let record = try record()
    for _ in 0..<1000 { writer.record(record) }
    #expect(writer.flush(.seconds(60)))
    #expect(try entries().count == 1000)
  }

  @Test func whatTenThousandRecordsCost() throws {
    let writer = writer()
    let record = try record()
    let clock = ContinuousClock()
    let queueing = clock.measure { for _ in 0..<10_000 { writer.record(record) } }
    let writing = clock.measure { _ = writer.flush(.seconds(60)) }
    #expect(try entries().count == 10_000)
    print("trail: \(queueing / 10_000) a record on the mail path, \(writing / 10_000) to write it")
    // Far above what it costs, far below what a mail path would feel.
    #expect(queueing < .seconds(5))
  }

  // MARK: what stands at the path

  @Test func namesAFileThatIsNoTrail() throws {
    try Data("mine\n".utf8).write(to: URL(filePath: path))
    let writer = writer()
    writer.record(try record())
    for _ in 0..<4 { #expect(!writer.step()) }
    #expect(try Data(contentsOf: URL(filePath: path)) == Data("mine\n".utf8))
    let fault = try #require(writer.faults.first)
    #expect(fault.contains("\(path) is no trail of bmsd") && fault.contains("move it away"))
    #expect(warnings.first?.contains("no trail of bmsd") == true)
    try FileManager.default.removeItem(atPath: path)
    #expect(writer.step())
    #expect(writer.faults == [])
  }

  @Test func tellsOfATrailThatWasSetAside() throws {
    var first: TrailWriter? = writer()
    first?.record(try record())
    first?.step()
    first?.close(.seconds(1))
    first = nil
    // All pages but the header's, which says that it is ours.
    let handle = try FileHandle(forUpdating: URL(filePath: path))
    for offset in stride(from: UInt64(4096), to: try handle.seekToEnd(), by: 4096) {
      try handle.seek(toOffset: offset)
      try handle.write(contentsOf: Data(repeating: 0xA5, count: 4096))
    }
    try handle.close()
    let writer = writer()
    writer.record(try record())
    for _ in 0..<4 { writer.step() }
    #expect(writer.faults.contains { $0.contains("set aside as \(path).aside: look at it") })
    #expect(warnings.contains { $0.contains("was set aside as \(path).aside") })
    try FileManager.default.removeItem(atPath: "\(path).aside")
    #expect(writer.faults == [])
  }

  @Test func twoDaemonsDoNotShareATrail() throws {
    let first = writer()
    let second = writer()
    second.record(try record())
    #expect(!second.step())
    #expect(second.faults.first?.contains("two daemons must not share") == true)
    first.close(.seconds(1))
    #expect(second.step())
    #expect(second.faults == [])
    #expect(try entries().count == 1)
  }
}
