// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Access
internal import Policies
internal import Addressing
package import Configuration
package import Environment
internal import Glibc
internal import Milter
package import Policy

/// A configuration file, read and proved: what `run`, `check` and a reload begin with.
package struct Setup: Sendable {
  package let configuration: Configuration
  /// The bytes of the file, empty when it could not be read.
  package let source: [UInt8]
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
    // Read once, so that what is proved is what is kept as the last good file.
    let content = Result { try files.read(path) }
    let configuration = Configuration.load(
      path: path, sections: sections, coming: comingSections,
      read: { try $0 == path ? content.get() : files.read($0) })
    self.init(
      configuration, source: (try? content.get()) ?? [], services: services(configuration),
      references: references, modules: modules)
  }

  init(
    _ configuration: Configuration, source: [UInt8] = [], services: Services,
    references: ReferenceSource?, modules: [any PolicyModule.Type] = BMSDaemon.pipeline
  ) {
    self.configuration = configuration
    self.source = source
    var faults = configuration.faults
    var services = services
    faults += Self.accessFaults(configuration, &services)
    faults += configuration.dnsFaults(services.files)
    services.dnsLimit = configuration.settings(DNSOptions.self).deadline.duration
    services.dnsCacheSize = configuration.settings(DNSOptions.self).cacheSize.bytes
    services.contentLimit = configuration.settings(MilterOptions.self).maximumMessage.bytes
    services.contentRoom = configuration.settings(MilterOptions.self).maximumMemory.bytes
    services.hasTrustedRelays = !configuration.settings(NetworkOptions.self).trustedRelay.isEmpty
    var pipeline: PolicyPipeline?
    do {
      pipeline = try PolicyPipeline(modules, configuration, services, references: references)
    } catch {
      faults += error.faults.map { configuration.fault($0.message, option: $0.option) }
    }
    faults += Self.socketFaults(configuration)
    faults += Self.callBackFaults(configuration, services.access)
    faults += Self.banFaults(configuration, services.access)
    faults += Self.pathFaults(configuration)
    faults += Self.storeFaults(configuration, pipeline)
    faults += Self.quarantineFaults(configuration, services.files)
    for module in pipeline?.modules ?? [] {
      faults += module.warnings.map {
        configuration.fault($0.message, option: $0.option, severity: .warning)
      }
    }
    self.faults = faults.enumerated().sorted {
      // What concerns no line, such as "and 12 more", comes last.
      ($0.element.line ?? .max, $0.offset) < ($1.element.line ?? .max, $1.offset)
    }.map(\.element)
    self.pipeline = faults.contains { $0.severity == .error } ? nil : pipeline
  }

  /// Reads the access map for those who ask it. A bad line costs only itself.
  package static func accessFaults(
    _ configuration: Configuration, _ services: inout Services
  ) -> [ConfigurationFault] {
    let text = configuration.settings(SPFOptions.self).accessFile
    guard !text.isEmpty else { return [] }
    let option = "spf.access_file"
    let location = AccessLocation(text)
    guard location.path.hasPrefix("/") else {
      return [configuration.fault("write an absolute path: \"\(text)\" is none", option: option)]
    }
    do throws(AccessTrouble) {
      let map = try AccessMap(location, services.files)
      services.access = map
      return map.faults.map { configuration.fault($0, option: option, severity: .warning) }
    } catch {
      return [configuration.fault(error.description, option: option)]
    }
  }

  /// What the option tables of the sockets cannot say.
  private static func socketFaults(_ configuration: Configuration) -> [ConfigurationFault] {
    let milter = configuration.settings(MilterOptions.self).socketGroup
    let control = configuration.settings(ControlOptions.self).socketGroup
    var faults: [ConfigurationFault] = []
    if !milter.isEmpty, groupID(named: milter) == nil {
      faults.append(
        configuration.fault(
          "no group \"\(milter)\" on this machine; is the MTA installed?",
          option: "milter.socket_group"))
    }
    if !control.isEmpty, groupID(named: control) == nil {
      faults.append(
        configuration.fault(
          "no group \"\(control)\" on this machine", option: "control.socket_group"))
    }
    let node = configuration.settings(TrailOptions.self).node
    if !node.isEmpty, !ReferenceCode.isNode(node) {
      faults.append(
        configuration.fault(
          "\"\(node)\" cannot begin a reference: write one letter or digit, but not I, L, O or U",
          option: "trail.node"))
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
    let socket = configuration.settings(MilterOptions.self).socket
    if socket.isWildcard {
      faults.append(
        configuration.fault(
          "\(socket) listens on every address: whoever reaches it can pose as the MTA; "
            + "name one, such as 127.0.0.1",
          option: "milter.socket", severity: .warning))
    }
    return faults
  }

  /// What call-backs would do is not done yet.
  private static func callBackFaults(
    _ configuration: Configuration, _ access: AccessMap?
  ) -> [ConfigurationFault] {
    guard configuration.settings(SPFOptions.self).mode == .enforce else { return [] }
    let waits = configuration.settings(GreylistOptions.self).mode == .enforce
    let rest = waits ? "" : ", and [greylist] does not enforce: they are let in"
    let words = ["CBV", "DSN"].compactMap { word in
      access?.firstPlace(of: word).map { "\(word) at \($0)" }
    }
    let places = words.isEmpty ? "" : " and \(words.joined(separator: ", "))"
    return [
      configuration.fault(
        "senders to be verified (CBV, DSN: softfail, no credentials\(places)) are only greylisted "
          + "until bmsd can call back\(rest)",
        option: "spf.mode", severity: .warning)
    ]
  }

  /// `BAN` in the access map, which bans nobody as long as nobody is banned at all.
  private static func banFaults(
    _ configuration: Configuration, _ access: AccessMap?
  ) -> [ConfigurationFault] {
    let bans = configuration.settings(BannedIPs.Options.self)
    guard let place = access?.firstPlace(of: "BAN"), !bans.isPresent || bans.mode != .enforce
    else { return [] }
    return [
      configuration.fault(
        "\(place): BAN only refuses, because [banned_ips] does not enforce",
        option: "spf.access_file", severity: .warning)
    ]
  }

  /// Modules whose memory has no place.
  private static func storeFaults(
    _ configuration: Configuration, _ pipeline: PolicyPipeline?
  ) -> [ConfigurationFault] {
    guard !configuration.settings(StoreOptions.self).isPresent else { return [] }
    let homeless = pipeline?.modules.filter { $0.needsStore && $0.isPresent } ?? []
    return homeless.map {
      configuration.fault(
        "[\($0.name)] keeps its state in the database: add the section [store], or set "
          + "mode = off or leave [\($0.name)] out",
        option: configuration.firstOption(of: $0.name))
    }
  }

  static func groupID(named name: String) -> UInt32? {
    getgrnam(name).map { $0.pointee.gr_gid }
  }
}
