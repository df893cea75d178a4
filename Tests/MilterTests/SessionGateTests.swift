// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Testing

@testable import Milter

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
