// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Mail
import Milter
import Policies
import Policy
import TestSupport
import Testing

/// One row: a conversation up to RCPT, and the reply and reason that come of it.
struct HeloCase: Sendable, CustomTestStringConvertible {
  var name: String
  var conversation: Conversation
  var config = ""
  /// Nil when the client is let through.
  var code: Helo.Code?
  var reply = "550 5.7.1"
  var option: String?

  var testDescription: String { name }
}

@Suite struct HeloTests {
  private static let stranger = Conversation().client("192.0.2.7", "mail.example.com")

  private static let refused: [HeloCase] = [
    HeloCase(
      name: "IPv4 address", conversation: stranger.hello("192.0.2.7"), code: .numeric,
      option: "helo.reject_numeric"),
    HeloCase(
      name: "another's IPv4 address", conversation: stranger.hello("198.51.100.1"), code: .numeric,
      option: "helo.reject_numeric"),
    HeloCase(
      name: "IPv6 address", conversation: stranger.hello("2001:db8::7"), code: .numeric,
      option: "helo.reject_numeric"),
    HeloCase(
      name: "IPv4-mapped address", conversation: stranger.hello("::ffff:192.0.2.7"), code: .numeric,
      option: "helo.reject_numeric"),
    HeloCase(
      name: "listed name", conversation: stranger.hello("example.org"), code: .ownName,
      option: "helo.hello_blacklist"),
    HeloCase(
      name: "listed name in capitals", conversation: stranger.hello("EXAMPLE.Org"), code: .ownName,
      option: "helo.hello_blacklist"),
    HeloCase(
      name: "listed name with a dot", conversation: stranger.hello("example.org."), code: .ownName,
      option: "helo.hello_blacklist"),
    HeloCase(
      name: "dot and capitals in the list", conversation: stranger.hello("mx2.example.org"),
      code: .ownName, option: "helo.hello_blacklist"),
    HeloCase(
      name: "macro j", conversation: stranger.hello("mx.example.org"), code: .ownName,
      option: "network.hostname"),
    HeloCase(
      name: "macro j with blanks, other case",
      conversation: stranger.macro("j", " MX.example.org. ", at: .connect).hello("mx.Example.org"),
      code: .ownName, option: "network.hostname"),
    HeloCase(
      name: "configured hostname", conversation: stranger.hello("mail.example.org"),
      config: "[network]\nhostname = Mail.Example.org", code: .ownName, option: "network.hostname"),
    HeloCase(
      name: "PTR localhost", conversation: stranger.client("192.0.2.7", "localhost"),
      code: .badPTR, reply: "550 5.7.25"),
    HeloCase(
      name: "PTR LOCALHOST", conversation: stranger.client("192.0.2.7", "LocalHost"),
      code: .badPTR, reply: "550 5.7.25"),
    HeloCase(
      name: "PTR .", conversation: stranger.client("192.0.2.7", "."), code: .badPTR,
      reply: "550 5.7.25"),
    HeloCase(
      name: "PTR localhost that does not lead back",
      conversation: stranger.client("192.0.2.7").macro("{client_ptr}", "localhost", at: .connect),
      code: .badPTR, reply: "550 5.7.25"),
    HeloCase(
      name: "PTR . that does not lead back",
      conversation: stranger.client("192.0.2.7").macro("{client_ptr}", ".", at: .connect),
      code: .badPTR, reply: "550 5.7.25"),
    HeloCase(
      name: "no HELO", conversation: stranger.withoutHello(), code: .missing, reply: "503 5.5.1",
      option: "helo.require"),
  ]

  private static let passed: [HeloCase] = [
    HeloCase(name: "a name", conversation: stranger.hello("mail.example.com")),
    HeloCase(name: "IPv4 literal", conversation: stranger.hello("[192.0.2.7]")),
    HeloCase(name: "IPv6 literal", conversation: stranger.hello("[IPv6:2001:db8::7]")),
    HeloCase(name: "a name of digits", conversation: stranger.hello("192.0.2.7.example.com")),
    HeloCase(name: "three octets", conversation: stranger.hello("192.0.2")),
    HeloCase(
      name: "numeric, allowed", conversation: stranger.hello("192.0.2.7"),
      config: "[helo]\nreject_numeric = no"),
    HeloCase(
      name: "no HELO, allowed", conversation: stranger.withoutHello(),
      config: "[helo]\nrequire = no"),
    HeloCase(name: "below a listed name", conversation: stranger.hello("a.example.org")),
    HeloCase(
      name: "j where a hostname is configured", conversation: stranger.hello("mx.example.org"),
      config: "[network]\nhostname = mail.example.org"),
    HeloCase(
      name: "no own name known",
      conversation: stranger.macro("j", nil, at: .connect).hello("mx.example.org")),
    HeloCase(name: "empty", conversation: stranger.hello("")),
    HeloCase(name: "GC, the ancestor's back door", conversation: stranger.hello("GC")),
    HeloCase(name: "no PTR", conversation: stranger.client("192.0.2.7")),
    HeloCase(
      name: "PTR unknown",
      conversation: stranger.client("192.0.2.7", "unknown")
        .macro("{client_ptr}", "unknown", at: .connect)),
    HeloCase(
      name: "PTR below localhost", conversation: stranger.client("192.0.2.7", "localhost.x.net")),
  ]

  /// The section with the lists of the cases; what a case sets comes on top.
  private static func file(_ config: String) -> String {
    let own = config.contains("[helo]") ? config : "\(config)\n[helo]"
    return own + "\nmode = enforce\nhello_blacklist = example.org, MX2.example.org.\n"
  }

  @Test("refused", arguments: Self.refused)
  func refuses(_ row: HeloCase) throws {
    let result = try row.conversation.from().to("<a@x.org>", "<b@x.org>").run(Self.file(row.config))
    #expect(result.message.codes == [row.reply, row.reply])
    let reason = try #require(
      result.record?.decisions.lazy.compactMap(\.verdict.reason).first { $0.module == "helo" })
    #expect(reason.code == row.code?.rawValue)
    #expect(reason.option == row.option)
    #expect(result.verdictEntries.allSatisfy { $0[.reason] == row.code?.rawValue })
  }

  @Test("let through", arguments: Self.passed)
  func passes(_ row: HeloCase) throws {
    let result = try row.conversation.from().to().run(Self.file(row.config))
    #expect(result.replies == [])
    #expect(result.reasons == [])
    #expect(result.record?.ending == .accepted)
  }

  @Test func everyCodeIsHit() {
    #expect(Set(Self.refused.compactMap(\.code)) == Set(Helo.Code.allCases))
  }

  @Test(
    "our own clients are exempt",
    arguments: [
      ("internal", "10.0.0.1", "[network]\ninternal_connect = 10.0.0.0/8"),
      ("trusted", "10.0.0.1", "[network]\ntrusted_relay = 10.0.0.0/8"),
      ("loopback", "127.0.0.1", ""), ("loopback v6", "::1", ""),
    ])
  func exempt(_ name: String, _ address: String, _ config: String) throws {
    for row in Self.refused where row.config.isEmpty {
      let ptr: MailText = row.code == .badPTR ? "localhost" : "mail.example.com"
      let mail = row.conversation.client(address, ptr).from().to()
      let result = try mail.run(Self.file(config))
      #expect(result.replies == [], "\(row.name)")
      #expect(result.reasons == [])
    }
  }

  @Test("others are exempt for what the runner knows", arguments: ["auth", "587", "465", "daemon"])
  func exemptByRunner(_ why: String) throws {
    for row in Self.refused where row.config.isEmpty {
      let mail =
        switch why {
        case "auth": row.conversation.auth("alice")
        case "daemon": row.conversation.macro("{daemon_name}", "ORIGINATING", at: .connect)
        default: row.conversation.macro("{daemon_port}", MailText(why), at: .connect)
        }
      #expect(try mail.from().to().run(Self.file("")).replies == [], "\(row.name)")
    }
  }

  @Test("the machine's own address", arguments: ["{daemon_addr}", "{if_addr}"])
  func ownAddress(_ macro: String) throws {
    let mail = Self.stranger.macro(macro, "192.0.2.7", at: .connect).hello("mx.example.org")
    #expect(try mail.from().to().run(Self.file("")).replies == [])
    let other = Self.stranger.macro(macro, "192.0.2.8", at: .connect).hello("mx.example.org")
    #expect(try other.from().to().run(Self.file("")).message.codes == ["550 5.7.1"])
  }

  @Test func blankBlacklistIsEmpty() throws {
    let result = try Self.stranger.hello("").from().to()
      .run("[helo]\nmode = enforce\nhello_blacklist =")
    #expect(result.replies == [])
  }

  @Test func observeIsTheDefault() throws {
    let result = try Self.stranger.hello("192.0.2.7").from().to().run("[helo]")
    #expect(result.replies == [])
    #expect(result.reasons == ["helo numeric observed"])
  }

  // MARK: demerits

  private static func demerits(_ conversation: Conversation, mode: String = "enforce") throws -> Int
  {
    let modules: [any PolicyModule.Type] = Site.realPipeline + [DemeritReader.self]
    let config = "[helo]\nmode = \(mode)\nhello_blacklist = example.org\n[demerits]"
    let notes = try conversation.from().to("<postmaster@x.org>").run(config, modules: modules)
      .decisions.compactMap { $0.module == "demerits" ? $0.note : nil }
    return Int(try #require(notes.last)) ?? -1
  }

  @Test(
    arguments: [
      (stranger.hello("a"), 0), (stranger.hello("a").hello("b"), 0),
      (stranger.hello("a").from().abort().hello("b"), 2),
      (stranger.hello("a").from().to().end().hello("b").hello("c"), 4),
      (stranger.hello("example.org"), 4), (stranger.hello("mx.example.org"), 4),
      (stranger.hello("example.org").hello("example.org"), 8),
      (stranger.hello("a").from().abort().hello("example.org"), 6),
      (stranger.hello("192.0.2.7"), 0),
    ])
  func countsDemerits(_ conversation: Conversation, _ expected: Int) throws {
    #expect(try Self.demerits(conversation) == expected)
    #expect(try Self.demerits(conversation, mode: "observe") == 0)
  }

  @Test func helloAfterMailIsNotRefused() throws {
    let result = try Self.stranger.hello("a").from().to().end().hello("b").from().to()
      .run(Self.file(""))
    #expect(result.replies == [])
  }
}

/// Notes the demerits of the connection at RCPT.
struct DemeritReader: PolicyModule {
  struct Options: Section {
    static let name = "demerits"
    static let summary = "Reads demerits"
  }
  init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
  func makeSession() -> Session { Session() }
  final class Session: RecipientStage {
    func recipient(_ recipient: Recipient, _ t: Transaction) -> Verdict {
      t.note("\(t[DemeritsFact.self] ?? 0)")
      return .proceed
    }
  }
}
