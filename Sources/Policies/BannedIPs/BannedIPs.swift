// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import Configuration
internal import Mail
internal import Milter
package import Policy
internal import Store

/// Refuses clients and senders that are banned, and bans those that misbehave.
///
/// Before everything else that refuses: a look-up in memory is the cheapest check there is. Ours,
/// trusted relays, this machine and `never` are neither refused nor banned; on submission ports
/// and for authenticated clients the runner does not ask at all.
package struct BannedIPs: PolicyModule {
  package struct Options: PolicySection {
    package static let name = "banned_ips"
    package static let summary = "Refuse banned clients, and ban those that misbehave"
    package static var shippedMode: Mode? { .observe }

    package let maxDemerits = ConfigOption(
      "max_demerits", default: 8, in: 0...1_000_000, shipped: 8, formerly: ["milter.max_demerits"],
      help: """
        How many demerits a client may collect on one connection; one more and it is banned. An \
        unknown recipient costs 1, a second HELO 2, our own name as HELO 4.
        """)
    package let banTime = ConfigOption(
      "ban_time", default: TimeSpan.days(1), in: .minutes(1) ... .days(3650),
      shipped: TimeSpan.days(1), unit: "d",
      help: """
        How long an earned ban lasts. An IPv6 client is banned with its /64, since it can take \
        any address of that. With only_to, as in observe, nobody is banned: a ban holds for all.
        """)
    package let never = ConfigOption(
      "never", default: [] as Networks,
      help: "Clients that are never banned, besides ours, trusted relays and this machine.")
    package let file = ConfigOption(
      "file", default: FilePath(""),
      help: """
        More bans: a file, or several by a glob such as /etc/mail/banned_ips*, with an address \
        or network a line; what begins with # is a comment. Read at start and at each reload. A \
        bad line costs that line only.
        """)
    package let emailProviders = ConfigOption(
      "email_providers",
      default: [
        "yahoo.com", "gmail.com", "aol.com", "hotmail.com", "me.com", "googlegroups.com",
        "att.net", "nokiamail.com",
      ] as TextList, formerly: ["milter.email_providers"],
      help: """
        Domains whose senders do not know each other: where any other domain would be banned, \
        only the mailbox is.
        """)

    package init() {}
  }

  /// Why mail is refused.
  package enum Code: String, ReasonCode {
    case client = "banned-client"
    case sender = "banned-sender"
    case file = "banned-by-file"
    case earned = "ban-earned"

    package var sentence: String {
      switch self {
      case .client: "The client's address is banned: {detail}."
      case .sender: "The sender's address or domain is banned: {detail}."
      case .file: "The client's address stands in a list of banned addresses: {detail}."
      case .earned: "The client has just earned a ban by what it did before: {detail}."
      }
    }
  }

  package static var reasons: [String: String] { Code.sentences }
  package static var remedy: Remedy { .unban }

  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var isForStrangersOnly: Bool { true }
  package static var needsStore: Bool { true }

  /// Whether earned bans hold: one under `only_to` would hold for everybody's mail.
  let makesBans: Bool
  let maximum: Int
  let banTime: Duration
  let never: Networks
  let file: BanFile
  let providers: Set<MailText>
  let bans: BanList?

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    makesBans = settings.mode == .enforce && settings.onlyTo.items.isEmpty
    maximum = settings.maxDemerits
    banTime = settings.banTime.duration
    never = settings.never
    file = BanFile(settings.file.path, services.files)
    providers = Set(settings.emailProviders.items.map { MailText($0).lowercased })
    bans = services.bans
  }

  package var warnings: [SetupError] {
    file.faults.map { SetupError(option: "banned_ips.file", $0) }
  }

  package func makeSession() -> Session { Session(module: self) }

  package final class Session: ConnectStage, SenderStage, RecipientStage, FinishedStage {
    let module: BannedIPs
    /// Whom this connection got banned, and why.
    private var earned: Earned?
    /// Unknown recipients of the message in hand that are counted already.
    private var counted = 0
    /// Demerits that only observe would have counted.
    private var observed = 0
    private var isHeld = false

    init(module: BannedIPs) { self.module = module }

    package func connect(_ t: Transaction) -> Verdict {
      guard let ip = module.stranger(t) else { return .proceed }
      let verdict = module.verdict(on: ip)
      isHeld = verdict != .proceed
      return verdict
    }

    package func sender(_ t: Transaction) -> Verdict {
      counted = 0
      guard let ip = module.stranger(t) else { return .proceed }
      // What CONNECT refused is held for the whole connection; another ban may be made since.
      let known = isHeld ? .proceed : module.verdict(on: ip)
      if known != .proceed { return known }
      let sender = module.verdict(onSender: t)
      return sender == .proceed ? judge(ip, t) : sender
    }

    package func recipient(_ recipient: Recipient, _ t: Transaction) -> Verdict {
      guard let ip = module.stranger(t) else { return .proceed }
      return judge(ip, t)
    }

    package func finished(_ ending: TransactionRecord.Ending, _ t: Transaction) {
      guard let ip = module.stranger(t) else { return }
      _ = judge(ip, t)
    }

    /// Counts, and bans who has earned it; from then on everything on this connection is refused.
    private func judge(_ ip: IPAddress, _ t: Transaction) -> Verdict {
      let unknown = max(0, t.unknownRecipients - counted)
      counted = t.unknownRecipients
      t.addDemerits(unknown)
      if !module.makesBans { observed += unknown }
      if earned == nil {
        earned = module.earned(ip, observed, t)
        // In observe and under only_to the demerits show what would happen; nobody is banned. It is
        // banned once only: a ban that is removed by hand meanwhile must not come back when the
        // client goes.
        if module.makesBans, let earned {
          module.bans?.ban(
            earned.party, for: module.banTime, reason: earned.reason, reference: "\(t.reference)")
        }
      }
      guard let earned else { return .proceed }
      return .refuse(
        .permanent(7, 1, "Too much misbehaviour, you are banned"),
        Reason(
          module: Options.name, code: Code.earned.rawValue,
          detail: "\(earned.party): \(earned.reason)", option: earned.option))
    }
  }

  struct Earned {
    var party: ListedParty
    var reason: String
    var option: String?
  }

  /// The address of a client that may be banned; nil for all others.
  private func stranger(_ t: Transaction) -> IPAddress? {
    guard let ip = t.peer.ip else { return nil }
    if let client = t[ClientClassFact.self],
      client.isInternal || client.isTrusted || client.isLoopback
    {
      t.note(client.words)
      return nil
    }
    if never.contains(ip) {
      t.note("banned_ips.never")
      return nil
    }
    if t.isFromOwnAddress {
      t.note("our own address")
      return nil
    }
    return ip
  }

  private func verdict(on ip: IPAddress) -> Verdict {
    if let line = file.line(covering: ip) {
      return refusal(.file, "\(line.network) (\(line.place))", option: "banned_ips.file")
    }
    guard let ban = bans?.ban(of: ip) else { return .proceed }
    return refusal(.client, Self.detail(ban), option: nil)
  }

  private func verdict(onSender t: Transaction) -> Verdict {
    guard let bans, let mailbox = t.sender?.mailbox else { return .proceed }
    let parties = [ListedParty(mailbox), mailbox.domain.flatMap { ListedParty(domain: $0) }]
    for party in parties {
      guard let party, let ban = bans.ban(of: party) else { continue }
      return .refuse(
        .permanent(7, 1, "This sender is banned"),
        Reason(module: Options.name, code: Code.sender.rawValue, detail: Self.detail(ban)))
    }
    return .proceed
  }

  private func refusal(_ code: Code, _ detail: String, option: String?) -> Verdict {
    .refuse(
      .permanent(7, 1, "You are banned for misbehaviour"),
      Reason(module: Options.name, code: code.rawValue, detail: detail, option: option))
  }

  private static func detail(_ ban: Ban) -> String {
    ban.reason.isEmpty ? "\(ban.party)" : "\(ban.party): \(ban.reason)"
  }

  /// What the connection has earned so far.
  private func earned(_ ip: IPAddress, _ observed: Int, _ t: Transaction) -> Earned? {
    if let reason = t[BanRequestFact.self] {
      return Earned(party: party(ip, t), reason: reason, option: nil)
    }
    let demerits = (t[DemeritsFact.self] ?? 0) + observed
    guard demerits > maximum else { return nil }
    return Earned(
      party: party(ip, t), reason: "\(demerits) demerits", option: "banned_ips.max_demerits")
  }

  /// Who is to blame: the sender's domain when that is proved, its mailbox when the domain is a
  /// provider of many, else the client's address.
  private func party(_ ip: IPAddress, _ t: Transaction) -> ListedParty {
    if let mailbox = t.sender?.mailbox, let domain = mailbox.domain?.lowercased,
      t[ProvenDomainsFact.self]?.contains(domain) == true
    {
      let party = providers.contains(domain) ? ListedParty(mailbox) : ListedParty(domain: domain)
      if let party { return party }
    }
    return .network(IPNetwork(ip, prefixLength: ip.isIPv4 ? 32 : 64))
  }
}
