// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// What runs out: sessions, descriptors, memory, and whoever reads the log.
  @Suite struct Limits {
    private static let full = "451 4.3.2 Too many connections, please try again later (ref "

    private func greeting(_ session: MilterSession) throws -> StepReply {
      try session.connect("mx", .inet("192.0.2.7", port: 1))
    }

    @Test func sessionsOverTheLimitAreTurnedAway() throws {
      var setup = BMSDProcess.Setup()
      setup.milter = "max_sessions = 2"
      let bmsd = try BMSDProcess(setup)
      let first = try bmsd.session()
      let second = try bmsd.session()
      let third = try bmsd.session()
      #expect(try greeting(third).shown.hasPrefix(Self.full))
      try first.greet()
      #expect(try first.deliver() == .proceed)
      try second.quit(waiting: true)
      let fourth = try bmsd.session()
      #expect(try greeting(fourth) == .noReply)
      #expect(try fourth.deliver().code == 503)
      try fourth.quit(waiting: true)
      #expect(try bmsd.stop() == 0)
    }

    /// libmilter tries again without a pause when it cannot accept.
    @Test("fault 41: descriptors run out") func descriptorsRunOut() throws {
      var setup = BMSDProcess.Setup()
      setup.prefix = "ulimit -n 164"
      let bmsd = try BMSDProcess(setup)
      try bmsd.line("max_sessions is 3000")
      let sessions = try (0..<36).map { _ in try bmsd.session() }
      let turnedAway = try bmsd.session()
      #expect(try greeting(turnedAway).shown.hasPrefix(Self.full))
      // An MTA that keeps what was turned away, and opens more, takes the last descriptor.
      let waiting = try (0..<100).map { _ in try bmsd.connect() }
      let before = try bmsd.processorTime()
      // libmilter may give a session to a thread that it has just given to a silent one; then another
      // thread takes it when it has answered a session of its own. So all ask before one waits.
      for session in sessions {
        try session.greet()
        try session.flush()
      }
      for session in sessions { #expect(try session.deliver() == .proceed) }
      // What must not come is waited for while the processor's time is measured.
      _ = try? bmsd.wait("nothing", .seconds(3)) { _ in nil as Bool? }
      let spent = try bmsd.processorTime() - before
      #expect(spent < 1, "\(spent) s of processor time in 3 s")
      for session in waiting { session.closeAbruptly() }
      turnedAway.closeAbruptly()
      for session in sessions { try session.quit(waiting: true) }
      try bmsd.awaitIdle()
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    /// libmilter forgets a session for which it gets no thread; a session that stalls keeps one.
    @Test(
      "fault 42: threads are bounded by sessions", .enabled(if: Sanitizer.leavesMemoryAlone))
    func threadsAreBoundedBySessions() throws {
      var setup = BMSDProcess.Setup()
      // A thread takes 8 MB of stack and up to 64 MB of arena: the limit has room for the 20.
      setup.prefix = "ulimit -v 3000000"
      setup.milter = "max_sessions = 20"
      let bmsd = try BMSDProcess(setup)
      let stalled = try (0..<20).map { _ in
        let session = try bmsd.session()
        try session.send(bytes: [0, 0, 0, 9, 0x48, 0x6D])
        return session
      }
      let turnedAway = try (0..<60).map { _ in try bmsd.session() }
      for session in turnedAway { #expect(try greeting(session).shown.hasPrefix(Self.full)) }
      let threads = try bmsd.status("Threads")
      #expect((20...60).contains(threads), "\(threads) threads")
      for session in stalled + turnedAway { session.closeAbruptly() }
      try bmsd.awaitIdle()
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test func threeThousandIdleSessions() throws {
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      limit.rlim_cur = limit.rlim_max
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      try #require(limit.rlim_cur > 4_000)
      let bmsd = try BMSDProcess()
      let began = ContinuousClock.now
      let sessions = try (0..<3_000).map { _ in
        let session = try bmsd.session()
        try session.greet()
        try session.flush()
        return session
      }
      let opened = ContinuousClock.now
      let beyond = try bmsd.session()
      #expect(try greeting(beyond).shown.hasPrefix(Self.full))
      for session in sessions { #expect(try session.begin() == .proceed) }
      for session in sessions { #expect(try session.endOfMessage().reply == .proceed) }
      let rss = try bmsd.status("VmRSS")
      let threads = try bmsd.status("Threads")
      print(
        "3000 sessions: RSS \(rss) KiB, \(threads) threads, opened in \(opened - began), "
          + "a message each in \(ContinuousClock.now - opened)")
      if Sanitizer.leavesMemoryAlone { #expect(rss < 100_000, "\(rss) KiB") }
      for session in sessions { session.closeAbruptly() }
      beyond.closeAbruptly()
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test("fault 50: a log that nobody reads delays no mail") func aLogThatNobodyReadsDelaysNoMail()
      throws
    {
      var setup = BMSDProcess.Setup()
      setup.readsLog = false
      let bmsd = try BMSDProcess(setup)
      let session = try bmsd.session(timeout: .seconds(10))
      try session.greet(helo: "192.0.2.7")
      // About 1,300 bytes of log each: more than the queue and the socket hold together.
      let sender = MailText("<" + String(repeating: "x", count: 900) + "@example.com>")
      for _ in 0..<5_000 { #expect(try session.deliver(from: sender).code == 550) }
      if Sanitizer.leavesMemoryAlone { #expect(try bmsd.status("VmRSS") < 100_000) }
      try session.quit(waiting: true)
      // What did not fit was counted, and is said when somebody reads again.
      bmsd.readLogNow()
      try bmsd.line("lines lost: standard error was blocked")
      #expect(try bmsd.serves())
      #expect(try bmsd.stop() == 0)
    }

    @Test("fault 50: a log that is never read delays no end") func aLogThatIsNeverReadDelaysNoEnd()
      throws
    {
      var setup = BMSDProcess.Setup()
      setup.readsLog = false
      let bmsd = try BMSDProcess(setup)
      let session = try bmsd.session()
      try session.greet(helo: "192.0.2.7")
      let sender = MailText("<" + String(repeating: "x", count: 900) + "@example.com>")
      for _ in 0..<500 { #expect(try session.deliver(from: sender).code == 550) }
      try session.quit(waiting: true)
      bmsd.signal(SIGTERM)
      // Nobody reads until it ended.
      try bmsd.wait("the end") { $0.exitStatus == 0 ? true : nil }
    }
  }
}
