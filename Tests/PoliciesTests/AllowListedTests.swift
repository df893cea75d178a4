// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Milter
import Policies
import Policy
import Store
import TestSupport
import Testing

struct AllowListedTests {
  static let strict = """
    [banned_ips]
    mode = enforce
    [helo]
    mode = enforce

    """

  @Test func letsAListedClientPastEverything() throws {
    let site = try ListHarness(Self.strict)
    site.bans.ban(try #require(ListedParty("192.0.2.1")), for: nil, reason: "")
    #expect(try site.outcome(helo: "192.0.2.1", from: "refused@example.com") == "banned-client")
    try site.allow("192.0.2.0/24")
    #expect(try site.outcome(helo: "192.0.2.1", from: "bad-refused@example.com") == nil)
    #expect(site.decisions(of: "allow").contains { $0.verdict.reason?.code == "listed-client" })
    #expect(site.bans.count == 1)
    #expect(try site.outcome("198.51.100.1", helo: "192.0.2.1") == "numeric")
  }

  @Test func endsOnlyTheModulesNamed() throws {
    let site = try ListHarness(Self.strict)
    try site.allow("192.0.2.1", skip: ["helo"])
    #expect(try site.outcome(helo: "192.0.2.1") == nil)
    #expect(try site.outcome(helo: "192.0.2.1", from: "refused@example.com") == "said")
    let note = site.decisions(of: "allow").first?.note
    #expect(note == "192.0.2.1 is listed, skips helo")
  }

  @Test(arguments: ["a@example.com", "@example.com", "A@EXAMPLE.com"])
  func endsWhatIsHeldAlready(_ party: String) throws {
    let site = try ListHarness(Self.strict)
    try site.allow(party, unauthenticated: true)
    #expect(try site.outcome(helo: "192.0.2.1") == nil)
    #expect(site.decisions(of: "allow").contains { $0.verdict.reason?.code == "listed-sender" })
    #expect(site.decisions(of: "helo").contains { $0.effect == .allowed })
    #expect(try site.outcome(helo: "192.0.2.1", from: "a@sub.example.com") == "numeric")
    #expect(try site.outcome(helo: "192.0.2.1", from: "") == "numeric")
  }

  @Test func doesNotOutliveItsMessage() throws {
    let site = try ListHarness(Self.strict)
    try site.allow("a@example.com", unauthenticated: true)
    let runner = try site.connect(helo: "192.0.2.1")
    #expect(site.mail(runner) == .proceed)
    #expect(site.mail(runner, "b@example.com") != .proceed)
    #expect(site.mail(runner) == .proceed)
  }

  @Test func waitsForAProof() throws {
    let site = try ListHarness(Self.strict)
    try site.allow("@example.com")
    #expect(try site.outcome(helo: "192.0.2.1") == "numeric")
    #expect(
      site.decisions(of: "allow").last?.note
        == "@example.com is listed; counts only once SPF or DKIM proves example.com")
    // Proved by a later module than those that refused: what they hold no longer counts.
    #expect(try site.outcome(helo: "192.0.2.1", from: "proved-refused@example.com") == nil)
  }

  @Test func canDoWithoutProof() throws {
    let site = try ListHarness(Self.strict + "[allow]\nrequire_auth = no\n")
    try site.allow("@example.com")
    #expect(try site.outcome(helo: "192.0.2.1") == nil)
  }

  @Test func hasATestForEveryCode() {
    #expect(
      Set(AllowListed.Code.allCases.map(\.rawValue)) == ["listed-client", "listed-sender"])
  }
}
