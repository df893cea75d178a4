// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import DNS
internal import Environment
internal import Glibc
internal import Mail

/// Who answers a command, and for how long it may take.
struct ChosenResolver {
  var resolver: any Resolver
  /// How long all questions together may take.
  var limit = Duration.seconds(20)
  /// Who answers, for people.
  var source: String
}

/// Where a command looks things up: a zone file, or DNS servers.
struct ResolverChoice: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Answer from a zone file, NAME TYPE DATA on each line, and from nothing else.",
      valueName: "FILE"),
    completion: .file())
  var zone: String?
  @Option(
    help: ArgumentHelp(
      "A server to ask, as 192.0.2.1 or 192.0.2.1@5353; may be repeated. Else those of [dns].",
      valueName: "ADDRESS@PORT"))
  var server: [String] = []

  func validate() throws {
    guard zone == nil || server.isEmpty else {
      throw ValidationError("give --zone or --server, not both")
    }
    for text in server where NameServer(text) == nil {
      throw ValidationError("--server \(text): write an address, as 192.0.2.1 or 192.0.2.1@5353")
    }
  }

  /// The resolver that is asked for; nil where neither option is given.
  ///
  /// - Throws: as `resolver()`.
  func chosen() throws -> (any Resolver)? {
    zone == nil && server.isEmpty ? nil : try resolver()
  }

  /// - Throws: an exit code, after the fault was printed.
  func resolver() throws -> any Resolver {
    do {
      if let zone { return try ZoneResolver(SystemFiles().read(zone)) }
      var options = UnboundOptions()
      options.servers = server.compactMap { NameServer($0) }
      return try UnboundResolver(options, time: SystemTime(), random: SystemRandom())
    } catch let faults as ZoneFaults {
      let maximum = 20
      for fault in faults.faults.prefix(maximum) {
        Terminal.error("\(zone ?? ""):\(fault.line): \(MailText(fault.message))")
      }
      let more = faults.faults.count - maximum
      if more > 0 { Terminal.error("\(zone ?? ""): and \(more) more bad lines") }
      throw ExitCode(EX_DATAERR)
    } catch {
      let what = zone.map { "\($0): \(error)" } ?? "\(error)"
      Terminal.error("bmsd: \(what)")
      throw ExitCode(zone == nil ? EX_UNAVAILABLE : EX_NOINPUT)
    }
  }

  /// What these options choose, or else `[dns]` of the configuration file; without such a file at
  /// its usual place, the servers of the system.
  ///
  /// - Throws: an exit code, after the fault was printed.
  func resolver(or config: ConfigFile) throws -> ChosenResolver {
    if let zone { return ChosenResolver(resolver: try resolver(), source: zone) }
    if !server.isEmpty {
      return ChosenResolver(resolver: try resolver(), source: server.joined(separator: ", "))
    }
    let system = "the servers of /etc/resolv.conf"
    if config.path == ConfigFile.usualPath, access(config.path, F_OK) != 0 {
      return ChosenResolver(resolver: try resolver(), source: system)
    }
    let configuration = Configuration.load(
      path: config.path, sections: BMSDaemon.sections, coming: BMSDaemon.comingSections,
      read: { try SystemFiles().read($0) })
    let faults =
      configuration.faults.filter { $0.line == nil } + configuration.dnsFaults(SystemFiles())
    for fault in faults where fault.severity == .error { Terminal.error(fault.description) }
    guard !faults.contains(where: { $0.severity == .error }) else { throw ExitCode(EX_CONFIG) }
    let settings = configuration.settings(DNSOptions.self)
    return ChosenResolver(
      resolver: ConfiguredResolver(configuration), limit: settings.deadline.duration,
      source: settings.servers.items.isEmpty
        ? system : settings.servers.items.joined(separator: ", "))
  }
}

extension Duration {
  /// Milliseconds with one digit after the point: `0.3 ms`.
  var milliseconds: String {
    let (seconds, attoseconds) = components
    let tenths = seconds * 10_000 + attoseconds / 100_000_000_000_000
    return "\(tenths / 10).\(tenths % 10) ms"
  }
}
