// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Control
import FoundationEssentials
import Glibc
import Greylisting
import Policy
import Store
import TestSupport
import Testing

@testable import BMSDaemon

/// Also for files that import GRDB, which has a type of this name too.
typealias Rules = Configuration

extension Rules {
  static func greylist(_ lines: String = "time = 5m") -> Rules {
    Rules(text: "[greylist]\n\(lines)\n", sections: BMSDaemon.sections)
  }
}

/// `bmsd greylist`, as the daemon serves it or a command performs it on the files.
struct GreylistRequestTests {
  let folder: TemporaryFolder
  let time = FakeTime()
  let store: StateStore
  let direct: Administration

  init() throws {
    folder = try TemporaryFolder()
    store = try StateStore(path: folder.path("bms.db"), time: time)
    direct = Administration(
      Memory(store: store, trail: MemoryTrail(capacity: 0)), time,
      Rules.greylist("time = 5m\nscope = recipient"))
  }

  /// The rows, after they went through the wire's format, and the end.
  func ask(
    _ request: GreylistRequest, _ administration: Administration? = nil
  ) -> (rows: [GreylistRow], end: ControlEnd) {
    var rows: [GreylistRow] = []
    let end = (administration ?? direct).perform(.greylist(request)) { row in
      rows.append(try JSONDecoder().decode(GreylistRow.self, from: try JSONEncoder().encode(row)))
    }
    return (rows, end)
  }

  func line(
    _ origin: String, _ sender: String, _ recipient: String, passed: Int = 0, age: Int64 = 0
  ) -> String {
    let seen = time.milliseconds - age
    return TripletCSV.line(
      TripletRecord(
        triplet: Triplet(origin: origin, sender: sender, recipient: recipient), first: seen,
        last: seen, passed: passed, tries: passed + 1))
  }

  func states(_ rows: [GreylistRow]) -> [String] {
    rows.compactMap { if case .triplet(let triplet) = $0 { triplet.state } else { nil } }
  }

  @Test func takesPassesAndDrops() {
    let lines = [
      line("192.0.2.0/24", "ann@example.com", "bob@example.org"),
      line("192.0.2.0/24", "eve@example.com", "bob@example.org", passed: 2),
      line("198.51.100.0/24", "old@example.com", "bob@example.org", age: 100 * 86_400_000),
    ]
    #expect(ask(.take(lines)).rows == [.taken(taken: 2, forgotten: 1)])
    let list = ask(.list(origin: nil, hasPassed: false, limit: 10, skip: 0))
    #expect(states(list.rows) == ["waits 5 min more"])
    let passed = ask(.pass(sender: "Ann@Example.COM", recipient: "bob@example.org"))
    #expect(passed.rows == [.changed(1, of: 1)] && passed.end == .well)
    let shown = ask(.show(sender: "ann@example.com", recipient: nil, limit: 10))
    #expect(states(shown.rows) == ["passed 1 mail"] && shown.end == .well)
    let dropped = ask(.drop(origin: nil, sender: "ann@example.com", recipient: nil))
    #expect(dropped.rows == [.progress(1, of: 1), .changed(1, of: 1)])
    #expect(ask(.show(sender: "ann@example.com", recipient: nil, limit: 10)).end.status == 1)
  }

  @Test func nothingToPassIsSaidWithWhatHelps() {
    let (rows, end) = ask(.pass(sender: "ann@example.com", recipient: "bob@example.org"))
    #expect(rows == [.changed(0, of: 0)])
    #expect(
      end
        == ControlEnd(
          1,
          [
            "no mail from ann@example.com to bob@example.org was tried; to let it in at its first "
              + "attempt: bmsd allow add --unauthenticated ann@example.com"
          ]))
  }

  /// The command goes into a shell, and all of it onto a terminal.
  @Test(
    arguments: [
      ("o'neil@example.com", "--unauthenticated 'o'\\''neil@example.com'"),
      ("a$(id)@example.com", "--unauthenticated 'a$(id)@example.com'"),
      ("a\u{1B}[31m@example.com", "a\\x1B[31m@example.com to"), ("<>", "from <> to"),
    ])
  func theCommandThatHelpsIsQuoted(_ sender: String, _ words: String) {
    let end = ask(.pass(sender: sender, recipient: "b\u{7}@example.org")).end
    let text = end.messages.joined()
    #expect(text.contains(words), "\(text)")
    #expect(text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    #expect(text.contains("allow add") == (sender != "<>"))
  }

  @Test func dropsAnOriginAndWhatIsKnownOfIt() throws {
    _ = ask(.take([line("192.0.2.0/24", "ann@example.com", "bob@example.org", passed: 1)]))
    #expect(try store.origin("192.0.2.0/24") != nil)
    #expect(ask(.drop(origin: "192.0.2.0/24", sender: nil, recipient: nil)).end == .well)
    #expect(try store.origin("192.0.2.0/24") == nil)
    #expect(ask(.drop(origin: "192.0.2.0/24", sender: nil, recipient: nil)).end.status == 1)
  }

  @Test func purgesByTheRulesOfTheRunningDaemon() {
    _ = ask(.take([line("192.0.2.0/24", "ann@example.com", "bob@example.org", age: 7_200_000)]))
    #expect(ask(.purge).rows.last == .changed(0, of: 1))
    let running = Administration(
      Memory(store: store, trail: MemoryTrail(capacity: 0)), time, Rules.greylist(),
      daemon: AdministrationTests.FakeDaemon(
        configuration: Rules.greylist("time = 5m\nexpire = 1h")))
    #expect(ask(.purge, running).rows.last == .changed(1, of: 1))
  }

  @Test func saysHowManyThereAreBeyondTheLimit() {
    _ = ask(.take((0..<5).map { line("192.0.2.0/24", "s\($0)@example.com", "bob@example.org") }))
    #expect(ask(.list(origin: nil, hasPassed: nil, limit: 2, skip: 0)).rows.last == .counted(5))
    let rows = ask(.list(origin: nil, hasPassed: nil, limit: 9, skip: 3)).rows
    #expect(rows.count == 2 && states(rows).count == 2)
  }

  @Test func exportsWhatItTakes() throws {
    let lines = (0..<(2 * GreylistRequest.page + 7)).map {
      line("192.0.2.0/24", "s\(10_000 + $0)@example.com", "b,\"\u{E9}@example.org", passed: $0 % 3)
    }
    #expect(ask(.take(lines)).rows == [.taken(taken: lines.count, forgotten: 0)])
    var exported: [TripletRow] = []
    var pages: [Int] = []
    repeat {
      let page = ask(.export(after: exported.last?.place)).rows.compactMap { row in
        if case .triplet(let triplet) = row { triplet } else { nil }
      }
      pages.append(page.count)
      exported += page
    } while pages.last == GreylistRequest.page
    #expect(pages == [GreylistRequest.page, GreylistRequest.page, 7])
    #expect(exported.map { TripletCSV.line($0.record) } == lines)
  }

  @Test(
    "an origin may be named in any way",
    arguments: [
      ("192.0.2.0/24", 1), ("192.0.2.77", 1), ("example.net", 1), ("Example.NET.", 1),
      ("198.51.100.1", 0), ("example.com", 0), ("192.0.2.0/25", 0), ("", 0), ("a/b", 0),
    ])
  func findsOrigins(_ name: String, _ count: Int) {
    _ = ask(
      .take([
        line("192.0.2.0/24", "a@example.com", "bob@example.org"),
        line("example.net", "a@example.net", "bob@example.org"),
      ]))
    let rows = ask(.list(origin: name, hasPassed: nil, limit: 9, skip: 0)).rows
    #expect(states(rows).count == count)
    let dropped = ask(.drop(origin: name, sender: nil, recipient: nil)).rows.last
    #expect(dropped == .changed(count, of: count))
  }

  @Test(arguments: [["garbage"], [",,,,,,,"], ["\u{0}"], [String(repeating: "x", count: 70_000)]])
  func takesNoGarbage(_ lines: [String]) {
    let (rows, end) = ask(.take(lines))
    #expect(rows.isEmpty && end.status != 0 && !end.messages.isEmpty)
  }

  @Test func needsADatabase() {
    let nothing = Administration(.none, time, Rules.greylist())
    #expect(ask(.stats, nothing).end.status == EX_CONFIG)
  }
}
