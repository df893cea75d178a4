// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Mail
import Policy
import TestSupport
import Testing

/// What modules leave for each other, and how long it lives.
@Suite struct FactTests {
  enum Early: Fact { typealias Value = String }
  enum Greeting: Fact { typealias Value = String }
  enum Parcel: Fact { typealias Value = String }

  /// Leaves facts at CONNECT, HELO and MAIL: each once, when the text says so.
  struct Leaver: PolicyModule {
    struct Options: Section {
      static let name = "leaver"
      static let summary = "Leaves facts"
    }
    static var provides: [any Fact.Type] { [Early.self, Greeting.self, Parcel.self] }
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
    func makeSession() -> Session { Session() }

    final class Session: ConnectStage, HelloStage, SenderStage {
      func connect(_ t: Transaction) -> Verdict {
        t[Early.self] = "connect"
        t[Greeting.self] = "none"
        return .proceed
      }
      func hello(_ name: MailText, _ t: Transaction) -> Verdict {
        if name != "silent" { t[Greeting.self] = name.description }
        return .proceed
      }
      func sender(_ t: Transaction) -> Verdict {
        if t.sender?.path == "<one@x.org>" { t[Parcel.self] = "one" }
        return .proceed
      }
    }
  }

  /// Notes what it finds at RCPT.
  struct Finder: PolicyModule {
    struct Options: Section {
      static let name = "finder"
      static let summary = "Finds facts"
    }
    static var reads: [any Fact.Type] { [Early.self, Greeting.self, Parcel.self] }
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
    func makeSession() -> Session { Session() }

    final class Session: RecipientStage {
      func recipient(_ recipient: Recipient, _ t: Transaction) -> Verdict {
        let words = [t[Early.self], t[Greeting.self], t[Parcel.self]].map { $0 ?? "-" }
        t.note(words.joined(separator: " ") + " \(t[DemeritsFact.self] ?? 0)")
        return .proceed
      }
    }
  }

  private static func found(_ conversation: Conversation, _ config: String = "") throws -> [String]
  {
    let modules: [any PolicyModule.Type] = [Leaver.self, One.self, Finder.self]
    return try conversation.run(config, modules: modules).decisions.compactMap {
      $0.module == "finder" ? $0.note : nil
    }
  }

  @Test func connectFactsLiveAsLongAsTheConnection() throws {
    let mail = Conversation().hello("a").from("<x@x.org>").to().abort().hello("b")
      .from("<x@x.org>").to()
    #expect(try Self.found(mail) == ["connect a - 0", "connect b - 0"])
  }

  @Test func helloFactsAreReplaced() throws {
    let mail = Conversation().hello("a").from("<x@x.org>").to().end().hello("silent")
      .from("<x@x.org>").to()
    // What CONNECT left under the same name is there again.
    #expect(try Self.found(mail) == ["connect a - 0", "connect none - 0"])
  }

  @Test(
    "message facts die with the message",
    arguments: [
      Conversation().from("<one@x.org>").to().from("<two@x.org>").to(),
      Conversation().from("<one@x.org>").to().abort().from("<two@x.org>").to(),
      Conversation().from("<one@x.org>").to().secondMail("<two@x.org>").to(),
    ])
  func messageFactsDie(_ conversation: Conversation) throws {
    #expect(
      try Self.found(conversation)
        == ["connect client.example.com one 0", "connect client.example.com - 0"])
  }

  @Test func demeritsAddUpForTheConnection() throws {
    let mail = Conversation().from("<x@x.org>").to().end().hello("b").from("<x@x.org>").to()
    let script = "connect = demerits 1\nhelo = demerits 2\nmail = demerits 4"
    #expect(
      try Self.found(mail, "[one]\nmode = enforce\n\(script)")
        == ["connect client.example.com - 7", "connect b - 13"])
    #expect(
      try Self.found(mail, "[one]\nmode = observe\n\(script)")
        == ["connect client.example.com - 0", "connect b - 0"])
  }
}
