// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Configuration
import Policy
import TestSupport
import Testing

/// What `bmsd config mta` prints, and what `bmsd check` says of Postfix's mynetworks.
@Suite struct MTALinesTests {
  private func lines(_ text: String) throws -> MTALines {
    let setup = SetupTests.setup(text)
    return MTALines(setup.configuration, try #require(setup.pipeline))
  }

  private func milters(_ text: String) throws -> String {
    try #require(try lines(text).postfix.first { $0.hasPrefix("smtpd_milters") })
  }

  @Test(
    arguments: [
      ("unix:/var/spool/postfix/bms/bms.sock", "unix:bms/bms.sock", false),
      ("local:/var/spool/postfix/x", "unix:x", false),
      ("unix:/run/bms/bms.sock", "unix:/run/bms/bms.sock", true),
      ("inet:8890@127.0.0.1", "inet:127.0.0.1:8890", false),
      ("inet6:8890@::1", "inet:[::1]:8890", false),
    ])
  func postfixSocket(_ socket: String, _ expected: String, _ warnsOfChroot: Bool) throws {
    let text = "[milter]\nsocket = \(socket)"
    #expect(
      try milters(text)
        == "smtpd_milters = { \(expected), default_action=accept, command_timeout=30s }")
    #expect(try lines(text).postfix.contains { $0.contains("chroot") } == warnsOfChroot)
    #expect(try lines(text).postfix.contains("non_smtpd_milters = $smtpd_milters"))
  }

  @Test(
    arguments: [
      ("", "accept", false), ("[helo]", "accept", false), ("[helo]\nmode = off", "accept", false),
      ("[helo]\nmode = enforce", "tempfail", true),
    ])
  func actionWhileAway(_ text: String, _ action: String, _ bites: Bool) throws {
    #expect(try milters(text).contains("default_action=\(action),"))
    let sendmail = try #require(try lines(text).sendmail.last)
    #expect(sendmail.contains("F=T,") == bites)
    #expect(sendmail.hasPrefix("INPUT_MAIL_FILTER(`bmsd', `S=unix:/run/bms/bms.sock, "))
    #expect(sendmail.hasSuffix("T=C:30s;S:30s;R:30s;E:5m')dnl"))
  }

  @Test(
    "mynetworks",
    arguments: [
      ("127.0.0.0/8 [::1]/128\n", "127.0.0.0/8, ::1", []),
      ("127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128", "127.0.0.0/8, ::1", []),
      ("127.0.0.0/8, [::1]/128", "127.0.0.0/8, ::1", []), ("127.0.0.0/8", "127.*", []),
      ("127.0.0.0/8 10.0.0.0/8", "127.0.0.0/8", ["mynetworks has 10.0.0.0/8"]),
      ("127.0.0.0/8", "127.0.0.0/8, 10.0.0.0/8", ["internal_connect has 10.0.0.0/8"]),
      ("10.0.0.0/8", "10.1.0.0/16", ["mynetworks has 10.0.0.0/8"]),
      ("10.0.0.0/8", "10.0.0.0/16", ["mynetworks has 10.0.0.0/8"]),
      ("10.0.0.0/16", "10.0.0.0/8", ["internal_connect has 10.0.0.0/8"]),
      ("10.0.0.0/9 10.128.0.0/9", "10.0.0.0/8", []), ("10.0.0.0/8", "10.0.0.0/9, 10.128.0.0/9", []),
      (
        "10.0.0.0/8", "192.0.2.0/24",
        ["mynetworks has 10.0.0.0/8", "internal_connect has 192.0.2.0/24"]
      ),
      // What Postfix alone can read may hold anything.
      ("127.0.0.0/8 hash:/etc/postfix/nets", "127.0.0.0/8, 10.0.0.0/8", []),
      ("!10.0.0.1 10.0.0.0/8", "10.0.0.0/8", []), ("", "", []),
    ] as [(String, String, [String])])
  func differences(_ networks: String, _ internalConnect: String, _ expected: [String]) {
    let configuration = SetupTests.setup("[network]\ninternal_connect = \(internalConnect)")
      .configuration
    let found = MyNetworks(networks).differences(from: configuration)
    #expect(found.count == expected.count, "\(found)")
    for (sentence, part) in zip(found, expected) { #expect(sentence.contains(part)) }
  }
}
