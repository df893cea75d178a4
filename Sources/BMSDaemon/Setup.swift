// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

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
      ($0.element.line ?? 0, $0.offset) < ($1.element.line ?? 0, $1.offset)
    }.map(\.element)
    self.pipeline = faults.contains { $0.severity == .error } ? nil : pipeline
  }

  /// What the option tables cannot say.
  private static func milterFaults(_ configuration: Configuration) -> [ConfigurationFault] {
    let milter = configuration.settings(MilterOptions.self)
    var faults: [ConfigurationFault] = []
    if !milter.socketGroup.isEmpty, groupID(named: milter.socketGroup) == nil {
      faults.append(
        configuration.fault(
          "no group \"\(milter.socketGroup)\" on this machine; is the MTA installed?",
          option: "milter.socket_group"))
    }
    let node = configuration.settings(TrailOptions.self).node
    if !node.isEmpty, !ReferenceCode.isNode(node) {
      faults.append(
        configuration.fault(
          "\"\(node)\" cannot begin a reference: write one letter or digit, but not I, L, O or U",
          option: "trail.node"))
    }
    return faults
  }

  static func groupID(named name: String) -> UInt32? {
    getgrnam(name).map { $0.pointee.gr_gid }
  }
}
