// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Glibc

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prove the configuration file before anything runs.",
    discussion: """
      Prints every fault as file:line: what, all in one run. Exit status 78 when there is an \
      error, 0 when there are none or only warnings.
      """)

  @OptionGroup var config: ConfigFile
  @Flag(help: "One JSON object a fault.") var json = false

  func run() throws {
    let setup = try config.setup()
    var faults = setup.faults
    if setup.pipeline != nil, let networks = MyNetworks.ofThisMachine() {
      faults += networks.differences(from: setup.configuration).map {
        setup.configuration.fault($0, option: "network.internal_connect", severity: .warning)
      }
    }
    for fault in faults {
      print(json ? Terminal.json(fields(fault)) : fault.description)
    }
    if setup.pipeline == nil { throw ExitCode(EX_CONFIG) }
    if !json {
      print(faults.isEmpty ? "\(config.path): well" : "\(config.path): usable, with warnings")
    }
  }

  private func fields(_ fault: ConfigurationFault) -> [(String, JSONValue)] {
    [
      ("file", .string(fault.file)), ("line", fault.line.map { .number($0) } ?? .null),
      ("severity", .string(fault.severity == .error ? "error" : "warning")),
      ("message", .string(fault.message)),
    ]
  }
}
