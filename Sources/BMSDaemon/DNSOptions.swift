// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import DNS
package import Environment
internal import Synchronization

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
    help: """
      Memory for answers that are kept for as long as they hold; what SPF makes of them takes up to \
      about as much again.
      """)
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

extension Configuration {
  /// What is wrong with `[dns]` beyond its table.
  package func dnsFaults(_ files: some FileSource) -> [ConfigurationFault] {
    let settings = settings(DNSOptions.self)
    var faults = settings.servers.items.filter { NameServer($0) == nil }.map {
      fault(
        "\"\($0)\" is no server: write an address, as 127.0.0.1 or 127.0.0.1@5353",
        option: "dns.servers")
    }
    if settings.dnssec == .validate, let trouble = anchorTrouble(settings.trustAnchor, files) {
      // The default has no line of its own: the option that asks for it has.
      let isWritten = location(of: "dns.trust_anchor") != .default
      faults.append(
        fault(
          "the trust anchor \(settings.trustAnchor.path): \(trouble)",
          option: isWritten ? "dns.trust_anchor" : "dns.dnssec"))
    }
    return faults
  }

  /// Without it every answer would be a failure, and all mail deferred.
  private func anchorTrouble(_ anchor: FilePath, _ files: some FileSource) -> String? {
    do {
      let words = try files.read(anchor.path).split { $0 == 0x20 || (0x09...0x0D).contains($0) }
      let hasKey = words.contains { word in
        ["DS", "DNSKEY"].contains(String(decoding: word.prefix(7), as: UTF8.self).uppercased())
      }
      return hasKey ? nil : "it has no DS and no DNSKEY record"
    } catch {
      return "\(error)"
    }
  }
}

extension UnboundOptions {
  /// What `[dns]` says.
  package init(_ settings: Settings<DNSOptions>) {
    self.init()
    servers = settings.servers.items.compactMap { NameServer($0) }
    // No question is given more time than a message has: who waited that long has waited in vain.
    timeout = min(settings.timeout.duration, settings.deadline.duration)
    cacheSize = settings.cacheSize.bytes
    if settings.dnssec == .validate { trustAnchor = settings.trustAnchor.path }
  }
}

/// DNS as `[dns]` says, made when the first question comes: most commands ask none, and the daemon
/// makes no thread before it has given up root.
package final class ConfiguredResolver: Resolver {
  private let options: UnboundOptions
  private let resolver = Mutex<(any Resolver)?>(nil)

  package init(_ configuration: Configuration) {
    options = UnboundOptions(configuration.settings(DNSOptions.self))
  }

  package func resolve(_ question: Question, by deadline: Deadline) -> Response {
    let made = resolver.withLock { resolver -> any Resolver in
      if let resolver { return resolver }
      let new: any Resolver
      do {
        new = try UnboundResolver(options, time: SystemTime(), random: SystemRandom())
      } catch {
        new = NoResolver(because: "\(error)")
      }
      resolver = new
      return new
    }
    return made.resolve(question, by: deadline)
  }
}
