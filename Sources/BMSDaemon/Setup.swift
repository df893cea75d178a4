// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
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

  /// Reads `path` and sets up every module, without opening a socket.
  ///
  /// - Parameter services: makes the services from the file's `[log]`.
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
    self.faults = faults
    self.pipeline = faults.contains { $0.severity == .error } ? nil : pipeline
  }

  /// What the option table of `[milter]` cannot say.
  private static func milterFaults(_ configuration: Configuration) -> [ConfigurationFault] {
    let milter = configuration.settings(MilterOptions.self)
    var faults: [ConfigurationFault] = []
    func fault(_ key: String, _ message: String) {
      faults.append(configuration.fault(message, option: "milter.\(key)"))
    }
    if !milter.socketGroup.isEmpty, groupID(named: milter.socketGroup) == nil {
      fault(
        "socket_group",
        "no group \"\(milter.socketGroup)\" on this machine; is the MTA installed?")
    }
    if !(10...7200).contains(milter.timeout.seconds) {
      fault("timeout", "\(milter.timeout.text) is out of range; 10s to 2h")
    }
    if !(0...600).contains(milter.drain.seconds) {
      fault("drain", "\(milter.drain.text) is out of range; 0s to 10m")
    }
    if !(1...30_000).contains(milter.maximumSessions) {
      fault("max_sessions", "\(milter.maximumSessions) is out of range; 1 to 30000")
    }
    return faults
  }

  static func groupID(named name: String) -> UInt32? {
    getgrnam(name).map { $0.pointee.gr_gid }
  }
}
