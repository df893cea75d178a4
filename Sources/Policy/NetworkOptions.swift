// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Mail

/// `[network]`: who is who.
package struct NetworkOptions: Section {
  package static let name = "network"
  package static let summary = "Who we are, which clients are ours, who is always reachable"

  package let internalConnect = ConfigOption(
    "internal_connect", default: ["127.0.0.0/8", "::1"] as Networks,
    shipped: ["127.0.0.0/8", "::1"], formerly: ["milter.internal_connect"],
    help: """
      Clients that are ours: HELO checks, bans and greylisting are not for them. Usually the same \
      as Postfix's mynetworks; `bmsd check` compares them.
      """)
  package let trustedRelay = ConfigOption(
    "trusted_relay", default: [] as Networks, formerly: ["milter.trusted_relay"],
    help: """
      Other mail exchangers that relay to us, such as a secondary MX: they are never banned or \
      greylisted, and their HELO name is not checked.
      """)
  package let authservID = ConfigOption(
    "authserv_id", default: "",
    help: """
      The name under which results stand in Authentication-Results (RFC 8601). Empty: the \
      hostname. Hosts that share a trust boundary share it.
      """)
  package let hostname = ConfigOption(
    "hostname", default: "",
    help: "Our own name. Empty: what the MTA tells, macro j.")
  package let internalDaemon = ConfigOption(
    "internal_daemon", default: ["ORIGINATING"] as TextList, shipped: ["ORIGINATING"],
    help: """
      Values of the macro {daemon_name} that mark a listener for our own users; in Postfix set by \
      `-o milter_macro_daemon_name=ORIGINATING` in master.cf.
      """)
  package let submissionPorts = ConfigOption(
    "submission_ports", default: [465, 587] as PortList, shipped: [465, 587],
    help: "Ports on which our own users submit mail: no bans, HELO checks or greylisting there.")
  package let alwaysAccept = ConfigOption(
    "always_accept", default: ["postmaster@", "abuse@"] as AddressSet,
    shipped: ["postmaster@", "abuse@"] as AddressSet,
    help: """
      Recipients who must be reachable for everybody: they are refused nothing but what endangers \
      them. A message to them and others can still be refused as a whole.
      """)
  package let contact = ConfigOption(
    "contact", default: "postmaster", shipped: "postmaster",
    help: """
      Whom a refused sender may ask; stands in every refusal beside its reference. Without a \
      domain the hostname is added.
      """)

  package init() {}
}

/// `[log]`: what is written to standard error, for journald.
package struct LogOptions: Section {
  package static let name = "log"
  package static let summary = "The log: one line a verdict, one a message"

  /// How lines look.
  package enum Format: String, OptionValue, CaseIterable {
    case text, json
  }
  /// The least level that is written.
  package enum Level: String, OptionValue, CaseIterable {
    case debug, info, notice, warning, error
  }

  package let format = ConfigOption(
    "format", default: Format.text,
    help: "text: `queue-id: key=value ...` with journald priorities. json: an object a line.")
  package let level = ConfigOption(
    "level", default: Level.info,
    help: "The least important lines written. debug adds every connection.")
  package let headers = ConfigOption(
    "headers", default: false, formerly: ["milter.log_headers"],
    help: "Write every header field to the log. Makes the MTA send them.")

  package init() {}
}

/// The part of `[network]` that the runner acts on, settled once.
package struct NetworkPolicy: Sendable {
  let submissionPorts: Set<String>
  let internalDaemons: Set<MailText>
  let alwaysAccept: AddressSet
  let contact: String
  /// Our own name as configured; empty where the MTA's counts.
  package let hostname: String

  init(_ settings: Settings<NetworkOptions>) {
    submissionPorts = Set(settings.submissionPorts.ports.map(String.init))
    internalDaemons = Set(settings.internalDaemon.items.map { MailText($0).lowercased })
    alwaysAccept = settings.alwaysAccept
    contact = settings.contact
    hostname = settings.hostname
  }

  /// Whether a listener is one for our own users.
  func isSubmission(_ connection: ConnectionContext) -> Bool {
    if let port = connection.daemonPort, submissionPorts.contains(port.description) { return true }
    guard let name = connection.daemonName else { return false }
    return internalDaemons.contains(name.lowercased)
  }

  /// The address that a refusal names.
  func contactAddress(_ connection: ConnectionContext) -> String {
    guard !contact.contains("@") else { return contact }
    let host = hostname.isEmpty ? connection.hostName?.description ?? "" : hostname
    return host.isEmpty ? contact : "\(contact)@\(host)"
  }
}
