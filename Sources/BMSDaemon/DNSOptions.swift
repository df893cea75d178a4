// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration

/// `[dns]`: whom names are asked of, and for how long.
package struct DNSOptions: Section {
  package static let name = "dns"
  package static let summary = "DNS: the servers, and how long they may take"

  /// What is done with DNSSEC.
  package enum DNSSEC: String, OptionValue, CaseIterable { case off, validate }

  package let servers = ConfigOption(
    "servers", default: [] as TextList, needsRestart: true,
    help: "Resolvers, as 127.0.0.1 or 127.0.0.1@5353. Empty: those of the system's resolv.conf.")
  package let timeout = ConfigOption(
    "timeout", default: TimeSpan.seconds(5), in: .seconds(1) ... .seconds(20), unit: "s",
    needsRestart: true, help: "How long one question may take.")
  package let deadline = ConfigOption(
    "deadline", default: TimeSpan.seconds(10), in: .seconds(1) ... .seconds(25), unit: "s",
    help: "How long all questions about one message may take; then its results are temperror.")
  package let cacheSize = ConfigOption(
    "cache_size", default: ByteSize.megabytes(16),
    in: .megabytes(1) ... .megabytes(1024), needsRestart: true,
    help: "Memory for answers that are kept for as long as they hold.")
  package let dnssec = ConfigOption(
    "dnssec", default: DNSSEC.off, needsRestart: true,
    help: """
      validate: check signatures of zones that have them, and take a bogus answer for none. off: \
      leave it to the resolvers.
      """)
  package let trustAnchor = ConfigOption(
    "trust_anchor", default: FilePath("/usr/share/dns/root.key"), needsRestart: true,
    help: "The key that validation begins with: in Debian of the package dns-root-data.")

  package init() {}
}
