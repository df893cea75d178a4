// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import Configuration
package import Environment
internal import Glibc
internal import Milter
package import Policy

/// A configuration file, read and proved: what `run`, `check` and a reload begin with.
package struct Setup: Sendable {
  package let configuration: Configuration
  /// The modules, ready to work; nil when there are errors.
  package let pipeline: PolicyPipeline?
  /// Everything that is wrong, in the order of the file.
  package let faults: [ConfigurationFault]

  /// Reads `path` and sets up every module, without opening a socket; `services` makes the
  /// services that the file's `[log]` asks for.
  package init(
    path: String, files: any FileSource, references: ReferenceSource? = nil,
    modules: [any PolicyModule.Type] = BMSDaemon.pipeline,
    services: (Configuration) -> Services
  ) {
    let configuration = Configuration.load(
      path: path, sections: sections, coming: comingSections,
      read: { try files.read($0) })
    self.init(
      configuration, services: services(configuration), references: references, modules: modules)
  }

  init(
    _ configuration: Configuration, services: Services, references: ReferenceSource?,
    modules: [any PolicyModule.Type]
  ) {
    self.configuration = configuration
    var faults = configuration.faults
    var pipeline: PolicyPipeline?
    do {
      pipeline = try PolicyPipeline(modules, configuration, services, references: references)
    } catch {
      faults += error.faults.map { configuration.fault($0.message, option: $0.option) }
    }
    faults += Self.milterFaults(configuration)
    self.faults = faults.enumerated().sorted {
      // What concerns no line, such as "and 12 more", comes last.
      ($0.element.line ?? .max, $0.offset) < ($1.element.line ?? .max, $1.offset)
    }.map(\.element)
    self.pipeline = faults.contains { $0.severity == .error } ? nil : pipeline
  }

  /// What the option table of `[milter]` cannot say.
  private static func milterFaults(_ configuration: Configuration) -> [ConfigurationFault] {
    let milter = configuration.settings(MilterOptions.self)
    var faults: [ConfigurationFault] = []
    if !milter.socketGroup.isEmpty, groupID(named: milter.socketGroup) == nil {
      faults.append(
        configuration.fault(
          "no group \"\(milter.socketGroup)\" on this machine; is the MTA installed?",
          option: "milter.socket_group"))
    }
    let internalClients = configuration.settings(NetworkOptions.self).internalConnect
    // Addresses that nobody has, far apart: a list that holds them all holds everybody.
    if ["192.0.2.1", "198.51.100.1", "10.255.0.1"].compactMap({ IPAddress($0) })
      .allSatisfy({ internalClients.contains($0) })
    {
      faults.append(
        configuration.fault(
          "every client is ours by this: HELO checks, bans and greylisting are for nobody",
          option: "network.internal_connect", severity: .warning))
    }
    if milter.socket.isWildcard {
      faults.append(
        configuration.fault(
          "\(milter.socket) listens on every address: whoever reaches it can pose as the MTA; "
            + "name one, such as 127.0.0.1",
          option: "milter.socket", severity: .warning))
    }
    return faults
  }

  static func groupID(named name: String) -> UInt32? {
    getgrnam(name).map { $0.pointee.gr_gid }
  }
}
