// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Synchronization
import Testing

@testable import Milter

/// Counts what reaches it.
private final class CountingConnection: MilterConnection, Sendable {
  struct Factory: MilterConnectionFactory {
    let connection: CountingConnection
    let negotiation = Negotiation(steps: .all, answered: .all, actions: [])

    init(_ connection: CountingConnection) { self.connection = connection }
    func makeConnection() -> any MilterConnection { connection }
  }

  let recipients = Mutex(0)
  let aborts = Mutex(0)

  func connect(_ peer: Peer, _ mta: borrowing MTA) -> MilterReply { .proceed }
  func hello(_ name: MailText, _ mta: borrowing MTA) -> MilterReply { .proceed }
  func envelopeFrom(_ arguments: [MailText], _ mta: borrowing MTA) -> MilterReply { .proceed }
  func envelopeRecipient(_ arguments: [MailText], _ mta: borrowing MTA) -> MilterReply {
    recipients.withLock { $0 += 1 }
    return .proceed
  }
  func data(_ mta: borrowing MTA) -> MilterReply { .proceed }
  func unknown(_ mta: borrowing MTA) -> MilterReply { .proceed }
  func header(_ field: HeaderField, _ mta: borrowing MTA) -> MilterReply { .proceed }
  func endOfHeaders(_ mta: borrowing MTA) -> MilterReply { .proceed }
  func body(_ chunk: RawSpan, _ mta: borrowing MTA) -> MilterReply { .proceed }
  func endOfMessage(_ mta: borrowing MTA) -> MilterReply { .proceed }
  func abort() { aborts.withLock { $0 += 1 } }
  func close() {}
}

/// Who is let in, and that the counts stay right.
@Suite struct SessionGateTests {
  @Test func admitsUpToTheLimit() {
    let gate = SessionGate(maximumSessions: 2)
    #expect(gate.admitSession() == nil && gate.admitSession() == nil)
    #expect(gate.admitSession() == .full)
    #expect(
      gate.counts == .init(sessions: 2, messages: 0, turnedAway: 1, lingering: 1, isDraining: false)
    )
    gate.sessionEnded(wasTurnedAway: false)
    #expect(gate.admitSession() == nil)
    #expect(gate.counts.sessions == 2 && gate.counts.turnedAway == 1)
  }

  @Test func limitCanChange() {
    let gate = SessionGate(maximumSessions: 1)
    #expect(gate.admitSession() == nil && gate.admitSession() == .full)
    gate.setMaximumSessions(2)
    #expect(gate.admitSession() == nil)
    gate.setMaximumSessions(1)
    #expect(gate.admitSession() == .full)
    gate.sessionEnded(wasTurnedAway: false)
    #expect(gate.admitSession() == .full)
    gate.sessionEnded(wasTurnedAway: false)
    #expect(gate.admitSession() == nil)
  }

  @Test(arguments: [0, -1, .min]) func atLeastOneIsAdmitted(limit: Int) {
    let gate = SessionGate(maximumSessions: limit)
    #expect(gate.admitSession() == nil && gate.admitSession() == .full)
    gate.setMaximumSessions(limit)
    gate.sessionEnded(wasTurnedAway: false)
    #expect(gate.admitSession() == nil)
  }

  @Test func drainingAdmitsNothingNew() {
    let gate = SessionGate(maximumSessions: 9)
    #expect(gate.admitSession() == nil && gate.admitMessage() == nil)
    #expect(gate.messageBegins() == nil)
    gate.beginDraining()
    #expect(gate.admitSession() == .draining && gate.admitMessage() == .draining)
    #expect(gate.messageBegins() == .draining)
    #expect(
      gate.counts == .init(sessions: 1, messages: 1, turnedAway: 1, lingering: 1, isDraining: true))
    gate.messageEnded()
    gate.sessionEnded(wasTurnedAway: false)
    #expect(gate.counts.sessions == 0 && gate.counts.messages == 0)
  }

  /// Databases and trail may be closed already when a recipient comes to a message that began
  /// before the drain.
  @Test func noRecipientIsJudgedOnceDrained() throws {
    let gate = SessionGate(maximumSessions: 9)
    let connection = CountingConnection()
    #expect(gate.admitSession() == nil)
    // Without an answer nothing is written to libmilter's context, which there is none of here.
    let session = MilterSession(
      MilterRuntime.Service(factory: CountingConnection.Factory(connection), gate: gate),
      Agreement(unanswered: .recipient), refusal: nil)
    let context = try #require(OpaquePointer(bitPattern: 1))
    session.beginMessage()
    gate.beginDraining()
    _ = session.answer(.recipient, context) { $0.envelopeRecipient(["<b@example.net>"], $1) }
    #expect(connection.recipients.withLock { $0 } == 0 && connection.aborts.withLock { $0 } == 1)
    #expect(gate.counts.messages == 0)
    session.close()
    #expect(gate.counts == .init(isDraining: true))
  }

  @Test func politenessEndsWhenTooManyLinger() {
    let gate = SessionGate(maximumSessions: 1)
    #expect(gate.admitSession() == nil)
    for _ in 0...SessionGate.maximumLingering {
      #expect(!gate.isOverrun)
      #expect(gate.admitSession() == .full)
    }
    #expect(gate.isOverrun)
    gate.sessionEnded(wasTurnedAway: true)
    #expect(!gate.isOverrun && gate.counts.sessions == 1)
  }

  @Test(arguments: [SessionGate.Refusal.full, .draining])
  func refusalIsTransient(refusal: SessionGate.Refusal) {
    #expect(refusal.reply.description.hasPrefix("451 4.3.2 "))
  }
}
