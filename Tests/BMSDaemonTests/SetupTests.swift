// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

@testable import BMSDaemon
import Environment
import Configuration
import DNS
import Policy
import TestSupport
import Testing

/// A file, read and proved as `bmsd check` does.
@Suite struct SetupTests {
  static func setup(
    _ text: String, modules: [any PolicyModule.Type] = Site.realPipeline,
    files: [String: String] = [:]
  ) -> Setup {
    var files = files
    files["/etc/mail/bms.conf"] = text
    let source = FakeFiles(files)
    return Setup(path: "/etc/mail/bms.conf", files: source, modules: modules) { _ in
      .fake(files: files)
    }
  }

  @Test func goodFile() {
    let setup = Self.setup("[helo]\nmode = enforce\n")
    #expect(setup.faults == [])
    #expect(setup.pipeline?.modules.map(\.name) == ["network", "quarantine", "allow", "helo"])
    #expect(setup.configuration.name == "/etc/mail/bms.conf")
  }

  @Test func emptyFileIsUsable() {
    #expect(Self.setup("").pipeline?.modules.map(\.name) == ["network", "quarantine", "allow"])
  }

  @Test func missingFile() {
    let setup = Setup(path: "/nowhere", files: FakeFiles()) { _ in .fake() }
    #expect(
      setup.faults.map(\.description) == ["/nowhere: cannot be read: No such file or directory"])
    #expect(setup.pipeline == nil)
  }

  @Test func faultsOfTheFileHaveTheirLine() {
    let setup = Self.setup("[helo]\nreject_numerik = yes\nrequire = perhaps\n[hello]\nx = y\n")
    #expect(setup.pipeline == nil)
    #expect(setup.faults.map(\.line) == [2, 3, 4])
    #expect(setup.faults.allSatisfy { $0.file == "/etc/mail/bms.conf" })
    #expect(setup.faults.first?.message.contains("reject_numeric") == true)
    #expect(setup.faults.last?.message.contains("[helo]") == true)
  }

  @Test func warningsDoNotStop() {
    let setup = Self.setup("[dkim]\nsign = no\n[helo]\n")
    #expect(setup.faults.map(\.severity) == [.warning])
    #expect(setup.pipeline != nil)
  }

  @Test func faultsOfModulesHaveTheirLine() {
    let setup = Self.faultySetup("[faulty]\nmode = observe\nfile = missing\n")
    #expect(
      setup.faults.map(\.description) == [
        "/etc/mail/bms.conf:3: faulty.file: No such file or directory"
      ])
    #expect(setup.pipeline == nil)
  }

  @Test(
    "a trust anchor that is none",
    arguments: [
      ("dnssec = validate", ["2: dns.dnssec: the trust anchor /usr/share/dns/root.key: No such"]),
      (
        "dnssec = validate\ntrust_anchor = /empty",
        ["3: dns.trust_anchor: the trust anchor /empty: it has no DS and no DNSKEY record"]
      ),
      ("dnssec = validate\ntrust_anchor = /key", []), ("trust_anchor = /nowhere", []),
    ] as [(String, [String])])
  func trustAnchors(_ options: String, _ expected: [String]) {
    let setup = Self.setup(
      "[dns]\n\(options)\n", files: ["/empty": "\n", "/key": ". IN DS 20326 8 2 E06D\n"])
    let said = setup.faults.map { $0.description.replacing("/etc/mail/bms.conf:", with: "") }
    #expect(said.count == expected.count)
    #expect(zip(said, expected).allSatisfy { $0.hasPrefix($1) }, "\(said)")
    #expect((setup.pipeline == nil) == !expected.isEmpty)
  }

  @Test("no question waits longer than a message may")
  func dnsTimeouts() {
    let settings = Configuration(
      text: "[dns]\ntimeout = 20s\ndeadline = 3s\n", sections: [DNSOptions.self]
    ).settings(DNSOptions.self)
    #expect(UnboundOptions(settings).timeout == .seconds(3))
  }

  @Test(
    "words of the access map that need more",
    arguments: [
      ("SPF-Fail: BAN", "", "/access:1: BAN only refuses"),
      ("SPF-Fail: BAN", "[banned_ips]\nmode = observe\n", "/access:1: BAN only refuses"),
      ("SPF-Fail: OK\nSPF-None: DSN", "", "DSN at /access:2) are only greylisted"),
      ("SPF-Fail: MAYBE", "", "/access:1: \"MAYBE\" is no word"),
      (
        "", "[store]\n[greylist]\nmode = enforce\n",
        "(CBV, DSN: softfail, no credentials) are only greylisted until bmsd can call back"
      ),
    ])
  func wordsOfTheMap(_ map: String, _ more: String, _ sentence: String) {
    let setup = Self.setup(
      "[spf]\nmode = enforce\naccess_file = /access\n\(more)", files: ["/access": map + "\n"])
    let said = setup.faults.filter { $0.severity == .warning }.map(\.description)
    #expect(said.contains { $0.contains(sentence) }, "\(setup.faults)")
  }

  @Test func modulesThatAreOffAreProvedToo() {
    #expect(Self.faultySetup("[faulty]\nmode = off\nfile = missing\n").pipeline == nil)
  }

  @Test func allFaultsComeInOneRun() {
    let setup = Self.faultySetup(
      "[milter]\nsocket_group = no-such-group\n[faulty]\nfile = missing\nmode = strict\n")
    #expect(setup.faults.count == 3)
    #expect(Set(setup.faults.map(\.line)) == [2, 4, 5])
  }

  private static func faultySetup(_ text: String) -> Setup {
    let source = FakeFiles(["bms.conf": text])
    let configuration = Configuration(
      text: text, name: "/etc/mail/bms.conf", sections: sections + [Faulty.Options.self],
      read: { try source.read($0) })
    return Setup(
      configuration, services: .fake(), references: nil,
      modules: Site.realPipeline + [Faulty.self])
  }

  /// A module that needs a file.
  struct Faulty: PolicyModule {
    struct Options: PolicySection {
      static let name = "faulty"
      static let summary = "Needs a file"
      let file = ConfigOption("file", default: "", help: "A file.")
    }
    init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
      guard settings.file != "" else { return }
      do { _ = try services.files.read(settings.file) } catch {
        throw SetupError(option: "faulty.file", "\(error)")
      }
    }
    func makeSession() -> Session { Session() }
    final class Session: SenderStage {
      func sender(_ t: Transaction) -> Verdict { .proceed }
    }
  }

  // MARK: the shipped documents

  @Test func tableIsSound() {
    #expect(OptionTable(sections, coming: comingSections).faults == [])
  }

  @Test func servedSectionsAreNotComing() {
    let served = Set(sections.map { $0.name })
    #expect(comingSections.filter { $0.keys.isEmpty && served.contains($0.name) } == [])
  }

  @Test func everyModuleHasItsSection() {
    #expect(pipelineNames.allSatisfy { name in sections.contains { $0.name == name } })
    #expect(Set(pipelineNames).count == pipelineNames.count)
  }
}
