// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Access
internal import Mail
internal import Milter
internal import SPF

/// What shall be done about a result: by the access map, else by the options.
struct SenderRuling: Equatable {
  enum Measure: Equatable {
    case accept
    /// Let in as if the sender stood in the allow-list.
    case whitelist
    /// Verify the sender; the word of the map, CBV or DSN.
    case verify(String)
    case refuse
    /// Refuse, and ban the client.
    case ban
    case tempfail
    case discard
    case reply(AccessReply)

    /// Whether it ends a message for good that `refusal` would be told of.
    func isFinal(_ refusal: SMTPReply) -> Bool {
      switch self {
      case .discard, .ban: true
      case .refuse: refusal.severity == .permanent
      case .reply(let reply): reply.code >= 500
      case .accept, .whitelist, .verify, .tempfail: false
      }
    }
  }

  var measure: Measure
  /// The option that decided; nil for what no option changes.
  var option: String?
  /// The entry of the map: `spf-fail:example.com REJECT`.
  var entry: String?
  /// The map says that it shall only be recorded.
  var isObserved = false

  init(_ measure: Measure, _ option: String? = nil) {
    self.measure = measure
    self.option = option
  }

  /// The ruling of the map's entry, where it has one, else this one.
  func overruled(by hit: AccessHit?) -> SenderRuling {
    guard let hit else { return self }
    var ruling = self
    ruling.option = "spf.access_file"
    ruling.entry = "\(hit.key) \(hit.value.word)"
    switch hit.value {
    case .skip: return self
    case .ok: ruling.measure = .accept
    case .whitelist: ruling.measure = .whitelist
    case .cbv, .dsn: ruling.measure = .verify(hit.value.word)
    case .reject, .unknown: ruling.measure = .refuse
    case .ban: ruling.measure = .ban
    case .tempfail: ruling.measure = .tempfail
    case .discard: ruling.measure = .discard
    case .error(let reply): ruling.measure = .reply(reply)
    case .observe: ruling.isObserved = true
    }
    return ruling
  }
}

/// The rulings that hold without an entry of the access map (the ancestor's section 2.6.2).
final class SenderDefaults: Sendable {
  let rejectNoptr: Bool
  let rejectNeutral: DomainPatterns
  let acceptSoftfail: DomainPatterns
  let acceptFail: DomainPatterns

  init(
    rejectNoptr: Bool, rejectNeutral: DomainPatterns, acceptSoftfail: DomainPatterns,
    acceptFail: DomainPatterns
  ) {
    self.rejectNoptr = rejectNoptr
    self.rejectNeutral = rejectNeutral
    self.acceptSoftfail = acceptSoftfail
    self.acceptFail = acceptFail
  }

  /// For the result of the sender's domain; total, so that a new result cannot be forgotten.
  func ruling(on result: SPFResult, of domain: MailText) -> SenderRuling {
    switch result {
    case .fail:
      acceptFail.contains(domain)
        ? SenderRuling(.verify("CBV"), "spf.accept_fail") : SenderRuling(.refuse)
    case .softfail:
      if acceptSoftfail.contains(domain) {
        SenderRuling(.accept, "spf.accept_softfail")
      } else if rejectNeutral.contains(domain) {
        SenderRuling(.refuse, "spf.reject_neutral")
      } else {
        SenderRuling(.verify("CBV"))
      }
    case .neutral:
      rejectNeutral.contains(domain)
        ? SenderRuling(.refuse, "spf.reject_neutral") : SenderRuling(.accept)
    case .pass: SenderRuling(.accept)
    case .permerror: SenderRuling(.refuse)
    case .temperror: SenderRuling(.tempfail)
    case .none: SenderRuling(.accept)
    }
  }

  /// For the result of a HELO name.
  func ruling(onHello result: SPFResult, of name: MailText) -> SenderRuling {
    switch result {
    case .fail, .neutral, .softfail:
      // Nobody's server has this name but the provider's, whose record says which those are.
      SenderRuling(name.domainKey == "gmail.com" ? .ban : .refuse)
    case .pass, .none, .permerror, .temperror: SenderRuling(.accept)
    }
  }

  /// For a sender without any credentials.
  var withoutCredentials: SenderRuling {
    SenderRuling(rejectNoptr ? .refuse : .verify("CBV"), "spf.reject_noptr")
  }

  /// The key of the access map for a result: `SPF-Fail`.
  static func key(_ kind: String, _ result: SPFResult) -> String {
    let word =
      switch result {
      case .none: "None"
      case .neutral: "Neutral"
      case .pass: "Pass"
      case .fail: "Fail"
      case .softfail: "Softfail"
      case .temperror: "TempError"
      case .permerror: "PermError"
      }
    return "\(kind)-\(word)"
  }
}
