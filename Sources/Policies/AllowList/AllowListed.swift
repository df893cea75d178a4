// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Mail
internal import Milter
package import Policy
internal import Store

/// Lets in whom the administrator listed: ends every module that can refuse and does not protect.
///
/// Second in the pipeline, so that nothing bites before it spoke. Addresses count at CONNECT.
/// Senders count at MAIL; since anybody can write anything there, only as soon as a module proves
/// their domain, unless the entry or `require_auth = no` waives that.
package struct AllowListed: PolicyModule {
  package struct Options: Section {
    package static let name = "allow"
    package static let summary = "The allow-list of `bmsd allow`: who is never refused"

    package let requireAuth = ConfigOption(
      "require_auth", default: true, shipped: true,
      help: """
        Whether a listed sender counts only when SPF or DKIM proves its domain; an entry made with \
        --unauthenticated always counts. Without it whoever writes a listed address is let in.
        """)

    package init() {}
  }

  /// Why mail is let through.
  package enum Code: String, ReasonCode {
    case client = "listed-client"
    case sender = "listed-sender"

    package var sentence: String {
      switch self {
      case .client: "The client stands in the allow-list: {detail}."
      case .sender: "The sender stands in the allow-list: {detail}."
      }
    }
  }

  package static var reasons: [String: String] { Code.sentences }

  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var yieldsToAccept: Bool { false }
  package static var needsStore: Bool { true }

  let requiresProof: Bool
  let allowed: AllowList?

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    requiresProof = settings.requireAuth
    allowed = services.allowed
  }

  package func makeSession() -> Session { Session(module: self) }

  package final class Session: ConnectStage, SenderStage {
    let module: AllowListed
    init(module: AllowListed) { self.module = module }

    package func connect(_ t: Transaction) -> Verdict {
      guard let ip = t.peer.ip, let list = module.allowed else { return .proceed }
      let entries = list.entries(covering: ip)
      // An entry for everything says more than one for some modules, however narrow that is.
      guard let entry = entries.first(where: { $0.skip.isEmpty }) else {
        for entry in entries { module.skip(entry, nil, t) }
        return .proceed
      }
      t.allow(Allowance())
      return .accept(module.reason(.client, entry))
    }

    package func sender(_ t: Transaction) -> Verdict {
      guard let mailbox = t.sender?.mailbox, let list = module.allowed else { return .proceed }
      let parties = [ListedParty(mailbox), mailbox.domain.flatMap { ListedParty(domain: $0) }]
      var verdict = Verdict.proceed
      for entry in parties.compactMap({ $0 }).compactMap({ list.entry(for: $0) }) {
        let proof =
          entry.isUnauthenticated || !module.requiresProof ? nil : mailbox.domain?.lowercased
        guard proof == nil, entry.skip.isEmpty else {
          module.skip(entry, proof, t)
          continue
        }
        t.allow(Allowance())
        verdict = .accept(module.reason(.sender, entry))
      }
      return verdict
    }
  }

  /// Ends the entry's modules, once the domain is proved where it must be.
  private func skip(_ entry: AllowEntry, _ proof: MailText?, _ t: Transaction) {
    t.allow(Allowance(modules: Set(entry.skip), provenDomain: proof))
    var text = "\(entry.party) is listed"
    if !entry.skip.isEmpty { text += ", skips \(entry.skip.joined(separator: " "))" }
    if let proof { text += "; counts only once SPF or DKIM proves \(proof)" }
    t.note(text)
  }

  private func reason(_ code: Code, _ entry: AllowEntry) -> Reason {
    let note = entry.note.isEmpty ? "" : " (\(entry.note))"
    return Reason(
      module: Options.name, code: code.rawValue, detail: "\(entry.party)\(note)",
      option: code == .sender && !entry.isUnauthenticated ? "allow.require_auth" : nil)
  }
}
