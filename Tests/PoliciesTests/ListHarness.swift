// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Configuration
import Logging
import Mail
import Milter
import Policies
import Policy
import Store
import TestSupport
import Testing

/// A module that proves, refuses or asks for a ban as the sender's local part says.
struct Prover: PolicyModule {
  struct Options: PolicySection {
    static let name = "prover"
    static let summary = "For tests"
    init() {}
  }
  static var provides: [any Fact.Type] { [ProvenDomainsFact.self] }

  init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {}
  func makeSession() -> Session { Session() }

  final class Session: SenderStage {
    func sender(_ t: Transaction) -> Verdict {
      guard let mailbox = t.sender?.mailbox else { return .proceed }
      let word = mailbox.localPart.description
      if word.contains("proved"), let domain = mailbox.domain {
        t[ProvenDomainsFact.self] = [domain.lowercased]
      }
      if word.contains("bad") { t.addDemerits(9) }
      if word.contains("ban") { t.ban(because: "asked for") }
      guard word.contains("refused") else { return .proceed }
      return .refuse(.permanent(7, 1, "No"), Reason(module: "prover", code: "said"))
    }
  }
}

/// The lists with a database of their own, and connections through the runner.
final class ListHarness {
  let folder: TemporaryFolder
  let time = FakeTime()
  let trail = MemoryTrail(capacity: 100)
  let bans: BanList
  let allowed: AllowList
  let pipeline: PolicyPipeline

  init(_ text: String, files: [String: String] = [:]) throws {
    folder = try TemporaryFolder()
    let store = try StateStore(path: folder.path("bms.db"), time: time)
    bans = BanList(store)
    allowed = AllowList(store)
    let configuration = Configuration(
      text: "[prover]\nmode = enforce\n" + text,
      sections: [
        NetworkOptions.self, LogOptions.self, AllowListed.Options.self, BannedIPs.Options.self,
        Helo.Options.self, Prover.Options.self,
      ])
    try #require(configuration.faults.isEmpty, "\(configuration.faults)")
    var services = Services(
      time: time, random: FakeRandom(), files: FakeFiles(files), trail: trail,
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    services.bans = bans
    services.allowed = allowed
    pipeline = try PolicyPipeline(
      [ConnectionClass.self, AllowListed.self, BannedIPs.self, Helo.self, Prover.self],
      configuration, services)
  }

  func allow(
    _ text: String, skip: [String] = [], unauthenticated: Bool = false
  ) throws {
    let party = try #require(ListedParty(text))
    _ = allowed.put(
      AllowEntry(
        party, since: time.milliseconds, skip: skip, isUnauthenticated: unauthenticated))
  }

  func connect(
    _ ip: String = "192.0.2.1", helo: String = "client.example.com",
    macros: [String: MailText] = [:]
  ) throws -> Runner {
    let runner = Runner(pipeline)
    let address = try #require(IPAddress(ip))
    let macros = macros.merging(["j": "mx.example.net", "{daemon_port}": "25"]) { mine, _ in mine }
    _ = runner.connect(
      Peer(hostName: "client.example.com", address: .inet(address, port: 25_000)), Macros(macros))
    _ = runner.hello(MailText(helo))
    return runner
  }

  /// Sends one envelope and returns the answer to its last recipient.
  func mail(
    _ runner: Runner, _ sender: String = "a@example.com",
    to recipients: [String] = ["b@local.test"],
    unknown: Int = 0, user: MailText? = nil
  ) -> MilterReply {
    _ = runner.sender(
      [MailText("<\(sender)>")], Macros(user.map { ["{auth_authen}": $0] } ?? [:]))
    for _ in 0..<unknown {
      _ = runner.recipient(["<nobody@local.test>"], Macros(["{rcpt_mailer}": "error"]))
    }
    var reply = MilterReply.proceed
    for recipient in recipients { reply = runner.recipient([MailText("<\(recipient)>")], Macros()) }
    return reply
  }

  /// What became of one envelope on a connection of its own: the reason of what bit, else nil.
  func outcome(
    _ ip: String = "192.0.2.1", helo: String = "client.example.com",
    from sender: String = "a@example.com", unknown: Int = 0, user: MailText? = nil,
    macros: [String: MailText] = [:]
  ) throws -> String? {
    let runner = try connect(ip, helo: helo, macros: macros)
    let reply = mail(runner, sender, unknown: unknown, user: user)
    runner.close()
    let bit = trail.records.last?.decisions.last {
      $0.effect == .enforced && $0.verdict.reply != nil
    }
    #expect((reply != .proceed) == (bit != nil))
    return bit?.verdict.reason?.code
  }

  /// The decisions of one module on the last message.
  func decisions(of module: String) -> [Decision] {
    trail.records.last?.decisions.filter { $0.module == module } ?? []
  }
}
