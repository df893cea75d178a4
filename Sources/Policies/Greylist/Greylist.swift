// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Environment
internal import Greylisting
internal import Mail
internal import Milter
package import Policy

/// Where a mail comes from, more lasting than an address: the authenticated domain that answers for
/// it. Greylisting knows mail by it; without it, by the client's network.
package enum OriginFact: Fact {
  package typealias Value = String
}

/// Defers the first message of an unknown (origin, sender, recipient) triplet: programs that send
/// spam seldom try again.
///
/// With `scope = message` it decides at DATA about all recipients together, with `scope =
/// recipient` at RCPT about each. What it does not enforce it learns at once, since nobody is told
/// to come back. Internal clients, trusted relays and loopback never wait, and neither does the
/// null sender: a bounce or a call-back answers mail of ours.
package struct Greylist: PolicyModule {
  package typealias Options = GreylistOptions

  /// Why mail is deferred.
  package enum Code: String, ReasonCode {
    /// The triplet was not known, or came back too late.
    case newTriplet = "new-triplet"
    /// The triplet came back before its time.
    case earlyRetry = "early-retry"

    package var sentence: String {
      switch self {
      case .newTriplet:
        "Mail from this sender to this recipient was not seen from there before, or long ago "
          + "({detail}): it passes when it is sent again after a while."
      case .earlyRetry: "The mail was sent again before its time: {detail}."
      }
    }
  }

  package static var reasons: [String: String] { Code.sentences }
  package static var remedy: Remedy { .greylistPass }

  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var reads: [any Fact.Type] { [OriginFact.self, CallBackFact.self] }
  package static var isForStrangersOnly: Bool { true }
  package static var needsStore: Bool { true }

  /// A database that needs longer is in trouble; the command's own limit is far away then.
  private static let patience = Duration.seconds(2)

  let rule: TripletRule
  let keys: TripletKeys
  let scope: Options.Scope
  let skip: Networks
  let skipFrom: AddressSet
  let skipTo: AddressSet
  private let triplets: (any TripletStore)?
  private let time: any TimeSource

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    rule = TripletRule(settings)
    keys = TripletKeys(settings)
    scope = settings.scope
    skip = settings.skip
    skipFrom = settings.skipFrom
    skipTo = settings.skipTo
    triplets = services.triplets
    time = services.time
    guard rule.delay < rule.expire else {
      throw SetupError(
        option: "greylist.expire",
        "must be longer than time (\(settings.time.text)), or no retry could ever count")
    }
  }

  package var idleStages: Set<Stage> { scope == .message ? [.recipient] : [.data] }
  package func makeSession() -> Session { Session(module: self) }

  package final class Session: RecipientStage, DataStage {
    let module: Greylist
    init(module: Greylist) { self.module = module }

    package func recipient(_ recipient: Recipient, _ t: Transaction) throws -> Verdict {
      try module.verdict([recipient], t)
    }

    package func data(_ t: Transaction) throws -> Verdict {
      guard !t.recipients.isEmpty else { return .proceed }
      return try module.verdict(t.recipients, t)
    }
  }

  private func verdict(_ recipients: [Recipient], _ t: Transaction) throws -> Verdict {
    if let exemption = exemption(recipients, t) {
      t.note(exemption)
      return .proceed
    }
    guard let triplets else {
      t.note("not asked: no database at hand")
      return .proceed
    }
    guard let triplet = triplet(recipients, t) else { return .proceed }
    let learnOnly = !t.isEnforced(on: recipients)
    var rule = rule
    // Who should be verified waits, however well its neighbours behave.
    if t[CallBackFact.self] != nil { rule.autoPass = 0 }
    let answer = try triplets.see(
      triplet, at: time.milliseconds, by: rule, learnOnly: learnOnly,
      within: min(t.deadline.remaining, Self.patience))
    switch answer {
    case .passed(let count):
      // Learned just now: that is what would have been deferred.
      if learnOnly, count == 1 { return later(.newTriplet, rule.delay, triplet) }
      t.note("known: \(count) mails of \(triplet.origin)")
    case .originKnown: t.note("origin \(triplet.origin) is known")
    case .wait(let milliseconds, let isNew):
      return later(isNew ? .newTriplet : .earlyRetry, milliseconds, triplet)
    }
    return .proceed
  }

  /// Why this mail need not wait; nil when it must be looked at.
  private func exemption(_ recipients: [Recipient], _ t: Transaction) -> String? {
    if let client = t[ClientClassFact.self],
      client.isInternal || client.isTrusted || client.isLoopback
    {
      return client.words
    }
    guard let sender = t.sender else { return "no sender" }
    if sender.mailbox.isNull { return "null sender" }
    if let ip = t.peer.ip, skip.contains(ip) { return "client in skip" }
    if t[CallBackFact.self] == nil, skipFrom.contains(sender.mailbox) {
      return "sender in skip_from"
    }
    if !skipTo.isEmpty, recipients.allSatisfy({ skipTo.contains($0.mailbox) }) {
      return "recipient in skip_to"
    }
    return nil
  }

  /// Nil without an address or an authenticated domain: then it is a process of this machine.
  private func triplet(_ recipients: [Recipient], _ t: Transaction) -> Triplet? {
    guard let sender = t.sender?.mailbox, let recipient = recipients.first?.mailbox else {
      return nil
    }
    let origin: String
    if let domain = t[OriginFact.self] {
      origin = keys.origin(ofDomain: domain)
    } else {
      guard let ip = t.peer.ip else { return nil }
      origin = keys.origin(of: ip)
    }
    return Triplet(
      origin: origin, sender: keys.sender(sender), recipient: keys.recipient(recipient))
  }

  private func later(_ code: Code, _ milliseconds: Int64, _ triplet: Triplet) -> Verdict {
    let minutes = max(1, (milliseconds + 59_999) / 60_000)
    return .refuse(
      .transient(
        7, 1, "Greylisted, please try again in \(minutes) minute\(minutes == 1 ? "" : "s")"),
      Reason(
        module: Options.name, code: code.rawValue,
        detail: "\(triplet.origin) \(triplet.sender) \(triplet.recipient)",
        option: "greylist.time"))
  }
}
