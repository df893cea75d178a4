// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Access
internal import Addressing
internal import DNS
internal import Environment
internal import Mail
internal import Milter
internal import Policy
internal import SPF

extension SenderCheck {
  // MARK: what is done about it

  func ruling(_ result: SPFResult) -> SenderRuling {
    module.defaults.ruling(on: result, of: checkedDomain).overruled(
      by: module.access?.policy(SenderDefaults.key("SPF", result), query.sender.address))
  }

  /// Nil where the message goes on, as nearly all do: only what stops it is put into words, by
  /// `refusal` for one.
  mutating func apply(
    _ ruling: SenderRuling, _ code: Code, _ refusal: (SenderCheck) -> SMTPReply
  ) -> Verdict? {
    let entry = ruling.entry.map { ", \($0)" } ?? ""
    if ruling.isObserved {
      notes.append("\(code.rawValue) is only observed\(entry)")
      switch ruling.measure {
      case .refuse, .ban, .tempfail:
        let reason = reason(code, "\(words(code))\(entry)", ruling.option)
        t.observe(.refuse(refusal(self), reason))
      case .accept, .whitelist, .verify, .discard, .reply: break
      }
      return nil
    }
    switch ruling.measure {
    case .accept:
      if !entry.isEmpty { notes.append("\(code.rawValue)\(entry)") }
      return nil
    case .verify(let kind):
      callBack(kind, code)
      return nil
    case .whitelist, .discard, .tempfail, .reply, .ban, .refuse:
      let refusal = refusal(self)
      let detail = "\(words(code))\(entry)"
      if let doubt = doubt(code), ruling.measure.isFinal(refusal) {
        return .refuse(
          Self.later, reason(code, "\(detail); only deferred: \(doubt)", ruling.option))
      }
      return verdict(ruling.measure, reason(code, detail, ruling.option), code, refusal)
    }
  }

  /// Why nothing final may be done about the sender yet; nil when all that counts is known.
  func doubt(_ code: Code) -> String? {
    if let possibleForwarder {
      return "DNS has not told whether the client is the trusted forwarder's \(possibleForwarder)"
    }
    guard code == .noCredentials || code == .self_ && isDelegateUnknown else { return nil }
    return unanswered.map { "DNS did not answer about \($0)" }
  }

  private static let later = SMTPReply.transient(
    4, 3, "DNS does not answer, so your right to send cannot be checked now",
    "Please try again later")

  private func verdict(
    _ measure: SenderRuling.Measure, _ reason: Reason, _ code: Code, _ refusal: SMTPReply
  ) -> Verdict? {
    switch measure {
    case .accept, .verify: return nil
    case .whitelist: return .accept(reason)
    case .discard: return .discard(reason)
    case .tempfail:
      let isTransient = refusal.severity == .transient
      return .refuse(isTransient ? refusal : .transient(7, 24, "Please try again later"), reason)
    case .reply(let reply): return refused(SMTPReply(reply), reason, code)
    // Nobody is banned for the trouble of a DNS server.
    case .ban where refusal.severity == .transient: return refused(refusal, reason, code)
    case .ban:
      t.ban(because: "\(code.rawValue) \(words(code))")
      return refused(refusal, reason, code)
    case .refuse:
      // A temporary error is no fault of the sender's.
      return refused(refusal, reason, code)
    }
  }

  private func refused(_ reply: SMTPReply, _ reason: Reason, _ code: Code) -> Verdict {
    if reply.severity == .permanent, code == .pass || (t[DemeritsFact.self] ?? 0) > 0 {
      t.addDemerits(1)
    }
    return .refuse(reply, reason)
  }

  mutating func callBack(_ kind: String, _ code: Code) {
    // For bounces there is nobody to call back.
    // The first reason is the one to go by.
    guard !sender.isNull, t[CallBackFact.self] == nil else { return }
    let text = "\(kind) \(code.rawValue)"
    t[CallBackFact.self] = text
    notes.append("call-back wanted: \(text)")
  }

  /// Facts for later modules, once the steps are done.
  mutating func conclude() {
    results.append(spfEntry)
    findings = leave(isConcluded: true).words
  }

  /// Leaves the facts.
  @discardableResult func leave(isConcluded: Bool) -> SenderAuthentication {
    let fact = SenderAuthentication(
      official: basis == .forwarder ? nil : evaluation.result, identity: query.identity,
      domain: query.sender.domain, effective: result, basis: basis,
      helo: sender.isNull ? nil : helo, helloGuess: helloGuess)
    t[SPFFact.self] = fact
    guard isConcluded, let domain = fact.domain else { return fact }
    // Guesses, and what somebody else says of the domain, prove nothing.
    if evaluation.result == .pass {
      let key = domain.domainKey
      t[OriginFact.self] = key.description
      t.prove(key)
    }
    if module.addsReceivedSPF { t[SenderPolicy.ReceivedSPFFact.self] = receivedSPF }
    return fact
  }

  var receivedSPF: MailText {
    var field = ReceivedSPF(evaluation, of: query)
    if let helo, !sender.isNull {
      field.extensions.append((name: "x-helo-spf", value: helo.rawValue))
    }
    if basis != .official {
      field.extensions.append((name: "x-bestguess", value: result.rawValue))
    }
    return field.field.value
  }

  var spfEntry: AuthenticationResults.Entry {
    let identity =
      sender.isNull
      ? AuthenticationResults.Property("smtp", "helo", client.helo)
      : AuthenticationResults.Property("smtp", "mailfrom", sender.address)
    let comment = basis == .official ? nil : MailText("\(basis.rawValue): \(result.rawValue)")
    return AuthenticationResults.Entry(
      "spf", evaluation.result.rawValue, comment: comment, [identity])
  }

  // MARK: words

  var checkedDomain: MailText { query.sender.domain ?? "(no domain)" }

  func isOurName(_ domain: MailText) -> Bool {
    t[InternalSenderFact.self] == true
      || t[ClientClassFact.self]?.ownName?.domainKey == domain.domainKey
  }

  private func words(_ code: Code) -> String {
    if code == .helo { return "\(client.helo) from \(client.ip)" }
    let mechanism = evaluation.mechanism.map { ", \($0)" } ?? ""
    return "\(query.sender) from \(client.ip)\(mechanism)"
  }

  func reason(_ code: Code, _ detail: String, _ option: String?) -> Reason {
    Reason(module: SenderPolicy.Options.name, code: code.rawValue, detail: detail, option: option)
  }

  /// The domain's own words, marked as such: they are not ours.
  static func lines(_ first: String, _ explanation: String?, _ domain: MailText) -> String {
    guard let explanation, !explanation.isEmpty else { return first }
    return "\(first); \(domain) says: \(explanation)"
  }
}
