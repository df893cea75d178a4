// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Glibc
import Mail
import MilterClient
import Synchronization
import TestSupport
import Testing

extension WireTests {
  /// `bmsd greylist import` beside a running daemon.
  @Suite struct Importing {
    static let header = "origin,sender,recipient,first,last,passed,umis,tries\n"

    private static func garbage(_ count: Int, _ hasLines: Bool) -> Data {
      let random = FakeRandom()
      var bytes = [UInt8]()
      while bytes.count < count {
        let byte = UInt8(truncatingIfNeeded: random.next() >> 24)
        bytes.append(hasLines && bytes.count % 97 == 0 ? 0x0A : byte == 0x0A ? 0x0B : byte)
      }
      return Data(bytes)
    }

    static let files: [(name: String, data: Data)] = [
      ("lines", garbage(100_000, true)), ("one line", garbage(1_000_000, false)),
      ("ours", Data(header.utf8) + garbage(100_000, true)),
      ("database", Data("SQLite format 3\u{0}".utf8) + garbage(50_000, false)),
      ("commas", Data(repeating: 0x2C, count: 200_000)),
      ("quotes", Data(repeating: 0x22, count: 200_000)),
      ("numbers", Data("192.0.2.1,a@b.c,d@e.f,nan,inf,-1,0\n1.2.3.4,a@b,c@d,1e999,0x10,9,9".utf8)),
    ]

    @Test func garbageChangesNothing() throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      try daemon.start()
      let path = daemon.folder.path("file")
      for (name, data) in Self.files {
        try data.write(to: URL(filePath: path))
        let outcome = try daemon.command("greylist", "import", path)
        #expect(outcome.status == EX_DATAERR, "\(name): \(outcome.errors.prefix(500))")
        #expect(!outcome.errors.isEmpty && outcome.errors.utf8.count < 5000, "\(name)")
        #expect(outcome.errors.contains(path), "\(name): \(outcome.errors.prefix(500))")
        let isPrintable = (outcome.errors + outcome.output).unicodeScalars.allSatisfy {
          $0 == "\n" || $0.isVisible
        }
        #expect(isPrintable, "\(name)")
        #expect(try daemon.answer(from: "192.0.2.7").code == 451)
      }
      for name in [daemon.folder.path, daemon.folder.path("none")] {
        #expect(try daemon.command("greylist", "import", name).status == EX_NOINPUT)
      }
      try Data().write(to: URL(filePath: path))
      #expect(try daemon.command("greylist", "import", path).status == 0)
      #expect(
        try daemon.command("greylist", "stats", "--json").output.hasPrefix(#"{"triplets":1,"#))
      daemon.end(SIGTERM)
    }

    /// Every mail meanwhile is asked about in time, and the greylist is never passed over.
    @Test func aLargeFileDelaysNoMail() throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      try daemon.start()
      let now = Int(Date.now.timeIntervalSince1970)
      var text = Self.header
      for number in 0..<100_000 {
        text += "10.\(number % 250).\(number / 1000).0/24,s\(number)@example.com,b@local.test,"
        text += "\(now - 3600),\(now),2,,3\n"
      }
      let path = daemon.folder.path("large.csv")
      try Data(text.utf8).write(to: URL(filePath: path))
      let running = Unchecked(daemon)
      let outcome = Mutex<LiveDaemon.Outcome?>(nil)
      Thread.detachNewThread {
        let result = try? running.value.command("greylist", "import", path)
        outcome.withLock {
          $0 = result ?? LiveDaemon.Outcome(status: -1, output: "", errors: "")
        }
      }
      let session = try daemon.client()
      var slowest = Duration.zero
      var count = 0
      var passedOver = 0
      while outcome.withLock({ $0 == nil }) {
        _ = try session.mail([MailText("<\(UUID().uuidString)@\(UUID().uuidString).example>")])
        let began = ContinuousClock.now
        let reply = try session.rcpt(["<b@local.test>"])
        slowest = max(slowest, ContinuousClock.now - began)
        count += 1
        if reply.code != 451 { passedOver += 1 }
        try session.abort()
      }
      try session.quit()
      print("import: \(count) recipients meanwhile, the slowest took \(slowest)")
      #expect(passedOver == 0 && count > 100)
      #expect(slowest < .seconds(1))
      let end = try #require(outcome.withLock { $0 })
      #expect(end.status == 0, "\(end)")
      #expect(end.output == "100000 triplets taken, 0 too old, 0 faulty of 100000\n")
      #expect(try daemon.command("status").status == 0)
      daemon.end(SIGTERM)
    }
  }

  /// A test's own value on its own threads; only its constants are read there.
  struct Unchecked<T>: @unchecked Sendable {
    let value: T
    init(_ value: T) { self.value = value }
  }
}
