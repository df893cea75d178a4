// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Logging
import Mail
import Milter
import Policy
import TestSupport
import Testing

/// The order, what it makes the MTA send, and modules that cannot be set up.
@Suite struct PolicyPipelineTests {
  enum Colour: Fact { typealias Value = Int }

  /// Sections of modules that do one thing only.
  struct Plain<Name: ScriptTraits>: PolicySection {
    static var name: String { Name.name }
    static var summary: String { "Plain" }
    let path = ConfigOption("path", default: "", help: "A path.")
  }

  struct Painter: PolicyModule {
    typealias Options = Plain<Traits.One>
    static var provides: [any Fact.Type] { [Colour.self] }
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
      if settings.path == "bad" { throw SetupError(option: "one.path", "no such file") }
    }
    func makeSession() -> Session { Session() }
    final class Session: HeaderStage {
      func header(_ field: HeaderField, _ t: Transaction) -> Verdict { .proceed }
    }
  }

  struct Needy: PolicyModule {
    typealias Options = Plain<Traits.Two>
    static var needs: [any Fact.Type] { [Colour.self] }
    static var edits: Actions { [.replaceBody] }
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
      if settings.path == "bad" { throw SetupError("does not work here") }
    }
    func makeSession() -> Session { Session() }
    final class Session: BodyStage, DataStage {
      func body(_ chunk: RawSpan, _ t: Transaction) -> Verdict { .proceed }
      func data(_ t: Transaction) -> Verdict { .proceed }
    }
  }

  struct Reader: PolicyModule {
    typealias Options = Plain<Traits.Three>
    static var reads: [any Fact.Type] { [Colour.self] }
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
    func makeSession() -> Session { Session() }
    final class Session: EndOfHeadersStage, FinishedStage {
      func endOfHeaders(_ t: Transaction) -> Verdict { .proceed }
      func finished(_ ending: TransactionRecord.Ending, _ t: Transaction) {}
    }
  }

  @Test func realOrderIsProved() {
    #expect(PolicyPipeline.orderFaults(in: Site.realPipeline) == [])
  }

  @Test(
    arguments: [
      ([Painter.self, Needy.self, Reader.self], []), ([Reader.self], []), ([], []),
      ([Needy.self], ["Needy needs Colour but no module provides it"]),
      ([Needy.self, Painter.self], ["Needy needs Colour before it is provided"]),
      ([Reader.self, Painter.self], ["Reader reads Colour before it is provided"]),
      (
        [Reader.self, Needy.self, Painter.self],
        ["Reader reads Colour before it is provided", "Needy needs Colour before it is provided"]
      ),
    ] as [([any PolicyModule.Type], [String])])
  func wrongOrderIsFound(_ order: [any PolicyModule.Type], _ faults: [String]) {
    #expect(PolicyPipeline.orderFaults(in: order) == faults)
  }

  private func negotiation(
    _ modules: [any PolicyModule.Type], _ config: String
  ) throws -> Negotiation {
    try Site(config, modules: modules).pipeline.negotiation
  }

  private static let envelope: Steps = [.connect, .hello, .sender, .recipient]

  @Test func onlyStepsOfStagesPresentAreWanted() throws {
    let all: [any PolicyModule.Type] = [Painter.self, Needy.self, Reader.self]
    let none = try negotiation(all, "")
    #expect(none.steps == Self.envelope)
    #expect(none.answered == [.recipient])
    #expect(none.actions == [.quarantine, .deleteRecipients])
    #expect(none.wantsRejectedRecipients)
    let header = try negotiation(all, "[one]")
    #expect(header.steps == Self.envelope.union(.header))
    #expect(header.answered == [.recipient])
    let end = try negotiation(all, "[three]")
    #expect(end.steps == Self.envelope.union(.endOfHeaders))
    #expect(try negotiation(all, "[log]\nheaders = yes").steps == Self.envelope.union(.header))
  }

  @Test func dataIsAnsweredOnlyForWhoDecidesThere() throws {
    let all: [any PolicyModule.Type] = [Painter.self, Needy.self]
    let wanted = try negotiation(all, "[two]")
    #expect(wanted.steps == Self.envelope.union([.data, .body]))
    // In observe nothing is decided there that the MTA should wait for.
    #expect(wanted.answered == [.recipient, .body])
    #expect(
      try negotiation(all, "[two]\nmode = enforce").answered == [.recipient, .data, .body])
    #expect(wanted.actions == [.quarantine, .deleteRecipients, .replaceBody])
    #expect(try negotiation(all, "[two]\nmode = off").answered == [.recipient])
  }

  @Test func macrosAreWishedFor() throws {
    let macros = try negotiation([], "").macros
    #expect(macros[.connect]?.contains("{daemon_port}") == true)
    #expect(macros[.sender]?.contains("{auth_authen}") == true)
    #expect(macros[.recipient]?.contains("{rcpt_mailer}") == true)
    #expect(macros[.endOfMessage] == ["i"])
  }

  @Test func allModulesThatCannotBeSetUpAreNamed() throws {
    do {
      _ = try Site(
        "[one]\npath = bad\nmode = off\n[two]\npath = bad", modules: [Painter.self, Needy.self])
      Issue.record("set up all the same")
    } catch let error as SetupFaults {
      #expect(error.faults.map(\.option) == ["one.path", nil])
      #expect(error.faults.map(\.message) == ["no such file", "does not work here"])
    }
  }

  @Test func modulesWithoutPolicyAlwaysRun() throws {
    let pipeline = try Site().pipeline
    #expect(pipeline.modules.map(\.name) == ["network", "quarantine", "allow"])
    #expect(pipeline.modules.allSatisfy { !$0.isPolicy })
    #expect(pipeline.modules.allSatisfy { $0.mode == .enforce })
  }

  @Test func modesAndKeysOfEverySection() throws {
    let modules = try Site(
      "[one]\nmode = enforce\nonly_to = a@x.org\non_error = tempfail\n[two]\n[three]\nmode = off",
      modules: [Painter.self, Needy.self, Reader.self]
    ).pipeline.modules
    #expect(modules.map(\.name) == ["one", "two"])
    #expect(modules.map(\.mode) == [.enforce, .observe])
    #expect(modules.map(\.onError) == [.tempfail, .skip])
    #expect(modules.map(\.onlyTo.items) == [["a@x.org"], []])
    #expect(modules.map(\.stages) == [[.header], [.body, .data]])
    #expect(modules.map(\.summary) == ["Plain", "Plain"])
  }

  /// Remembers how messages ended.
  @Test func finishedIsToldTheFate() throws {
    for (script, word) in [
      ("rcpt = refuse", "reject"), ("data = refuse", "reject"), ("eom = defer", "tempfail"),
      ("eom = discard", "discard"), ("eom = hold", "hold"), ("rcpt = proceed", "accept"),
    ] {
      let result = try Conversation().from().to()
        .run("[one]\nmode = enforce\n\(script)", modules: [OneWithData.self, Witness.self])
      #expect(result.log.filter { $0[.module] == "witness" }.map { $0[.verdict] } == [word])
    }
    let aborted = try Conversation().from().to().abort()
      .run("[one]", modules: [OneWithData.self, Witness.self])
    #expect(
      aborted.log.filter { $0[.module] == "witness" }.map { $0[.verdict] } == ["abandoned"])
  }

  struct Witness: PolicyModule {
    struct Options: Section {
      static let name = "witness"
      static let summary = "Tells what it saw"
    }
    let services: Services
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
      self.services = services
    }
    func makeSession() -> Session { Session(services: services) }
    final class Session: FinishedStage {
      let services: Services
      init(services: Services) { self.services = services }
      func finished(_ ending: TransactionRecord.Ending, _ t: Transaction) {
        services.log.info("seen", metadata: ["module": "witness", "verdict": "\(ending.word)"])
      }
    }
  }
}
