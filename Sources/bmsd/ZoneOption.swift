// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import DNS
internal import Environment
internal import Glibc

/// `--zone FILE`, which commands take that ask DNS.
struct ZoneOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "All of DNS: a record a line, as `example.com TXT \"v=spf1 -all\"`; what is not in it does "
        + "not exist. Nothing is asked of the network then.", valueName: "FILE"),
    completion: .file())
  var zone: String?

  /// The resolver of the file; nil without one.
  ///
  /// - Throws: exit 66 when it cannot be read, 65 when a line is wrong; each is printed.
  func resolver() throws -> (any Resolver)? {
    guard let zone else { return nil }
    let bytes: [UInt8]
    do {
      bytes = try SystemFiles().read(zone)
    } catch {
      Terminal.error("bmsd: \(zone): \(error)")
      throw ExitCode(EX_NOINPUT)
    }
    do throws(ZoneFaults) {
      return try ZoneResolver(bytes)
    } catch {
      for fault in error.faults { Terminal.error("\(zone):\(fault.line): \(fault.message)") }
      throw ExitCode(EX_DATAERR)
    }
  }
}
