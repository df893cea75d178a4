// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MilterClient
import Testing

@testable import Milter

/// What comes of the filter's wishes and the MTA's offer.
@Suite struct AgreementTests {
  private static let wishes = Negotiation(
    steps: [.connect, .hello, .sender, .recipient, .header, .body],
    answered: [.recipient, .body], actions: [.addHeaders, .addRecipients],
    wantsRejectedRecipients: true, macros: [.connect: ["j"]])

  private func settle(
    _ wanted: Negotiation = Self.wishes, version: UInt32
  ) -> (agreement: Agreement, actions: UInt, steps: WireSteps) {
    let settled = Agreement.settle(
      wanted, offeredActions: UInt(WireActions.known(to: version).rawValue),
      offeredSteps: UInt(WireSteps.known(to: version).rawValue))
    return (settled.agreement, settled.actions, WireSteps(rawValue: UInt32(settled.steps)))
  }

  @Test func protocol6GivesEverything() {
    let (agreement, actions, steps) = settle(version: 6)
    #expect(agreement.unanswered == [.connect, .hello, .sender, .header])
    #expect(agreement.leadingSpace && agreement.canSkipBody)
    #expect(actions == 0x01 | 0x04 | 0x80 | 0x100)
    #expect(
      steps == [
        .noReplyConnect, .noReplyHelo, .noReplyMail, .noReplyHeaders, .noData, .noUnknown,
        .noEndOfHeaders, .skip, .leadingSpace, .rejectedRecipients,
      ])
  }

  @Test(
    arguments: [
      (2, [.noEndOfHeaders]), (3, [.noEndOfHeaders, .noUnknown]),
      (4, [.noEndOfHeaders, .noUnknown, .noData]), (5, [.noEndOfHeaders, .noUnknown, .noData]),
    ] as [(UInt32, WireSteps)])
  func olderProtocolsAnswerEveryStep(version: UInt32, expected: WireSteps) {
    let (agreement, actions, steps) = settle(version: version)
    #expect(agreement == Agreement.none)
    #expect(steps == expected)
    #expect(actions == 0x01 | 0x04)
  }

  @Test(arguments: 0..<21) func nothingIsChosenThatWasNotOffered(bit: UInt) {
    let offered = UInt(WireSteps.known(to: 6).rawValue) & ~(1 << bit)
    for wanted in [Self.wishes, .turningAway, Negotiation(steps: .all, answered: [])] {
      let settled = Agreement.settle(wanted, offeredActions: 0, offeredSteps: offered)
      #expect(settled.steps & ~offered == 0)
      #expect(settled.actions == 0)
      let steps = WireSteps(rawValue: UInt32(settled.steps))
      #expect(settled.agreement.canSkipBody == steps.contains(.skip))
      #expect(settled.agreement.leadingSpace == steps.contains(.leadingSpace))
    }
  }

  @Test func anAnsweredStepIsNeverNoReply() {
    let all = Negotiation(steps: .all, answered: .all)
    let (agreement, actions, steps) = settle(all, version: 6)
    #expect(agreement.unanswered.isEmpty && actions == 0)
    #expect(steps == [.skip, .leadingSpace])
  }

  @Test func nothingWantedIsNegotiatedAway() {
    let none = Negotiation(steps: [], answered: [])
    #expect(settle(none, version: 2).steps == WireSteps.known(to: 2))
    #expect(settle(none, version: 6).agreement.unanswered.isEmpty)
  }

  @Test func aSessionTurnedAwayIsAskedOnceAndAnswered() {
    let (agreement, _, steps) = settle(.turningAway, version: 6)
    #expect(agreement.unanswered.isEmpty)
    #expect(!steps.contains(.noConnect) && !steps.contains(.noReplyConnect))
    #expect(steps.contains([.noHelo, .noMail, .noRcpt, .noHeaders, .noEndOfHeaders, .noBody]))
  }

  @Test func recipientParametersAreAskedForWithRecipients() {
    #expect(Actions.addRecipients.rawValue == 0x84)
    #expect(Steps.all.rawValue == 0x1FF)
  }
}
