// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Access
internal import Addressing
package import Configuration
internal import Mail
internal import Milter
package import Policy

/// Whether the sender's domain is one of `internal_domains`. Set at MAIL.
package enum InternalSenderFact: Fact {
  package typealias Value = Bool
}

/// Who may use which sender: our own clients and users our domains, and everybody what the access
/// map says.
///
/// Before SPF, because it needs no DNS. That a stranger uses one of our domains is no fault here:
/// where the domain has an SPF record, SPF decides, else [spf] refuses it.
package struct SenderRules: PolicyModule {
  package struct Options: PolicySection {
    package static let name = "sender"
    package static let summary = "Refuse senders that a client or user may not use"
    package static var shippedMode: Mode? { .observe }

    package let internalDomains = ConfigOption(
      "internal_domains", default: [] as TextList, formerly: ["milter.internal_domains"],
      help: """
        Our domains, as example.org, or *.example.org for all below it. A client of ours that is \
        not authenticated may use no others as sender, and strangers none of these unless SPF \
        says so.
        """)
    package let internalMTA = ConfigOption(
      "internal_mta", default: [] as Networks, formerly: ["milter.internal_mta"],
      help: """
        Clients of ours that are mail servers: when there are any, no other client of ours may \
        send bounces (from <>).
        """)
    package let internalPolicy = ConfigOption(
      "internal_policy", default: false, formerly: ["scrub.internal_policy"],
      help: "Ask the access map for SPF-Pass also for the senders of our own clients.")

    package init() {}
  }

  /// Why mail is refused or let in.
  package enum Code: String, ReasonCode {
    case foreignSender = "foreign-sender"
    case notAnMTA = "not-an-mta"
    case userNotAllowed = "user-not-allowed"
    case refusedByMap = "refused-by-map"
    case acceptedByMap = "accepted-by-map"
    case discardedByMap = "discarded-by-map"

    package var sentence: String {
      switch self {
      case .foreignSender:
        "A client of ours sent from a domain that is not ours, {detail}: it may be taken over."
      case .notAnMTA: "A client of ours that is no mail server sent a bounce: {detail}."
      case .userNotAllowed: "The user may not send from this address by the access map: {detail}."
      case .refusedByMap: "The access map refuses it: {detail}."
      case .acceptedByMap: "The access map lets it in: {detail}."
      case .discardedByMap: "The access map drops it: {detail}."
      }
    }
  }

  package static var reasons: [String: String] { Code.sentences }
  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var provides: [any Fact.Type] { [InternalSenderFact.self] }

  let domains: DomainPatterns
  let mailServers: Networks
  let asksForInternal: Bool
  let access: AccessMap?

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    domains = try DomainPatterns(settings.internalDomains, option: "sender.internal_domains")
    mailServers = settings.internalMTA
    asksForInternal = settings.internalPolicy
    access = services.access
  }

  package var idleStages: Set<Stage> { access == nil ? [.connect, .recipient] : [] }
  package func makeSession() -> Session { Session(module: self) }

  package final class Session: ConnectStage, SenderStage, RecipientStage {
    let module: SenderRules
    init(module: SenderRules) { self.module = module }

    package func connect(_ t: Transaction) -> Verdict {
      guard let access = module.access, let ip = t.peer.ip,
        let client = t[ClientClassFact.self], !client.isOurs
      else { return .proceed }
      let name = client.reverseName == .absent ? nil : t.peer.hostName
      let hit = access.client(address: ip.description, name: name)
      // Sendmail's OK without a tag is about its own checks; `Connect:` says that the client is meant.
      if let hit, hit.value == .ok, !hit.key.bytes.starts(with: "connect:".utf8) {
        t.note("\(hit.key) OK")
        return .proceed
      }
      return module.verdict(hit, t)
    }

    package func sender(_ t: Transaction) -> Verdict {
      guard let sender = t.sender?.mailbox else { return .proceed }
      let isInternal = sender.domain.map { module.domains.contains($0) } ?? false
      t[InternalSenderFact.self] = isInternal
      guard let client = t[ClientClassFact.self], client.isInternal else {
        return module.verdict(onStranger: sender, t)
      }
      return module.verdict(onOurs: client, sender, isInternal, t)
    }

    package func recipient(_ recipient: Recipient, _ t: Transaction) -> Verdict {
      guard let client = t[ClientClassFact.self], !client.isOurs else { return .proceed }
      let verdict = module.verdict(module.access?.mailbox("To", recipient.mailbox), t)
      // To whom mail may go says nothing of from whom.
      if case .accept = verdict { return .proceed }
      return verdict
    }
  }

  /// The map's word on a stranger's sender. OK ends the search for broader keys and nothing else, as
  /// by Sendmail: anybody can write any sender, and who may use this one SPF says.
  private func verdict(onStranger sender: Mailbox, _ t: Transaction) -> Verdict {
    guard let hit = access?.mailbox("From", sender) else { return .proceed }
    guard hit.value != .ok else {
      t.note("\(hit.key) OK")
      return .proceed
    }
    return verdict(hit, t)
  }

  // MARK: ours

  private func verdict(
    onOurs client: ClientClass, _ sender: Mailbox, _ isInternal: Bool, _ t: Transaction
  ) -> Verdict {
    if sender.isNull { return verdict(onBounceFrom: client, t) }
    if let user = t.authentication?.user, client.isAuthenticated {
      let verdict = verdict(onUser: user, sender, t)
      if verdict != .proceed { return verdict }
    } else if !client.isTrusted, !client.isLoopback, !domains.isEmpty, !isInternal {
      let domain = sender.domain ?? "(none)"
      return .refuse(
        .permanent(
          7, 1, "You may not use this sender: \(domain) is no domain of ours",
          "Your computer is badly configured, or taken over by criminals"),
        reason(.foreignSender, "\(domain)", "sender.internal_domains"))
    }
    guard asksForInternal, let hit = access?.policy("SPF-Pass", sender.address) else {
      return .proceed
    }
    return verdict(hit, t)
  }

  private func verdict(onBounceFrom client: ClientClass, _ t: Transaction) -> Verdict {
    guard !mailServers.isEmpty, !client.isLoopback, let ip = t.peer.ip,
      !mailServers.contains(ip)
    else { return .proceed }
    return .refuse(
      .permanent(
        7, 1, "Your computer sends a bounce, but is not a mail server",
        "Use a mail program that asks for return receipts as the standards say"),
      reason(.notAnMTA, "\(ip)", "sender.internal_mta"))
  }

  /// The map's word on `user@DOMAIN`, DOMAIN being the sender's.
  private func verdict(onUser user: MailText, _ sender: Mailbox, _ t: Transaction) -> Verdict {
    let domain = sender.domain ?? Self.noDomain
    // Some MTAs give the user's whole address.
    let isWhole = user.lowercased.bytes.reversed().starts(
      with: ([UInt8(ascii: "@")] + domain.lowercased.bytes).reversed())
    let identity =
      isWhole ? user : MailText(user.bytes + [UInt8(ascii: "@")] + domain.bytes)
    guard let hit = access?.policy("SMTP-Auth", identity) else { return .proceed }
    switch hit.value {
    case .ok, .skip: return .proceed
    case .whitelist: return .accept(reason(.acceptedByMap, "\(hit.key)", "spf.access_file"))
    case .observe:
      t.note("\(hit.key) OBSERVE")
      return .proceed
    case .error(let reply): return .refuse(SMTPReply(reply), reason(.userNotAllowed, hit))
    case .tempfail:
      return .refuse(.transient(7, 1, "Please try again later"), reason(.userNotAllowed, hit))
    case .cbv, .dsn, .reject, .ban, .discard, .unknown:
      return .refuse(
        .permanent(7, 1, "SMTP user \(user) may not use \(sender) as sender"),
        reason(.userNotAllowed, hit))
    }
  }

  /// What a sender without a domain is taken to be of, as by the ancestor's SPF milter.
  private static let noDomain: MailText = "localhost.localdomain"

  // MARK: the map

  private func verdict(_ hit: AccessHit?, _ t: Transaction) -> Verdict {
    guard let hit else { return .proceed }
    switch hit.value {
    case .skip: return .proceed
    case .ok, .whitelist: return .accept(reason(.acceptedByMap, hit))
    case .cbv, .dsn, .observe:
      t.note("\(hit.key) \(hit.value.word)")
      return .proceed
    case .discard: return .discard(reason(.discardedByMap, hit))
    case .tempfail:
      return .refuse(.transient(7, 1, "Please try again later"), reason(.refusedByMap, hit))
    case .error(let reply): return .refuse(SMTPReply(reply), reason(.refusedByMap, hit))
    case .ban:
      t.ban(because: "\(hit.key) BAN")
      return .refuse(.permanent(7, 1, "Access denied"), reason(.refusedByMap, hit))
    case .reject, .unknown:
      return .refuse(.permanent(7, 1, "Access denied"), reason(.refusedByMap, hit))
    }
  }

  private func reason(_ code: Code, _ hit: AccessHit) -> Reason {
    reason(code, "\(hit.key) \(hit.value.word)", "spf.access_file")
  }

  private func reason(_ code: Code, _ detail: String, _ option: String) -> Reason {
    Reason(module: Options.name, code: code.rawValue, detail: detail, option: option)
  }
}

extension SMTPReply {
  /// The administrator's own reply.
  init(_ reply: AccessReply) {
    self.init(
      reply.code < 500 ? .transient : .permanent, reply.code % 100, reply.subject, reply.detail,
      [reply.text])
  }
}

extension ClientClass {
  /// Ours, a relay we trust, or this machine: whom rules for strangers do not concern.
  package var isOurs: Bool { isInternal || isTrusted || isLoopback }
}
