// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import Synchronization
import Testing

@testable import Milter

extension LiveTests {
  /// The life of sessions and messages: each ends once, whatever the MTA does.
  @Suite struct Sessions {
    /// The steps of a conversation up to its `count`-th.
    private static func walk(_ live: LiveSession, _ count: Int) throws {
      let client = live.client
      let steps: [() throws -> Void] = [
        { _ = try client.connect("mx", .unknown) }, { _ = try client.helo("mx") },
        { _ = try client.mail(["<>"]) }, { _ = try client.rcpt(["<b@example.net>"]) },
        { _ = try client.data() }, { _ = try client.header(.init(name: "A", rawValue: " b")) },
        { _ = try client.endOfHeaders() }, { _ = try client.body([0x61]) },
        { _ = try client.endOfMessage() },
      ]
      for step in steps.prefix(count) { try step() }
    }

    private static func ends(_ events: [Event]) -> [Event] {
      events.filter { $0 == .abort || $0 == .close }
    }

    @Test("fault 1: an MTA vanishes at every step", arguments: 0...9, [true, false]) func vanishing(
      steps: Int, politely: Bool
    ) throws {
      let filter = try LiveFilter.get()
      try Self.expectIdle(filter)
      let live = try LiveFilter.open()
      try Self.walk(live, steps)
      // Counted from the first accepted recipient on.
      #expect(filter.gate.counts.messages == ((4...8).contains(steps) ? 1 : 0))
      if politely { try live.client.quit() } else { live.client.closeAbruptly() }
      let (isClosed, events) = live.journal.afterClose()
      #expect(isClosed)
      #expect(Self.ends(events) == ((3...8).contains(steps) ? [.abort, .close] : [.close]))
      try Self.expectIdle(filter)
    }

    /// The counts go down right behind the last event. Each look is a session of its own, so it
    /// sees one more than are left.
    private static func expectIdle(_ filter: LiveFilter) throws {
      let end = ContinuousClock.now + .seconds(20)
      var counts = SessionGate.Counts()
      repeat {
        let next = try LiveFilter.open()
        counts = filter.gate.counts
        try next.client.quit(waiting: true)
      } while counts.sessions != 1 && ContinuousClock.now < end
      #expect(counts.sessions == 1 && counts.messages == 0)
    }

    @Test(
      arguments: [
        [0x00], [0, 0, 0, 9, 0x4D], [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF, 0x42],
        [0, 0x10, 0, 1, 0x42], [0, 0, 0, 1, 0x7A], [0, 0, 0, 1, 0x42],
        Array("GET / HTTP/1.0\r\n\r\n".utf8),
      ] as [[UInt8]])
    func garbageInAMessage(bytes: [UInt8]) throws {
      let live = try LiveFilter.open()
      try Self.walk(live, 8)
      try live.client.send(bytes: bytes)
      live.client.closeAbruptly()
      let (isClosed, events) = live.journal.afterClose()
      #expect(isClosed && Self.ends(events) == [.abort, .close])
      try Self.expectIdle(LiveFilter.get())
    }

    @Test("fault 2: two messages and an ABORT between") func twoMessagesAndAnAbortBetween() throws {
      let live = try LiveFilter.open()
      try Self.walk(live, 9)
      try live.beginMessage()
      _ = try live.client.data()
      // libmilter passes over a body without the end of the header, unless another session of the
      // process negotiated that step away.
      _ = try live.client.endOfHeaders()
      _ = try live.client.body([0x61])
      try live.client.abort()
      try live.beginMessage()
      _ = try live.client.endOfMessage()
      let events = try live.events()
      #expect(events.filter { $0 == .endOfMessage }.count == 2)
      #expect(Self.ends(events) == [.abort, .close])
    }

    /// A drain that begins while the first recipient is judged has to wait for the message.
    @Test(arguments: [true, false]) func countsAMessageWhileItIsJudged(isAccepted: Bool) throws {
      let filter = try LiveFilter.get()
      try Self.expectIdle(filter)
      let counted = Mutex<[Int]>([])
      var plan = Plan()
      plan.answer = { event in
        guard case .recipient = event else { return .proceed }
        counted.withLock { $0.append(filter.gate.counts.messages) }
        return isAccepted ? .proceed : .refuse(.transient(7, 1, "Later"))
      }
      let live = try LiveFilter.open(plan)
      _ = try live.client.mail(["<>"])
      for _ in 1...2 { _ = try live.client.rcpt(["<b@example.net>"]) }
      #expect(counted.withLock { $0 } == [1, 1])
      #expect(filter.gate.counts.messages == (isAccepted ? 1 : 0))
      _ = try live.events()
    }

    @Test func mailInAMessageBeginsAnother() throws {
      try Self.expectIdle(LiveFilter.get())
      let live = try LiveFilter.open()
      try live.beginMessage()
      try live.beginMessage()
      #expect(try LiveFilter.get().gate.counts.messages == 1)
      #expect(try live.client.endOfMessage().reply == .proceed)
      #expect(Self.ends(try live.events()) == [.abort, .close])
    }

    @Test("fault 3: an end without CONNECT") func closeWithoutConnect() throws {
      let live = try LiveFilter.open()
      #expect(try live.events() == [.close])
      // Not even a negotiation: there is no connection object to be closed.
      let silent = try LiveFilter.raw { _ in }
      try silent.client.quit(waiting: true)
      #expect(silent.journal.all.isEmpty)
    }

    @Test func anotherClientOnTheSameSocket() throws {
      let live = try LiveFilter.open()
      try Self.walk(live, 9)
      try live.client.quitNewConnection()
      let (isClosed, _) = live.journal.afterClose()
      #expect(isClosed)
      _ = try live.client.connect("other", .unknown)
      try live.beginMessage()
      #expect(try live.client.endOfMessage().reply == .proceed)
      // The plan put down last serves the next client too: same journal, another object.
      try live.client.quit(waiting: true)
      let events = live.journal.all
      #expect(events.contains(.connect(Peer(hostName: "other", address: .unknown))))
      #expect(Self.ends(events) == [.close, .close])
      try Self.expectIdle(LiveFilter.get())
    }

    @Test func mailWithoutNegotiation() throws {
      // Header values come without their space, every step is answered, and no edit is possible.
      var plan = Plan()
      plan.negotiation.answered = []
      plan.edits = [.addHeader(name: "X", value: "x")]
      let live = try LiveFilter.raw(plan) { client throws in
        #expect(try client.mail(["<>"]) == .proceed)
      }
      #expect(try live.client.rcpt(["<b>"]) == .proceed)
      #expect(try live.client.endOfMessage().reply == .proceed)
      #expect(
        try live.events() == [
          .sender(["<>"]), .recipient(["<b>"]), .endOfMessage, .applied(false), .close,
        ])
      try Self.expectIdle(LiveFilter.get())
    }

    @Test func negotiatingTwice() throws {
      let live = try LiveFilter.open()
      let again = WirePacket(.negotiate, WireData(6, 0x1FF, 0x1F_FFFF).bytes)
      // libmilter passes over it, and over CONNECT and HELO from then on.
      try live.client.send(bytes: again.encoded)
      try live.beginMessage()
      #expect(try live.client.endOfMessage().reply == .proceed)
      #expect(try live.events().last == .close)
      #expect(Self.ends(live.journal.all) == [.close])
      try Self.expectIdle(LiveFilter.get())
    }

    @Test("fault 4: interleaved sessions") func interleavedSessions() throws {
      let sessions = try (0..<20).map { _ in try LiveFilter.open() }
      for (index, live) in sessions.enumerated() {
        _ = try live.client.connect(MailText("mx\(index)"), .unknown)
      }
      for (index, live) in sessions.reversed().enumerated() {
        _ = try live.client.mail([MailText("<\(19 - index)>")])
      }
      for live in sessions { _ = try live.client.rcpt(["<b@example.net>"]) }
      for (index, live) in sessions.enumerated() { _ = try live.client.body([UInt8(index)]) }
      for live in sessions { #expect(try live.client.endOfMessage().reply == .proceed) }
      for (index, live) in sessions.enumerated() {
        let peer = Peer(hostName: MailText("mx\(index)"), address: .unknown)
        #expect(
          try live.events() == [
            .connect(peer), .sender([MailText("<\(index)>")]), .recipient(["<b@example.net>"]),
            .body([UInt8(index)]), .endOfMessage, .close,
          ])
      }
    }

    @Test func sessionsOverTheLimitAreToldSo() throws {
      let filter = try LiveFilter.get()
      try Self.expectIdle(filter)
      let first = try LiveFilter.open()
      filter.gate.setMaximumSessions(1)
      defer { filter.gate.setMaximumSessions(100) }
      let second = try LiveFilter.open()
      #expect(second.client.negotiated.steps.contains([.noHelo, .noMail, .noRcpt, .noBody]))
      let reply = try second.client.connect("mx", .unknown)
      guard case .reply(let lines) = reply else {
        Issue.record("answered \(reply)")
        return
      }
      #expect(lines.code == 451)
      #expect(lines.lines == ["4.3.2 Too many connections, please try again later"])
      try second.client.quit(waiting: true)
      #expect(second.journal.all.isEmpty)
      // The one that was let in goes on, and its place is free afterwards.
      try Self.walk(first, 9)
      _ = try first.events()
      try Self.expectIdle(filter)
    }
  }
}
