// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Foundation
internal import Glibc
internal import Synchronization

/// Debian's Unbound as a DNS server on a loopback port of its own, which asks nobody. What it was
/// not told does not exist.
package final class UnboundServer: Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  private let folder: TemporaryFolder
  private let pid: pid_t
  /// The port, on 127.0.0.1.
  package let port: UInt16

  /// Answers from `zone`, `NAME TYPE DATA` on each line, and for each name of `signed` from the
  /// zone file of that path, DNSSEC records included. Returns once it answers.
  package init(_ zone: String = "", signed: [String: String] = [:]) throws {
    folder = try TemporaryFolder()
    let program = try Self.executable()
    var log = ""
    // Another process may take the port before Unbound does: then another one is tried.
    for _ in 1...5 {
      let port = try Self.freePort()
      let text = Self.configuration(zone, signed, folder.path, port)
      let configuration = folder.path("unbound.conf")
      try Data(text.utf8).write(to: URL(filePath: configuration))
      let process = Process()
      process.executableURL = program
      process.arguments = ["-d", "-c", configuration]
      let errors = Pipe()
      process.standardError = errors
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      if Self.serves(errors.fileHandleForReading, &log) {
        self.port = port
        pid = process.processIdentifier
        return
      }
    }
    throw Failure(description: "unbound did not start: \(log)")
  }

  /// Reads what it says until it serves or has ended; what it says later is let go.
  private static func serves(_ output: FileHandle, _ log: inout String) -> Bool {
    var said = ""
    while !said.contains("start of service") {
      let data = output.availableData
      guard !data.isEmpty else {
        log += said
        return false
      }
      said += String(decoding: data, as: UTF8.self)
    }
    output.readabilityHandler = { handle in
      if handle.availableData.isEmpty { handle.readabilityHandler = nil }
    }
    return true
  }

  deinit { kill(pid, SIGKILL) }

  /// The server as an option names it.
  package var server: String { "127.0.0.1@\(port)" }

  /// Where `make test` unpacks it, or one that is installed.
  package static func executable() throws -> URL {
    let root = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL
    let environment = ProcessInfo.processInfo.environment
    let cache =
      environment["MTA_CACHE"].map { URL(filePath: $0) } ?? root.appending(path: ".build/mta")
    let unpacked = cache.appending(path: "unbound/usr/sbin/unbound")
    for url in [unpacked, URL(filePath: "/usr/sbin/unbound")]
    where FileManager.default.isExecutableFile(atPath: url.path) {
      return url
    }
    throw Failure(description: "no unbound: Tests/Tools/install-packages --unpacked unbound")
  }

  private static func configuration(
    _ zone: String, _ signed: [String: String], _ folder: String, _ port: UInt16
  ) -> String {
    var text = """
      server:
        directory: "\(folder)"
        chroot: ""
        username: ""
        pidfile: ""
        use-syslog: no
        interface: 127.0.0.1
        port: \(port)
        do-ip6: no
        module-config: "iterator"
        local-zone: "." static
        local-data: ". SOA ns. host. 1 3600 600 86400 300"
      remote-control:
        control-enable: no

      """
    for (name, path) in signed {
      // Beside the root zone of ours it must be said that another one answers here.
      text += """
        server:
          local-zone: "\(name)" transparent
        auth-zone:
          name: "\(name)"
          zonefile: "\(path)"

        """
    }
    let records = zone.split(separator: "\n").map { "  local-data: '\($0)'\n" }
    return text + "server:\n" + records.joined()
  }

  private static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw Failure(description: "no free port") }
    return UInt16(bigEndian: address.sin_port)
  }
}
