// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import BMSDaemon
internal import DNS
internal import Environment
package import Configuration
internal import Logging
package import Policy

/// A daemon's inside without a socket: a configuration, its pipeline, and a world that a test owns.
///
/// A conversation makes one for itself; make one by hand where several conversations share state,
/// or to move the clock between them.
package final class Site: Sendable {
  package let time = FakeTime()
  package let random = FakeRandom()
  package let trail = MemoryTrail(capacity: 1_000_000)
  /// What the quarantine got.
  package let originals = KeptOriginals()
  package let log: LogCollector
  package let configuration: Configuration
  package let pipeline: PolicyPipeline

  /// The order of the real daemon.
  package static var realPipeline: [any PolicyModule.Type] { BMSDaemon.pipeline }

  /// The configuration file is not usable.
  package struct Faults: Error, CustomStringConvertible {
    package let description: String
  }

  /// A site of the configuration `text`, named `bms.conf`, with the real order of policy unless a
  /// test brings its own; `files` are the only ones there are for options that name some, and `zone` is all of DNS.
  ///
  /// `adjust` has the last word on the services. Without `isRefreshed` modules know nothing of the
  /// outside yet, as in the first moment of a daemon.
  ///
  /// - Throws: `Faults` where the file is not usable, `SetupFaults` where a module is not.
  package init(
    _ text: String = "", modules: [any PolicyModule.Type] = BMSDaemon.pipeline,
    files: [String: String] = [:], zone: String = "", level: LogOptions.Level = .debug,
    isRefreshed: Bool = true, services adjust: (inout Services) throws -> Void = { _ in }
  ) throws {
    let source = FakeFiles(files)
    let configuration = Configuration(
      text: text, sections: Self.sections(of: modules), read: { try source.read($0) })
    let errors = configuration.faults.filter { $0.severity == .error }
    guard errors.isEmpty else {
      throw Faults(description: errors.map(\.description).joined(separator: "\n"))
    }
    log = LogCollector()
    var services = Services(
      time: time, random: random, files: source, trail: trail, log: log.logger(level))
    services.quarantine = originals
    services.contentLimit = configuration.settings(MilterOptions.self).maximumMessage.bytes
    services.contentRoom = configuration.settings(MilterOptions.self).maximumMemory.bytes
    services.resolver = try ZoneResolver(zone)
    services.hasTrustedRelays = !configuration.settings(NetworkOptions.self).trustedRelay.isEmpty
    let access = Setup.accessFaults(configuration, &services)
    guard !access.contains(where: { $0.severity == .error }) else {
      throw Faults(description: access.map(\.description).joined(separator: "\n"))
    }
    try adjust(&services)
    self.configuration = configuration
    pipeline = try PolicyPipeline(modules, configuration, services)
    if isRefreshed { pipeline.refresh(by: Deadline(.seconds(20), time)) }
  }

  private static func sections(of modules: [any PolicyModule.Type]) -> [any Section.Type] {
    var sections: [any Section.Type] = [
      MilterOptions.self, NetworkOptions.self, LogOptions.self, StoreOptions.self,
      TrailOptions.self,
    ]
    for module in modules {
      let section = section(of: module)
      if !sections.contains(where: { $0.name == section.name }) { sections.append(section) }
    }
    return sections
  }

  private static func section<M: PolicyModule>(of module: M.Type) -> any Section.Type {
    M.Options.self
  }
}
