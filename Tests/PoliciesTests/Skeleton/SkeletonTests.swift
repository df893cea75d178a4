// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Policy
import TestSupport
import Testing

@Suite struct SkeletonTests {
  private static let config = "[skeleton]\nmode = enforce\nsenders = Spammer, thief"
  // The real order, with this module in it; once it stands in Pipeline.swift, leave it out here.
  private static let modules: [any PolicyModule.Type] = Site.realPipeline + [Skeleton.self]

  /// A row for each reason code, by which everyCodeIsHit finds what is missing.
  private static let refused: [(sender: MailText, code: Skeleton.Code, reply: String)] = [
    ("<spammer@example.com>", .listedSender, "550 5.7.1")
  ]

  @Test(arguments: Self.refused)
  func refuses(_ sender: MailText, _ code: Skeleton.Code, _ reply: String) throws {
    let result = try Conversation().from(sender).to().run(Self.config, modules: Self.modules)
    #expect(result.message.codes == [reply])
    #expect(result.reasons == ["skeleton \(code.rawValue) enforced"])
  }

  @Test(arguments: ["<friend@example.com>", "<spammer2@example.com>", "<>"] as [MailText])
  func letsThrough(_ sender: MailText) throws {
    let result = try Conversation().from(sender).to().run(Self.config, modules: Self.modules)
    #expect(result.replies == [])
  }

  @Test func everyCodeIsHit() {
    #expect(Set(Self.refused.map(\.code)) == Set(Skeleton.Code.allCases))
  }
}
