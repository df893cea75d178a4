// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Configuration
import Environment
import Greylisting
import Logging
import Mail
import Milter
import Policies
import Policy
import Store
import Synchronization
import TestSupport
import Testing

/// Provides what SPF will: the authenticated domain of the sender.
struct FakeOrigin: PolicyModule {
  struct Options: Section {
    static let name = "fake_origin"
    static let summary = "A domain that answers for the mail"
    let domain = ConfigOption("domain", default: "", help: "The domain.")
    init() {}
  }
  static var provides: [any Fact.Type] { [OriginFact.self] }
  let domain: String
  init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    domain = settings.domain
  }
  func makeSession() -> Session { Session(domain: domain) }
  final class Session: SenderStage {
    let domain: String
    init(domain: String) { self.domain = domain }
    func sender(_ t: Transaction) -> Verdict {
      if !domain.isEmpty { t[OriginFact.self] = domain }
      return .proceed
    }
  }
}

/// A database in trouble, and what it was asked.
final class BrokenStore: TripletStore {
  let limits = Mutex<[Duration]>([])
  func see(
    _ triplet: Triplet, at now: Int64, by rule: TripletRule, learnOnly: Bool,
    within limit: Duration
  ) throws -> TripletAnswer {
    limits.withLock { $0.append(limit) }
    throw StoreTrouble.busy
  }
}

/// One site with its greylist.
struct GreylistSite {
  static let modules: [any PolicyModule.Type] = [
    ConnectionClass.self, FakeOrigin.self, Greylist.self,
  ]
  let folder: TemporaryFolder
  let time = FakeTime()
  let trail = MemoryTrail(capacity: 100)
  let pipeline: PolicyPipeline
  let store: StateStore

  init(
    _ options: String = "mode = enforce", extra: String = "", triplets: (any TripletStore)? = nil
  )
    throws
  {
    folder = try TemporaryFolder()
    store = try StateStore(path: folder.path("bms.db"), time: time)
    let text = "\(extra)\n[greylist]\n\(options)\n"
    let configuration = Configuration.load(
      path: "bms.conf",
      sections: [
        NetworkOptions.self, LogOptions.self, FakeOrigin.Options.self, GreylistOptions.self,
      ],
      read: { _ in Array(text.utf8) })
    #expect(configuration.faults.isEmpty, "\(configuration.faults)")
    var services = Services(
      time: time, random: FakeRandom(), files: FakeFiles(), trail: trail,
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    services.triplets = triplets ?? store
    pipeline = try PolicyPipeline(Self.modules, configuration, services)
  }

  /// Sends one mail; returns the replies to its recipients and to DATA, nil where it went well.
  func send(
    from sender: MailText = "<a@example.com>", to recipients: [MailText] = ["<b@local.test>"],
    client: String = "192.0.2.7", macros: [String: MailText] = [:]
  ) -> [String?] {
    let runner = Runner(pipeline)
    let address =
      IPAddress(client).map { Peer.Address.inet($0, port: 25_000) } ?? .unix(path: "/run/x")
    _ = runner.connect(Peer(hostName: "mail.example.com", address: address), Macros(macros))
    _ = runner.hello("mail.example.com")
    _ = runner.sender([sender], Macros(macros))
    var replies = recipients.map { reply(runner.recipient([$0], Macros())) }
    if replies.contains(nil) {
      replies.append(reply(runner.data(Macros())))
      if replies.last == .some(nil) { _ = runner.endOfMessage(Macros()) { _ in true } }
    }
    runner.close()
    return replies
  }

  private func reply(_ answer: MilterReply) -> String? {
    guard case .refuse(let reply) = answer else { return nil }
    return reply.description
  }

  /// What the greylist said of the last mail: `effect word code`.
  var last: [String] {
    (trail.records.last?.decisions ?? []).filter { $0.module == "greylist" }.map {
      "\($0.effect.rawValue) \($0.verdict.word) \($0.verdict.reason?.code ?? $0.note ?? "")"
    }
  }
}

struct GreylistTests {
  @Test func defersAMessageAtDataUntilItsTime() throws {
    let site = try GreylistSite()
    let first = site.send(to: ["<b@local.test>", "<c@local.test>"])
    #expect(first.prefix(2) == [nil, nil])
    let reply = try #require(first.last ?? nil)
    #expect(reply.hasPrefix("451 4.7.1 Greylisted, please try again in 5 minutes (ref "))
    #expect(site.last == ["enforced tempfail new-triplet"])
    #expect(site.trail.records.last?.ending.word == "tempfail")
    site.time.advance(by: .seconds(250))
    #expect((site.send().last ?? nil)?.contains("in 1 minute (ref") == true)
    #expect(site.last == ["enforced tempfail early-retry"])
    site.time.advance(by: .seconds(50))
    #expect(site.send() == [nil, nil])
    // Other recipients, another host of the network, other digits: the same mail.
    #expect(site.send(to: ["<d@local.test>"], client: "192.0.2.99") == [nil, nil])
    #expect(site.last == ["enforced proceed known: 2 mails of 192.0.2.0/24"])
    #expect(site.send(client: "198.51.100.1").last != .some(nil))
  }

  @Test func everyReasonIsReached() throws {
    let site = try GreylistSite()
    var codes: Set<String> = []
    for _ in 0..<2 {
      _ = site.send()
      codes.formUnion(
        site.trail.records.last?.decisions.compactMap(\.verdict.reason?.code) ?? [])
    }
    #expect(codes == Set(Greylist.Code.allCases.map(\.rawValue)))
  }

  @Test func defersEachRecipientWhereTheyCount() throws {
    let site = try GreylistSite("mode = enforce\nscope = recipient")
    #expect(site.send().count == 1)
    site.time.advance(by: .seconds(300))
    let replies = site.send(to: ["<b@local.test>", "<c@local.test>"])
    #expect(replies.map { $0 == nil } == [true, false, true])
  }

  @Test func asksForDataOnlyWhereItDecides() throws {
    let message = try GreylistSite().pipeline.negotiation
    #expect(message.answered.contains(.data))
    let recipient = try GreylistSite("mode = enforce\nscope = recipient").pipeline.negotiation
    #expect(!recipient.steps.contains(.data))
    #expect(!recipient.answered.contains(.data))
    let observed = try GreylistSite("mode = observe").pipeline.negotiation
    #expect(observed.steps.contains(.data))
    #expect(!observed.answered.contains(.data))
  }

  @Test func learnsWhileItObserves() throws {
    let site = try GreylistSite("mode = observe")
    #expect(site.send() == [nil, nil])
    #expect(site.last == ["observed tempfail new-triplet"])
    #expect(site.send() == [nil, nil])
    #expect(site.last == ["enforced proceed known: 2 mails of 192.0.2.0/24"])
  }

  @Test func learnsWhatOnlyToLeavesOut() throws {
    let site = try GreylistSite("mode = enforce\nscope = recipient\nonly_to = b@local.test")
    #expect(site.send(to: ["<x@local.test>"]) == [nil, nil])
    #expect(site.last == ["only-to tempfail new-triplet"])
    #expect(site.send(to: ["<x@local.test>"]) == [nil, nil])
    #expect(site.last == ["enforced proceed known: 2 mails of 192.0.2.0/24"])
    #expect(site.send().count == 1)
  }

  @Test func neverKeepsPostmasterWaiting() throws {
    let site = try GreylistSite()
    #expect(site.send(to: ["<postmaster@local.test>"]) == [nil, nil])
    #expect(site.last == ["always-accept tempfail new-triplet"])
  }

  @Test func knowsADomainBetterThanANetwork() throws {
    let site = try GreylistSite(extra: "[fake_origin]\ndomain = Mailer.Example")
    _ = site.send(client: "192.0.2.1")
    site.time.advance(by: .seconds(300))
    #expect(site.send(client: "2001:db8::1") == [nil, nil])
    #expect(site.last == ["enforced proceed known: 1 mails of mailer.example"])
  }

  @Test func letsAKnownOriginThrough() throws {
    let site = try GreylistSite("mode = enforce\nauto_pass = 2\nfold = no")
    for number in 1...2 {
      _ = site.send(from: MailText("<a\(number)@example.com>"))
    }
    site.time.advance(by: .seconds(300))
    for number in 1...2 {
      #expect(site.send(from: MailText("<a\(number)@example.com>")) == [nil, nil])
    }
    #expect(site.send(from: "<a3@example.com>") == [nil, nil])
    #expect(site.last == ["enforced proceed origin 192.0.2.0/24 is known"])
  }

  @Test(arguments: [
    ("null sender", "", "<>", "192.0.2.7", "<b@local.test>"),
    ("internal", "", "<a@b.c>", "127.0.0.1", "<b@local.test>"),
    ("internal", "", "<a@b.c>", "unix", "<b@local.test>"),
    ("client in skip", "skip = 192.0.2.0/28", "<a@b.c>", "192.0.2.7", "<b@local.test>"),
    ("sender in skip_from", "skip_from = @B.c", "<a@b.c>", "192.0.2.7", "<b@local.test>"),
    ("recipient in skip_to", "skip_to = b@", "<a@b.c>", "192.0.2.7", "<B@local.test>"),
  ])
  func exempts(
    _ why: String, _ option: String, _ sender: String, _ client: String, _ recipient: String
  ) throws {
    let site = try GreylistSite("mode = enforce\n\(option)")
    #expect(
      site.send(from: MailText(sender), to: [MailText(recipient)], client: client) == [nil, nil])
    #expect(site.last.first?.contains(why) == true, "\(site.last)")
    #expect(try site.store.countTriplets(TripletFilter()) == 0)
  }

  @Test func exemptsTrustedRelaysAndUsers() throws {
    let site = try GreylistSite(extra: "[network]\ntrusted_relay = 192.0.2.7")
    #expect(site.send() == [nil, nil])
    #expect(site.send(client: "198.51.100.1", macros: ["{auth_authen}": "jo"]) == [nil, nil])
    #expect(site.send(client: "198.51.100.1", macros: ["{daemon_port}": "587"]) == [nil, nil])
    #expect(try site.store.countTriplets(TripletFilter()) == 0)
  }

  @Test func skipToNeedsAllRecipientsOfAMessage() throws {
    let site = try GreylistSite("mode = enforce\nskip_to = b@local.test")
    #expect(site.send(to: ["<b@local.test>", "<c@local.test>"]).last != .some(nil))
  }

  @Test func aDatabaseInTroubleDelaysNothing() throws {
    let broken = BrokenStore()
    let site = try GreylistSite(triplets: broken)
    #expect(site.send() == [nil, nil])
    #expect(broken.limits.withLock { $0 } == [.seconds(2)])
    let strict = try GreylistSite("mode = enforce\non_error = tempfail", triplets: broken)
    #expect((strict.send().last ?? nil)?.hasPrefix("451 4.3.0") == true)
  }

  @Test func takesHostileAddresses() throws {
    let site = try GreylistSite("mode = enforce\nscope = recipient")
    let long = MailText(Array(repeating: 0xE9, count: 10_240))
    for address in [long, "<\"a\nb'c\"@x>", "<@>", "", "<a@>", "<SRS1===@x>"] as [MailText] {
      _ = site.send(from: address, to: [address])
      site.time.advance(by: .seconds(300))
      #expect(site.send(from: address, to: [address]).contains(nil))
    }
  }

  @Test func keepsUpWithManyRecipients() throws {
    let site = try GreylistSite()
    let many = (0..<10_000).map { MailText("<u\($0)@local.test>") }
    #expect(site.send(to: many).filter { $0 != nil }.count == 1)
    #expect(try site.store.countTriplets(TripletFilter()) == 1)
  }

  @Test func refusesTimesThatLetNothingThrough() throws {
    let fault = #expect(throws: SetupFaults.self) { try GreylistSite("time = 3h\nexpire = 2h") }
    #expect(fault?.faults.first?.option == "greylist.expire")
  }
}
