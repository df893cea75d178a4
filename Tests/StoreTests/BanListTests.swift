// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import GRDB
import Mail
import Store
import TestSupport
import Testing

struct BanListTests {
  let folder: TemporaryFolder
  let time = FakeTime()
  let store: StateStore
  let bans: BanList

  init() throws {
    folder = try TemporaryFolder()
    store = try StateStore(path: folder.path("bms.db"), time: time)
    bans = BanList(store)
  }

  func party(_ text: String) throws -> ListedParty { try #require(ListedParty(text)) }
  func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

  /// A list as the next start of the daemon reads it.
  func reopened() throws -> BanList {
    BanList(try StateStore(path: folder.path("bms.db"), time: time))
  }

  @Test(arguments: [
    ("192.0.2.1", "192.0.2.1"), ("192.0.2.7/24", "192.0.2.0/24"), ("::ffff:192.0.2.1", "192.0.2.1"),
    ("2001:DB8::1", "2001:db8::1"), ("2001:db8::1/64", "2001:db8::/64"),
    ("@Example.ORG", "@example.org"), ("example.org", "@example.org"),
    ("example.org.", "@example.org"), ("User@Example.ORG", "user@example.org"),
    ("\"a b\"@example.org", nil), ("1.2.3", nil), ("300.1.1.1", nil), ("192.0.2.0/33", nil),
    ("@", nil), ("", nil), ("localhost", nil), ("@user@example.org", nil), ("a/b.example", nil),
    ("a;b.example", nil), ("x@" + String(repeating: "a", count: 600), nil),
  ])
  func readsWhatPeopleType(_ typed: String, _ expected: String?) {
    #expect(ListedParty(typed)?.description == expected)
  }

  @Test(arguments: ["a\nb", "<a\u{e9}b@c>", "\"quo\\\"te\"", "o'neill", "x';DROP TABLE ban;--"])
  func keepsStrangeAddressesSafely(_ localPart: String) throws {
    let mailbox = Mailbox(localPart: MailText(localPart), domain: "Example.org")
    let party = try #require(ListedParty(mailbox))
    bans.ban(party, for: nil, reason: "it's \"odd\"")
    try bans.flush(within: .seconds(1))
    #expect(try reopened().ban(of: party)?.reason == "it's \"odd\"")
    #expect(party.value.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } || localPart.contains("\u{e9}"))
  }

  @Test func findsTheNarrowestBlock() throws {
    for text in ["192.0.0.0/16", "192.0.2.0/24", "192.0.2.1", "2001:db8::/32"] {
      bans.ban(try party(text), for: nil, reason: text)
    }
    #expect(bans.ban(of: try ip("192.0.2.1"))?.reason == "192.0.2.1")
    #expect(bans.ban(of: try ip("192.0.2.2"))?.reason == "192.0.2.0/24")
    #expect(bans.ban(of: try ip("192.0.3.1"))?.reason == "192.0.0.0/16")
    #expect(bans.ban(of: try ip("192.1.0.1")) == nil)
    #expect(bans.ban(of: try ip("2001:db8:1::5"))?.reason == "2001:db8::/32")
    #expect(bans.ban(of: try ip("2001:db9::")) == nil)
    #expect(bans.remove(try party("192.0.2.0/24")))
    #expect(!bans.remove(try party("192.0.2.0/24")))
    #expect(bans.ban(of: try ip("192.0.2.2"))?.reason == "192.0.0.0/16")
  }

  @Test func endsWithItsTime() throws {
    let party = try party("192.0.2.1")
    bans.ban(party, for: .seconds(60), reason: "short", reference: "R")
    bans.ban(party, for: .seconds(30), reason: "shorter ban does not cut it")
    #expect(bans.ban(of: party)?.reason == "short")
    time.advance(by: .seconds(59))
    #expect(bans.ban(of: try ip("192.0.2.1")) != nil)
    time.advance(by: .seconds(1))
    #expect(bans.ban(of: try ip("192.0.2.1")) == nil)
    #expect(bans.bans.isEmpty)
    #expect(bans.purge() == 1)
    try bans.flush(within: .seconds(1))
    #expect(try store.file.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM ban") } == 0)
  }

  @Test func survivesAClockThatJumps() throws {
    let party = try party("192.0.2.1")
    bans.ban(party, for: .seconds(3600), reason: "an hour")
    time.advance(by: .seconds(-86_400))
    #expect(bans.ban(of: party) != nil)
    time.advance(by: .seconds(2 * 86_400))
    #expect(bans.ban(of: party) == nil)
  }

  @Test func isThereAfterARestart() throws {
    let all = ["192.0.2.1", "2001:db8::/64", "@example.org", "user@example.org"]
    for text in all { bans.ban(try party(text), for: .seconds(60), reason: "", reference: "REF") }
    try bans.flush(within: .seconds(1))
    #expect(bans.pendingCount == 0)
    let again = try reopened()
    #expect(again.bans == bans.bans)
    #expect(again.bans.map(\.party.description) == all)
  }

  @Test func holdsWhileTheDatabaseIsLocked() throws {
    let other = try DatabaseQueue(path: folder.path("bms.db"))
    try other.writeWithoutTransaction { db in
      try db.execute(sql: "BEGIN IMMEDIATE")
      bans.ban(try party("192.0.2.1"), for: nil, reason: "")
      #expect(throws: StoreTrouble.busy) { try bans.flush(within: .seconds(1)) }
      #expect(bans.ban(of: try ip("192.0.2.1")) != nil)
      #expect(bans.pendingCount == 1)
      try db.execute(sql: "COMMIT")
    }
    time.advance(by: WriteGate.probeInterval)
    try bans.flush(within: .seconds(1))
    #expect(bans.pendingCount == 0)
    #expect(try reopened().ban(of: try ip("192.0.2.1")) != nil)
  }

  @Test func writesManyInSteps() throws {
    for number in 0..<1200 {
      bans.ban(ListedParty(IPAddress(v4: UInt32(number) << 8)), for: nil, reason: "")
    }
    try bans.flush(within: .seconds(5))
    #expect(try reopened().count == 1200)
  }

  @Test func allowListKeepsEverything() throws {
    let list = AllowList(store)
    let entry = AllowEntry(
      try party("@example.org"), since: time.milliseconds, until: time.milliseconds + 5000,
      skip: ["helo", "spf"], isUnauthenticated: true, note: "a, 'note'")
    #expect(list.put(entry))
    try list.flush(within: .seconds(1))
    let again = AllowList(try StateStore(path: folder.path("bms.db"), time: time))
    #expect(again.entries == [entry])
    time.advance(by: .seconds(5))
    #expect(again.entry(for: entry.party) == nil)
    #expect(again.purge() == 1)
  }
}
