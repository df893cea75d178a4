// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Greylisting
import Mail
import Testing

struct TripletKeysTests {
  let keys = TripletKeys()

  func sender(_ path: MailText) -> String { keys.sender(Mailbox(envelope: path)) }

  @Test(arguments: [
    ("<>", ""),
    ("<Joe@Example.ORG>", "joe@example.org"),
    ("<jean-pierre@example.org>", "jean-pierre@example.org"),
    ("<joe+shop@example.org>", "joe@example.org"),
    ("<+joe@example.org>", "+joe@example.org"),
    ("<user77@163.com>", "user#@163.com"),
    ("<bounce@mx17.mailer.example.com>", "bounce@mx#.mailer.example.com"),
    ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
    ("<prvs=1234abcdef=joe@example.org>", "joe@example.org"),
    ("<btv1==1234abcdef==joe@example.org>", "joe@example.org"),
    ("<msprvs1=18abcQ=bounces-2@example.org>", "bounces-#@example.org"),
    ("<SRS0=HHHH=TT=example.org=joe@forward.example>", "srs0=example.org=joe@forward.example"),
    ("<SRS0+hhh=tt=example.org=joe@forward.example>", "srs0=example.org=joe@forward.example"),
    (
      "<SRS1=HHH=one.example==GGG=TT=example.org=joe@two.example>",
      "srs1=one.example=example.org=joe@two.example"
    ),
    ("<list-return-17-jo=example.org@lists.example>", "list-return-#-@lists.example"),
    ("<bounces+123-jo=example.org@mailer.example>", "bounces@mailer.example"),
    (
      "<0100018c9f2b1a2b-7d8e3f40-abcd-4c3d-8e9f-0a1b2c3d4e5f-000000@eu.amazonses.com>",
      "#@eu.amazonses.com"
    ),
    ("<3nopqrstuvwxyz0123456@trix.bounces.google.com>", "#@trix.bounces.google.com"),
    ("<prvs=@example.org>", "prvs=@example.org"),
    ("<SRS0=@example.org>", "srs#=@example.org"),
  ])
  func folds(_ path: String, _ key: String) { #expect(sender(MailText(path)) == key) }

  @Test func keepsTheAddressWhenToldSo() {
    let keys = TripletKeys(folds: false)
    #expect(keys.sender(Mailbox(envelope: "<A+b1@X2.y.z>")) == "a+b1@x2.y.z")
  }

  @Test func staysBoundedAndPrintable() {
    let hostile: [[UInt8]] = [
      Array(repeating: 0x61, count: 10_240), Array(repeating: 0x2D, count: 10_240),
      Array(repeating: 0x3D, count: 10_240), Array(repeating: 0xE9, count: 10_240),
      Array(repeating: 0x31, count: 10_240), Array("\"a\nb,c\u{0}\"@x".utf8),
      Array("SRS1".utf8) + Array(repeating: 0x3D, count: 10_000),
      (0..<10_240).map { UInt8(truncatingIfNeeded: $0) },
    ]
    for bytes in hostile {
      for keys in [keys, TripletKeys(folds: false)] {
        for mailbox in [
          Mailbox(envelope: MailText(bytes)), Mailbox(envelope: MailText(bytes + Array("@x".utf8))),
        ] {
          for key in [keys.sender(mailbox), keys.recipient(mailbox)] {
            #expect(key.utf8.count <= TripletKeys.maximumLength)
            #expect(key.unicodeScalars.allSatisfy { $0.isVisible })
          }
        }
      }
    }
  }

  @Test func tellsLongAddressesApart() {
    let stem = String(repeating: "x", count: 5000)
    #expect(sender(MailText(stem + "a@b")) != sender(MailText(stem + "b@b")))
  }

  @Test func makesNetworksOrigins() throws {
    #expect(keys.origin(of: try #require(IPAddress("192.0.2.77"))) == "192.0.2.0/24")
    #expect(keys.origin(of: try #require(IPAddress("2001:db8:1:2:3::4"))) == "2001:db8:1:2::/64")
    #expect(keys.origin(ofDomain: "Example.ORG.") == "example.org")
  }

  @Test func leavesTheRecipientOutWhereTheMessageCounts() {
    let mailbox = Mailbox(envelope: "<Jo+x@Example.org>")
    #expect(keys.recipient(mailbox) == "jo+x@example.org")
    #expect(TripletKeys(countsRecipient: false).recipient(mailbox) == "*")
  }
}
