// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Mail
import Milter
import Policies
import Policy
import Store
import TestSupport
import Testing

struct BannedIPsTests {
  static let enforce = "[banned_ips]\nmode = enforce\n"

  @Test func refusesABannedClientUntilTheBanEnds() throws {
    let site = try ListHarness(Self.enforce)
    site.bans.ban(try #require(ListedParty("192.0.2.0/24")), for: .seconds(60), reason: "r")
    #expect(try site.outcome() == "banned-client")
    #expect(site.trail.records.last?.finalReply?.hasPrefix("550 5.7.1 ") == true)
    #expect(try site.outcome("198.51.100.1") == nil)
    site.time.advance(by: .seconds(61))
    #expect(try site.outcome() == nil)
  }

  @Test(arguments: ["127.0.0.1", "::1", "192.0.2.1", "198.51.100.1", "203.0.113.1"])
  func neverTouchesOurs(_ ip: String) throws {
    let site = try ListHarness(
      """
      [network]
      internal_connect = 192.0.2.0/24
      trusted_relay = 198.51.100.0/24
      \(Self.enforce)never = 203.0.113.0/24
      """)
    let party = ListedParty(try #require(IPAddress(ip)))
    site.bans.ban(party, for: nil, reason: "by mistake")
    #expect(try site.outcome(ip, from: "bad-ban@example.com", unknown: 20) == nil)
    #expect(site.bans.count == 1)
  }

  @Test func neverTouchesOurUsers() throws {
    let site = try ListHarness(Self.enforce)
    site.bans.ban(try #require(ListedParty("192.0.2.1")), for: nil, reason: "")
    #expect(try site.outcome(user: "joe") == nil)
    #expect(try site.outcome(macros: ["{daemon_port}": "587"]) == nil)
    #expect(try site.outcome(macros: ["{daemon_name}": "ORIGINATING"]) == nil)
    #expect(try site.outcome("192.0.2.2", unknown: 20, user: "joe") == nil)
    #expect(site.bans.count == 1)
  }

  @Test(arguments: [(8, false), (9, true)])
  func bansForUnknownRecipients(_ count: Int, _ isBanned: Bool) throws {
    let site = try ListHarness(Self.enforce)
    #expect(try site.outcome(unknown: count) == (isBanned ? "ban-earned" : nil))
    #expect((site.bans.ban(of: try #require(IPAddress("192.0.2.1"))) != nil) == isBanned)
    #expect(try site.outcome() == (isBanned ? "banned-client" : nil))
  }

  @Test func bansWithoutAnAcceptedRecipient() throws {
    let site = try ListHarness(Self.enforce)
    let runner = try site.connect()
    _ = site.mail(runner, to: [], unknown: 5)
    runner.abort()
    _ = site.mail(runner, to: [], unknown: 4)
    #expect(site.bans.count == 0)
    runner.close()
    let ban = try #require(site.bans.bans.first)
    #expect(ban.party.description == "192.0.2.1")
    #expect(ban.reason == "9 demerits")
    #expect(ban.reference == site.trail.records.last?.reference.description)
    #expect(ban.until == site.time.milliseconds + 86_400_000)
  }

  @Test func refusesTheRestOfTheConnection() throws {
    let site = try ListHarness(Self.enforce + "max_demerits = 2\n")
    let runner = try site.connect()
    #expect(site.mail(runner, unknown: 3) != .proceed)
    #expect(site.mail(runner, "other@example.com") != .proceed)
    #expect(site.mail(runner, to: ["postmaster@local.test"]) == .proceed)
  }

  @Test func countsDemeritsOfOtherModules() throws {
    let site = try ListHarness(Self.enforce + "[helo]\nmode = enforce\n")
    let runner = try site.connect(helo: "mx.example.net")
    for _ in 0..<2 { _ = runner.hello("mx.example.net") }
    _ = site.mail(runner)
    #expect(site.bans.count == 1)
  }

  @Test func bansAnIPv6ClientWithItsNetwork() throws {
    let site = try ListHarness(Self.enforce)
    #expect(try site.outcome("2001:db8::1", unknown: 9) == "ban-earned")
    #expect(try site.outcome("2001:db8::2") == "banned-client")
    #expect(try site.outcome("2001:db8:0:1::2") == nil)
  }

  @Test func doesNotBanAgainWhoWasForgivenMeanwhile() throws {
    let site = try ListHarness(Self.enforce)
    let runner = try site.connect()
    _ = site.mail(runner, to: [], unknown: 9)
    _ = site.mail(runner, to: [], unknown: 1)
    let ban = try #require(site.bans.bans.first)
    #expect(site.bans.remove(ban.party))
    _ = site.mail(runner, to: [], unknown: 1)
    runner.close()
    #expect(site.bans.count == 0)
  }

  @Test func bansAtOnceWhenAModuleAsks() throws {
    let site = try ListHarness(Self.enforce)
    #expect(try site.outcome(from: "ban@example.com") == "ban-earned")
    #expect(site.bans.bans.first?.reason == "asked for")
  }

  @Test func bansAtOnceWhenTheModuleRefusedToo() throws {
    let site = try ListHarness(Self.enforce)
    #expect(try site.outcome(from: "ban-refused@example.com") == "said")
    #expect(try site.outcome() == "banned-client")
  }

  @Test(arguments: [
    ("bad@example.org", "192.0.2.1"), ("proved-bad@Example.org", "@example.org"),
    ("Proved-bad@gmail.com", "proved-bad@gmail.com"), ("proved-bad@mail.com", "@mail.com"),
  ])
  func bansWhoIsToBlame(_ sender: String, _ banned: String) throws {
    let site = try ListHarness(Self.enforce)
    // The folded local part is what the harness' module reads, so only its case may differ.
    #expect(try site.outcome(from: sender.replacing("Proved", with: "proved")) == "ban-earned")
    #expect(site.bans.bans.map(\.party.description) == [banned])
    let later = try site.outcome("198.51.100.9", from: sender)
    #expect(later == (banned.contains("@") ? "banned-sender" : "ban-earned"))
  }

  @Test func observeBansNobody() throws {
    let site = try ListHarness("[banned_ips]\nmode = observe\n")
    #expect(try site.outcome(from: "bad-ban@example.com", unknown: 20) == nil)
    #expect(site.bans.count == 0)
    let decision = try #require(site.decisions(of: "banned_ips").last { $0.verdict != .proceed })
    #expect(decision.effect == .observed)
    #expect(decision.verdict.reason?.code == "ban-earned")
    site.bans.ban(try #require(ListedParty("192.0.2.1")), for: nil, reason: "")
    #expect(try site.outcome() == nil)
    #expect(
      site.decisions(of: "banned_ips").contains { $0.verdict.reason?.code == "banned-client" })
  }

  /// It would refuse the mail of those whom `only_to` spares.
  @Test func onlyToBansNobody() throws {
    let site = try ListHarness(
      "[banned_ips]\nmode = enforce\nonly_to = b@local.test\n")
    #expect(try site.outcome(from: "ban@example.com", unknown: 20) == "ban-earned")
    #expect(site.bans.count == 0)
    #expect(try site.outcome() == nil)
  }

  @Test func observeCountsUnknownRecipients() throws {
    let site = try ListHarness("[banned_ips]\nmode = observe\n")
    #expect(try site.outcome(unknown: 9) == nil)
    #expect(
      site.decisions(of: "banned_ips").last?.verdict.reason?.detail == "192.0.2.1: 9 demerits")
    #expect(site.bans.count == 0)
  }

  @Test func aRemovedBanEndsAtOnceForNewConnections() throws {
    let site = try ListHarness(Self.enforce)
    let party = try #require(ListedParty("192.0.2.1"))
    let early = try site.connect()
    site.bans.ban(party, for: nil, reason: "")
    #expect(site.mail(early) != .proceed)
    _ = site.bans.remove(party)
    #expect(site.mail(early) == .proceed)
    #expect(try site.outcome() == nil)
  }

  @Test func readsListFilesLineByLine() throws {
    let site = try ListHarness(
      Self.enforce + "file = /etc/mail/banned*\n",
      files: [
        "/etc/mail/banned":
          "192.0.2.1\n\n# note\n  198.51.100.0/24 # late\nrubbish\n1.2.3.4.5\n::/0\n",
        "/etc/mail/banned.1": "2001:db8::/32\r\n\u{0}\u{1}\n",
        "/etc/mail/other": "203.0.113.1\n",
      ])
    for ip in ["192.0.2.1", "198.51.100.77", "2001:db8::9"] {
      #expect(try site.outcome(ip) == "banned-by-file")
    }
    #expect(try site.outcome("203.0.113.1") == nil)
    let warnings = site.pipeline.modules.flatMap(\.warnings).map(\.message)
    #expect(
      warnings == [
        "/etc/mail/banned:5: no address or network; the line is left out",
        "/etc/mail/banned:6: no address or network; the line is left out",
        "/etc/mail/banned:7: ::/0 is most of the Internet; the line is left out",
        "/etc/mail/banned.1:2: no address or network; the line is left out",
      ])
  }

  @Test func saysThatAListFileIsMissing() throws {
    let site = try ListHarness(Self.enforce + "file = /etc/mail/none\n")
    #expect(
      site.pipeline.modules.flatMap(\.warnings).map(\.message) == [
        "/etc/mail/none: cannot be read: No such file or directory"
      ])
    #expect(try site.outcome() == nil)
  }

  @Test func hasATestForEveryCode() {
    #expect(
      Set(BannedIPs.Code.allCases.map(\.rawValue)) == [
        "banned-client", "banned-sender", "banned-by-file", "ban-earned",
      ])
  }
}
