// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Mail
package import Milter
package import Policy

/// Writes one Authentication-Results field with what all modules found, and removes those that
/// somebody forged in our name (RFC 8601 §5).
///
/// Ours goes to the very top. Of mail that our own users submit nothing is said but who they are:
/// receivers would take the rest for verdicts on them.
package struct AuthResults: PolicyModule {
  package struct Options: PolicySection {
    package static let name = "auth_results"
    package static let summary = "Write Authentication-Results, and remove forged ones"
    package static var shippedMode: Mode? { .enforce }

    package let hosts = ConfigOption(
      "hosts", default: [] as TextList,
      help: """
        Further names under which only hosts of ours write such fields, such as other mail \
        exchangers. Fields of these names are removed as forged, unless a trusted relay brings \
        them: then those stay that stand above the field of the hop where it came from outside. \
        [network] authserv_id is always one of them.
        """)

    package init() {}
  }

  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var reads: [any Fact.Type] {
    [OurNetworksFact.self, ReleasedFact.self, ResultsFact.self]
  }
  package static var edits: Actions { [.addHeaders, .changeHeaders] }
  package static var yieldsToAccept: Bool { false }
  package static var canRefuse: Bool { false }

  let hosts: Set<MailText>

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    hosts = Set(settings.hosts.items.map { MailText($0).domainKey })
  }

  package func makeSession() -> Session { Session(module: self) }

  package final class Session: HeaderStage, MessageStage {
    let module: AuthResults
    init(module: AuthResults) { self.module = module }

    package func header(_ field: HeaderField, _ t: Transaction) -> Verdict {
      let isTrace = field.isNamed("Received")
      guard isTrace || field.isNamed(AuthResults.fieldName) else { return .proceed }
      if isTrace, t[ClientClassFact.self]?.isTrusted != true { return .proceed }
      var seen = t[FieldsFact.self] ?? Fields()
      if isTrace {
        seen.hops += 1
        if seen.trace.count <= RelayTrace.maximumHops { seen.trace.append(field.rawValue) }
      } else {
        seen.count += 1
        if module.isOurs(field.value, t) { seen.ours.append((seen.count, seen.hops)) }
      }
      t[FieldsFact.self] = seen
      return .proceed
    }

    package func message(_ t: Transaction) -> Verdict {
      // Its fields were written when it first came, ours among them.
      if t[ReleasedFact.self] != nil {
        t.note("released from the quarantine: fields stay as they are")
        return .proceed
      }
      module.removeForged(t)
      guard let results = module.results(t) else { return .proceed }
      t.add(.insertHeader(index: 0, name: AuthResults.fieldName, value: results.value))
      return .proceed
    }
  }

  static let fieldName = "Authentication-Results"
  /// The most forged fields that are removed: an MTA searches the whole header for each of them. No
  /// mail program makes so many.
  static let maximumForged = 5000

  /// The fields of that name in the message.
  private struct Fields: Sendable {
    var count = 0
    /// Those in our name, counted from 1, and how many Received fields stand above each.
    var ours: [(occurrence: Int, hops: Int)] = []
    /// Received fields so far, and the values of the first ones: only for a trusted relay.
    var hops = 0
    var trace: [MailText] = []
  }
  private enum FieldsFact: Fact { typealias Value = Fields }

  private func removeForged(_ t: Transaction) {
    guard let client = t[ClientClassFact.self], let fields = t[FieldsFact.self] else { return }
    var forged = fields.ours
    if client.isTrusted {
      let networks = t[OurNetworksFact.self]
      // What stands below the last hop of ours came from outside with the message.
      let depth = RelayTrace(fields.trace).origin { networks?.contains($0) == true }.depth
      forged.removeAll { $0.hops < depth }
    }
    guard !forged.isEmpty else { return }
    // From the last to the first: removing one must not shift the numbers of those still to go.
    for field in forged.prefix(Self.maximumForged).reversed() {
      t.add(.changeHeader(name: Self.fieldName, occurrence: field.occurrence, value: nil))
    }
    let rest = forged.count - Self.maximumForged
    t.note(
      rest > 0
        ? "\(Self.maximumForged) forged fields removed; \(rest) more stay"
        : "\(forged.count) forged fields removed")
  }

  private func isOurs(_ value: MailText, _ t: Transaction) -> Bool {
    var names = hosts
    if let own = t[ClientClassFact.self]?.authservID { names.insert(own.domainKey) }
    return AuthenticationResults.claims(names, in: value)
  }

  /// Nil where nothing is to be said.
  private func results(_ t: Transaction) -> AuthenticationResults? {
    guard let client = t[ClientClassFact.self], let server = client.authservID else { return nil }
    var entries: [AuthenticationResults.Entry] = []
    if let user = t.authentication?.user {
      let properties = [AuthenticationResults.Property("smtp", "auth", user)]
      entries = [AuthenticationResults.Entry("auth", "pass", user.isEmpty ? [] : properties)]
    } else {
      entries = t[ResultsFact.self] ?? []
      // Nobody checks mail of our own machines.
      if entries.isEmpty, client.isOurs { return nil }
    }
    return AuthenticationResults(server: server, entries: entries)
  }
}
