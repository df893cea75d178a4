// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Milter
import Policy
import TestSupport
import Testing

/// What neither the recipients nor the way a message came may talk the runner out of, and what an
/// earlier module may.
@Suite struct OwnTroubleTests {
  private static let two: [any PolicyModule.Type] = [One.self, Two.self]

  private func whole(to recipient: MailText) -> Conversation {
    Conversation().from().to(recipient).header("Subject", "x").body("text\r\n")
  }

  @Test(
    "always_accept does not let pass what a module failed to look at", arguments: ["mail", "eom"])
  func troubleIsNotOverruled(_ stage: String) throws {
    let result = try whole(to: "<postmaster@example.org>").run(
      "[one]\nmode = enforce\non_error = tempfail\n\(stage) = throw", modules: [One.self])
    #expect(result.replies.count == 1)
    #expect(result.reply?.hasPrefix("451 4.3.0 ") == true)
  }

  @Test(
    "mail that did not come by SMTP is deferred at its end", arguments: ["helo", "mail", "rcpt"])
  func troubleWithoutSMTP(_ stage: String) throws {
    let result = try whole(to: "<b@example.org>").macro("{daemon_port}", "0", at: .connect).run(
      "[one]\nmode = enforce\non_error = tempfail\n\(stage) = throw", modules: [One.self])
    #expect(result.message.codes == ["ok"], "a recipient is never refused there")
    #expect(result.reply?.hasPrefix("451 4.3.0 ") == true)
  }

  @Test func anEarlierAcceptEndsWhatALaterModuleHolds() throws {
    let result = try whole(to: "<b@example.org>").run(
      "[one]\nmode = enforce\nmail = accept\n[two]\nmode = enforce\nhelo = refuse",
      modules: Self.two)
    #expect(result.replies == [])
    #expect(result.reasons.contains { $0.hasSuffix("accepted-before") })
  }

  @Test func aLaterAcceptEndsNothingEarlier() throws {
    let result = try whole(to: "<b@example.org>").run(
      "[one]\nmode = enforce\nhelo = refuse\n[two]\nmode = enforce\nmail = accept",
      modules: Self.two)
    #expect(result.message.codes == ["550 5.7.1"])
  }
}
