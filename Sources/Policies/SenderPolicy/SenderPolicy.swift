// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Access
internal import Addressing
package import Configuration
internal import DNS
package import Environment
package import Mail
package import Milter
package import Policy
internal import SPF

/// Refuses forged senders by SPF, and greylists or refuses those that show nothing at all.
///
/// Only for strangers: for ours and trusted relays SPF says nothing. Mail of a trusted relay is
/// judged at its end, by the client that the Received fields name. Runs also for clients that an
/// earlier module lets in, since later modules and Authentication-Results want the result; it then
/// refuses nothing.
///
/// A class: each message's judgement goes by all that it holds, and a copy would cost more than some
/// of the steps.
package final class SenderPolicy: PolicyModule {
  package typealias Options = SPFOptions

  /// Why mail is refused or let in.
  package enum Code: String, ReasonCode {
    case fail = "spf-fail"
    case softfail = "spf-softfail"
    case neutral = "spf-neutral"
    case pass = "spf-pass"
    case permerror = "spf-permerror"
    case temperror = "spf-temperror"
    case helo = "helo-spf"
    case self_ = "spam-from-self"
    case noCredentials = "no-credentials"
    case forwarder = "trusted-forwarder"

    package var sentence: String {
      switch self {
      case .fail: "SPF: the sender's domain says that this client may not send for it ({detail})."
      case .softfail:
        "SPF: the sender's domain says that this client probably may not send for it ({detail})."
      case .neutral:
        "SPF: the sender's domain does not say that this client may send for it ({detail})."
      case .pass: "SPF authorises the client, but the access map refuses the domain ({detail})."
      case .permerror: "The SPF record of the sender's domain is faulty ({detail})."
      case .temperror: "DNS did not answer about SPF of the sender's domain ({detail})."
      case .helo: "SPF: the client may not use its HELO name ({detail})."
      case .self_:
        "A stranger used a domain of ours, which has no SPF record that allows it ({detail})."
      case .noCredentials:
        "The sender has nothing to show: no PTR name of its own, no SPF record, no HELO name that "
          + "SPF passes ({detail})."
      case .forwarder: "The client forwards for a trusted forwarder ({detail})."
      }
    }
  }

  package static var reasons: [String: String] { Code.sentences }
  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var reads: [any Fact.Type] { [InternalSenderFact.self] }
  package static var provides: [any Fact.Type] {
    [
      SPFFact.self, OriginFact.self, CallBackFact.self, ProvenDomainsFact.self, ResultsFact.self,
    ]
  }
  package static var edits: Actions { .addHeaders }
  package static var isForStrangersOnly: Bool { true }
  package static var informs: Bool { true }

  let defaults: SenderDefaults
  let evaluator: SenderEvaluator
  let access: AccessMap?
  let time: any TimeSource
  /// How long DNS may take for one message.
  let limit: Duration
  let moment: Options.Moment
  let guesses: Bool
  let addsReceivedSPF: Bool
  /// Whether relays bring mail whose header tells who sent it.
  let readsHeaders: Bool

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    defaults = SenderDefaults(
      rejectNoptr: settings.rejectNoptr,
      rejectNeutral: try DomainPatterns(settings.rejectNeutral, option: "spf.reject_neutral"),
      acceptSoftfail: try DomainPatterns(settings.acceptSoftfail, option: "spf.accept_softfail"),
      acceptFail: try DomainPatterns(settings.acceptFail, option: "spf.accept_fail"))
    evaluator = try SenderEvaluator(settings, services)
    limit = services.dnsLimit
    access = services.access
    time = services.time
    moment = settings.when
    guesses = settings.bestGuess
    addsReceivedSPF = settings.receivedSPF
    readsHeaders = services.hasTrustedRelays
  }

  package var idleStages: Set<Stage> {
    var idle: Set<Stage> = moment == .mail ? [.recipient] : [.sender]
    if !readsHeaders { idle.insert(.header) }
    if !readsHeaders, !addsReceivedSPF { idle.insert(.message) }
    return idle
  }
  package func makeSession() -> Session { Session(module: self) }

  package func refresh(by deadline: Deadline) {
    _ = access?.refresh()
    evaluator.refresh(by: deadline)
  }

  package func takeOver(from old: SenderPolicy) { evaluator.takeOver(from: old.evaluator) }

  package var standingFaults: [String] {
    let map = [access?.trouble].compactMap { $0 } + (access?.faults.prefix(3) ?? [])
    return map.map { "access map: \($0)" } + evaluator.standingFaults
  }

  package final class Session: SenderStage, RecipientStage, HeaderStage, MessageStage {
    let module: SenderPolicy
    init(module: SenderPolicy) { self.module = module }

    package func sender(_ t: Transaction) -> Verdict { module.verdict(t) }

    package func recipient(_ recipient: Recipient, _ t: Transaction) -> Verdict {
      // Once for a message: the result holds for every recipient.
      if let known = t[VerdictFact.self] { return known }
      let verdict = module.verdict(t)
      t[VerdictFact.self] = verdict
      return verdict
    }

    package func header(_ field: HeaderField, _ t: Transaction) -> Verdict {
      guard t[ClientClassFact.self]?.isTrusted == true, field.isNamed("Received") else {
        return .proceed
      }
      var trace = t[TraceFact.self] ?? []
      guard trace.count <= RelayTrace.maximumHops else { return .proceed }
      trace.append(field.rawValue)
      t[TraceFact.self] = trace
      return .proceed
    }

    package func message(_ t: Transaction) -> Verdict {
      let verdict = module.verdictOnRelayed(t)
      if module.addsReceivedSPF, let field = t[ReceivedSPFFact.self] {
        t.add(.insertHeader(index: 0, name: "Received-SPF", value: field))
      }
      return verdict
    }
  }

  /// What was decided at the first recipient.
  private enum VerdictFact: Fact { typealias Value = Verdict }
  /// The Received fields of mail of a trusted relay, the newest first.
  private enum TraceFact: Fact { typealias Value = [MailText] }
  /// The value of the Received-SPF field to be added.
  enum ReceivedSPFFact: Fact { typealias Value = MailText }

  // MARK: who sends

  private func verdict(_ t: Transaction) -> Verdict {
    guard let client = t[ClientClassFact.self], let ip = t.peer.ip else { return .proceed }
    if client.isOurs {
      t.note(client.words)
      return .proceed
    }
    if t.isFromOwnAddress {
      t.note("our own address")
      return .proceed
    }
    return judge(
      SenderClient(
        ip: ip, helo: t.hello ?? "", reverseName: client.reverseName, isRelayed: false),
      by: client.ownName, t)
  }

  /// The client that a trusted relay had the message from.
  private func verdictOnRelayed(_ t: Transaction) -> Verdict {
    guard let client = t[ClientClassFact.self], client.isTrusted else { return .proceed }
    let ours = t[OurNetworksFact.self]
    switch RelayTrace(t[TraceFact.self] ?? []).origin(isOurs: { ours?.contains($0) == true }).origin
    {
    case .client(let origin):
      t.note("relayed from \(origin.ip)")
      return judge(origin, by: client.ownName, t)
    case .user(let ip):
      t.note("relayed, submitted by a user from \(ip)")
      return .proceed
    case .ours:
      t.note("relayed, but from nobody else")
      return .proceed
    case .unreadable(let field):
      t.note("relayed, but from whom cannot be read: \(field)")
      return .proceed
    }
  }

  private func judge(
    _ client: SenderClient, by receiver: MailText?, _ t: Transaction
  ) -> Verdict {
    guard let sender = t.sender?.mailbox else { return .proceed }
    var check = SenderCheck(
      self, t, client, sender, of: receiver, by: t.deadline.limited(to: limit))
    return check.verdict()
  }
}

/// The client that a sender is judged by: the peer, or who sent to a trusted relay.
struct SenderClient: Equatable {
  var ip: IPAddress
  /// Empty without one.
  var helo: MailText
  var reverseName: ClientClass.ReverseName
  var isRelayed: Bool
}
