// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation

/// Unbound on a loopback port, which knows the clients of the benchmark and nobody else; killed
/// with the value.
final class NameServer {
  /// Of loopback.
  let port: UInt16
  /// As `[dns] servers` names it.
  var address: String { "127.0.0.1@\(port)" }
  private let process = Process()

  /// Starts `program` with the names of the first `clients` senders, and waits until it serves.
  init(_ program: String, clients: Int, port: UInt16, folder: URL) throws {
    guard FileManager.default.isExecutableFile(atPath: program) else {
      throw BenchmarkError("\(program) is no program: run make bench")
    }
    self.port = port
    let configuration = folder.appending(path: "unbound-\(port).conf")
    let text = """
      server:
        directory: "\(folder.path)"
        chroot: ""
        username: ""
        pidfile: ""
        use-syslog: no
        interface: 127.0.0.1
        port: \(port)
        do-ip6: no
        num-threads: 1
        module-config: "iterator"
        local-zone: "." static
        local-data: ". SOA ns. host. 1 3600 600 86400 3600"
      \(Self.records(clients))\(Self.forwarders)remote-control:
        control-enable: no

      """
    try Data(text.utf8).write(to: configuration)
    process.executableURL = URL(filePath: program)
    process.arguments = ["-d", "-c", configuration.path]
    process.standardOutput = FileHandle.nullDevice
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    var log = ""
    while !log.contains("start of service") {
      let data = errors.fileHandleForReading.availableData
      guard !data.isEmpty else { throw BenchmarkError("unbound did not start: \(log)") }
      log += String(decoding: data, as: UTF8.self)
    }
  }

  deinit {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// Of each trusted forwarder the address.
  private static var forwarders: String {
    (0..<Correspondence.forwarders).map { number in
      let forwarder = Correspondence.forwarder(number)
      return "  local-data: '\(forwarder.domain). TXT \"v=spf1 ip4:\(forwarder.address) -all\"'\n"
    }.joined()
  }

  /// Of each client the name, and of its domain an SPF record as they are: a mechanism that asks
  /// DNS, and networks.
  private static func records(_ clients: Int) -> String {
    (0..<clients).map { number in
      let client = Correspondence.once(number)
      let octets = "\(client.address)".split(separator: ".")
      let reverse = octets.reversed().joined(separator: ".") + ".in-addr.arpa."
      let policy = "v=spf1 a:\(client.name) ip4:203.0.113.0/24 -all"
      return """
          local-data: '\(client.domain). TXT "\(policy)"'
          local-data: '\(client.name). A \(client.address)'
          local-data: '\(reverse) PTR \(client.name).'

        """
    }.joined()
  }
}
