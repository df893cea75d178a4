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

/// The judgement of one message's sender, step by step in the ancestor's order (its section 2.6.2).
/// A step that comes to a verdict ends it.
struct SenderCheck {
  let module: SenderPolicy
  let t: Transaction
  let client: SenderClient
  let sender: Mailbox
  let deadline: Deadline
  let query: SPFQuery
  var evaluation = SPFEvaluation(.none)
  /// What policy goes by, and why.
  var result = SPFResult.none
  var basis = SenderAuthentication.Basis.official
  var helo: SPFResult?
  /// What a guessed record says of the HELO name; never mixed up with what SPF says of it.
  var helloGuess: SPFResult?
  var reverseName: ClientClass.ReverseName
  /// What DNS did not answer and might have been a credential.
  var unanswered: String?
  /// Whether that is the record that somebody else keeps for the domain.
  var isDelegateUnknown = false
  /// A trusted forwarder that the client may belong to; nobody can tell at the moment.
  var possibleForwarder: DomainName?
  /// What was found, in words, once all steps are done.
  var findings = ""
  /// What else there is to say.
  var notes: [String] = []
  /// For Authentication-Results, in the order in which they were found.
  var results: [AuthenticationResults.Entry] = []

  typealias Code = SenderPolicy.Code

  init(
    _ module: SenderPolicy, _ t: Transaction, _ client: SenderClient, _ sender: Mailbox,
    of receiver: MailText?, by deadline: Deadline
  ) {
    self.module = module
    self.t = t
    self.client = client
    self.sender = sender
    self.deadline = deadline
    reverseName = client.reverseName
    query = SPFQuery(
      client: client.ip, mailFrom: sender, helo: client.helo, receiver: receiver)
    // One for the client's name, for HELO and for the sender.
    results.reserveCapacity(3)
  }

  mutating func verdict() -> Verdict {
    let verdict = steps()
    t.report(results)
    if verdict == .proceed {
      t.note(notes.isEmpty ? findings : ([findings] + notes).joined(separator: "; "))
    }
    return verdict
  }

  mutating func steps() -> Verdict {
    checkReverseName()
    if let verdict = checkForwarder() { return verdict }
    evaluate()
    let verdict =
      onTemporaryError() ?? onHello() ?? onOurOwn() ?? guess() ?? onMissingCredentials()
      ?? onResult()
    conclude()
    return verdict ?? .proceed
  }

  // MARK: evidence

  mutating func checkReverseName() {
    // Whoever owns the address says how long its names take: SPF must have time left.
    let found = module.evaluator.name(
      of: client.ip, by: Deadline(deadline.remaining / 4, module.time))
    let address = AuthenticationResults.Property("policy", "iprev", MailText(found.address))
    if found.result == .pass, let name = found.name, let text = found.text {
      // Our own look-up counts for more than the MTA's word.
      reverseName = Self.class(of: name, text, client, t.peer)
    } else if found.result != .temperror {
      reverseName = .absent
    } else {
      // The MTA's word that there is none may come from the same trouble.
      if reverseName == .absent { unanswered = "the client's name" }
    }
    results.append(
      AuthenticationResults.Entry(
        "iprev", found.result.rawValue, comment: found.text.map { MailText($0) }, [address]))
  }

  /// What the MTA has said of the same name was looked into at CONNECT.
  static func `class`(
    of name: DomainName, _ text: String, _ client: SenderClient, _ peer: Peer
  ) -> ClientClass.ReverseName {
    if !client.isRelayed, client.reverseName != .absent,
      name.isSpelled(by: peer.hostName.bytes)
    {
      return client.reverseName
    }
    return DynamicName.looksDynamic(text, address: client.ip) ? .dynamic : .present
  }

  mutating func checkForwarder() -> Verdict? {
    let forwarder: DomainName
    switch module.evaluator.forwarder(of: client, by: deadline) {
    case .none: return nil
    case .unknown(let domain):
      possibleForwarder = domain
      return nil
    case .forwarder(let domain): forwarder = domain
    }
    (result, basis) = (.pass, .forwarder)
    leave(isConcluded: false)
    return .accept(reason(.forwarder, "\(forwarder) from \(client.ip)", "spf.trusted_forwarder"))
  }

  mutating func evaluate() {
    evaluation = module.evaluator.official(query, by: deadline)
    result = evaluation.result
    if result == .none, let delegated = module.evaluator.delegated(query, by: deadline) {
      if delegated == .temperror {
        isDelegateUnknown = true
        unanswered = "the record at the delegate"
      } else {
        (result, basis) = (delegated, .delegate)
      }
    }
    guard result == .permerror, let lax = module.evaluator.lax(query, by: deadline) else { return }
    (result, basis) = (lax, .lax)
    // The sender should hear of the faulty record; until somebody tells it, it waits.
    callBack("DSN", .permerror)
  }

  /// Whether the HELO name says who the client is: by SPF or, where it has no record, by a guess.
  var helloPasses: Bool { helo == .pass || helloGuess == .pass }

  /// Whether `helo` is the domain or a name below it.
  func isOfSender(_ helo: MailText) -> Bool {
    guard let domain = sender.domain.flatMap({ DomainName($0.bytes) }),
      let name = DomainName(helo.bytes)
    else { return false }
    return name.isWithin(domain)
  }

  // MARK: steps

  mutating func onTemporaryError() -> Verdict? {
    guard result == .temperror else { return nil }
    let verdict = apply(ruling(.temperror), .temperror) {
      .transient(
        4, 3, "SPF: no answer from the DNS servers of \($0.checkedDomain)",
        "Have their TXT answers repaired if this goes on")
    }
    if verdict == nil { result = .none }
    return verdict
  }

  mutating func onHello() -> Verdict? {
    guard !sender.isNull else {
      helo = evaluation.result
      return nil
    }
    guard result != .pass, !client.helo.isEmpty else { return nil }
    let query = SPFQuery(client: client.ip, helo: client.helo, receiver: query.receiver)
    let found = module.evaluator.official(query, by: deadline)
    helo = found.result
    results.append(
      AuthenticationResults.Entry(
        "spf", found.result.rawValue,
        [AuthenticationResults.Property("smtp", "helo", client.helo)]))
    let ruling = module.defaults.ruling(onHello: found.result, of: client.helo).overruled(
      by: module.access?.policy(SenderDefaults.key("HELO", found.result), client.helo))
    let verdict = apply(ruling, .helo) {
      guard found.result != .temperror else {
        return .transient(
          4, 3, "SPF: no answer from the DNS servers of your HELO name \($0.client.helo)")
      }
      return .permanent(
        7, 23,
        Self.lines(
          "SPF: \($0.client.ip) may not use the HELO name \($0.client.helo)", found.explanation,
          $0.client.helo))
    }
    if verdict == nil, found.result == .none, module.guesses,
      !DynamicName.looksDynamic(client.helo.description, address: client.ip)
    {
      helloGuess = module.evaluator.guess(query, .helo, by: deadline)
    }
    if found.result == .temperror || helloGuess == .temperror { unanswered = "the HELO name" }
    return verdict
  }

  /// Where our domain has an SPF record, that decides.
  mutating func onOurOwn() -> Verdict? {
    guard evaluation.result == .none, basis == .official, t[InternalSenderFact.self] == true else {
      return nil
    }
    return apply(SenderRuling(.refuse, "sender.internal_domains"), .self_) {
      .permanent(7, 1, "\($0.checkedDomain) is our own domain, and you are none of its servers")
    }
  }

  mutating func guess() -> Verdict? {
    guard module.guesses, result == .none, !sender.isNull else { return nil }
    let hasName = reverseName == .present
    let found = module.evaluator.guess(
      query, hasName ? .sender : .senderWithoutPointer, by: deadline)
    if found == .pass {
      (result, basis) = (.pass, .guess)
    } else if helloPasses, isOfSender(client.helo) {
      (result, basis) = (.pass, .helo)
    } else if found == .temperror {
      unanswered = "the domain's servers"
    } else if found != .none {
      (result, basis) = (found, .guess)
    }
    return nil
  }

  /// Three strikes: no name of its own, no SPF record, no HELO name that says who it is.
  mutating func onMissingCredentials() -> Verdict? {
    guard reverseName != .present, evaluation.result == .none, result != .pass, !helloPasses,
      basis != .delegate
    else { return nil }
    result = .none
    let ruling = module.defaults.withoutCredentials.overruled(
      by: module.access?.policy("SPF-None", query.sender.address))
    let verdict = apply(ruling, .noCredentials) { _ in
      .permanent(
        7, 26, "You have no PTR name of your own, no SPF record and no HELO name that SPF passes",
        "Any one of these would do")
    }
    if case .verify = ruling.measure, !ruling.isObserved, doubt(.noCredentials) == nil {
      t.addDemerits(max(0, 2 - (t[DemeritsFact.self] ?? 0)))
    }
    if verdict?.reply?.severity == .permanent { t.addDemerits(1) }
    return verdict
  }

  mutating func onResult() -> Verdict? {
    let domain = checkedDomain
    switch result {
    case .fail:
      if isOurName(domain), possibleForwarder == nil { t.addDemerits(4) }
      return apply(ruling(.fail), .fail) {
        .permanent(
          7, 23,
          Self.lines(
            "SPF: \($0.client.ip) may not send mail for \(domain)", $0.evaluation.explanation,
            domain))
      }
    case .softfail:
      return apply(ruling(.softfail), .softfail) {
        .permanent(
          7, 23, "SPF: \(domain) says that \($0.client.ip) is probably no server of its own",
          "If you sent this mail, tell your administrator that the SPF record is wrong")
      }
    case .neutral:
      return apply(ruling(.neutral), .neutral) { _ in
        .permanent(
          7, 23, "SPF: mail from \(domain) must pass SPF here, because the name is often forged",
          "Send through the servers that \(domain) recommends")
      }
    case .pass:
      return apply(ruling(.pass), .pass) { _ in
        .permanent(7, 1, "We do not accept mail from \(domain), though you may send for it")
      }
    case .permerror:
      return apply(ruling(.permerror), .permerror) {
        .permanent(
          5, 2, "The SPF record of \(domain) has an error: \($0.evaluation.problem ?? "unknown")",
          "It must be corrected there")
      }
    // Who comes here has a name or a HELO name of its own: no record is no fault.
    case .none, .temperror: return nil
    }
  }
}
