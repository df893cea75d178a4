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
        them. [network] authserv_id is always one of them.
        """)

    package init() {}
  }

  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var reads: [any Fact.Type] { [ReleasedFact.self, ResultsFact.self] }
  package static var edits: Actions { [.addHeaders, .changeHeaders] }
  package static var yieldsToAccept: Bool { false }
  package static var canRefuse: Bool { false }

  let hosts: Set<MailText>

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    hosts = Set(settings.hosts.items.map { MailText($0).lowercased })
  }

  package func makeSession() -> Session { Session(module: self) }

  package final class Session: HeaderStage, MessageStage {
    let module: AuthResults
    init(module: AuthResults) { self.module = module }

    package func header(_ field: HeaderField, _ t: Transaction) -> Verdict {
      guard field.isNamed(AuthResults.fieldName) else { return .proceed }
      var seen = t[FieldsFact.self] ?? Fields()
      seen.count += 1
      if module.isForged(field.value, t) {
        // Beyond that, the message is not what any mail program makes.
        if seen.forged.count < AuthResults.maximumForged { seen.forged.append(seen.count) }
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
      let forged = t[FieldsFact.self]?.forged ?? []
      // From the last to the first: removing one must not shift the numbers of those still to go.
      for occurrence in forged.reversed() {
        t.add(.changeHeader(name: AuthResults.fieldName, occurrence: occurrence, value: nil))
      }
      if !forged.isEmpty { t.note("\(forged.count) forged fields removed") }
      guard let results = module.results(t) else { return .proceed }
      t.add(.insertHeader(index: 0, name: AuthResults.fieldName, value: results.value))
      return .proceed
    }
  }

  static let fieldName = "Authentication-Results"
  /// The most forged fields that are removed.
  static let maximumForged = 1000

  /// The fields of that name in the message.
  private struct Fields: Sendable {
    var count = 0
    /// Which of them are forged, counted from 1.
    var forged: [Int] = []
  }
  private enum FieldsFact: Fact { typealias Value = Fields }

  private func isForged(_ value: MailText, _ t: Transaction) -> Bool {
    guard let client = t[ClientClassFact.self], !client.isTrusted else { return false }
    var names = hosts
    if let own = client.authservID { names.insert(own.lowercased) }
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
