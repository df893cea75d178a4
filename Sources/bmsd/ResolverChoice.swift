// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import DNS
internal import Environment
internal import Glibc

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
      "A server to ask, as 192.0.2.1 or 192.0.2.1@5353; may be repeated. Else the system's.",
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
      for fault in faults.faults {
        Terminal.error("\(zone ?? ""):\(fault.line): \(fault.message)")
      }
      throw ExitCode(EX_DATAERR)
    } catch {
      let what = zone.map { "\($0): \(error)" } ?? "\(error)"
      Terminal.error("bmsd: \(what)")
      throw ExitCode(zone == nil ? EX_UNAVAILABLE : EX_NOINPUT)
    }
  }

  /// Who answers, for people.
  var source: String {
    if let zone { return zone }
    return server.isEmpty ? "the servers of /etc/resolv.conf" : server.joined(separator: ", ")
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
