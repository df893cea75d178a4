// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import DNS
import Foundation
import Glibc
import TestSupport
import Testing

/// `bmsd spf check` and `bmsd dns lookup`, which need no daemon.
@Suite struct LookupCommandTests {
  static let zone = """
    example.com TXT "v=spf1 a include:b.example -all exp=e.example"
    example.com A 192.0.2.9
    b.example TXT "v=spf1 ip4:192.0.2.0/29 -all"
    e.example TXT "%{i} is not ours"
    www.example.com CNAME example.com
    9.2.0.192.in-addr.arpa PTR example.com
    slow.example TIMEOUT
    """

  typealias Outcome = LiveDaemon.Outcome

  static func run(_ arguments: [String]) throws -> Outcome {
    try LiveDaemon.run([LiveDaemon.executable().path] + arguments)
  }

  /// Runs a command with the zone as a file.
  static func runWithZone(_ arguments: [String], zone: String = zone) throws -> Outcome {
    let folder = try TemporaryFolder()
    let path = folder.path("zone")
    try Data(zone.utf8).write(to: URL(filePath: path))
    var outcome = try run(arguments + ["--zone", path])
    outcome.errors = outcome.errors.replacing(path, with: "zone")
    return outcome
  }

  @Test("both engines", arguments: ["native", "libspf2"])
  func checksSPF(_ engine: String) throws {
    let common = ["spf", "check", "--engine", engine, "--json", "--helo", "h.example", "--from"]
    let pass = try Self.runWithZone(common + ["a@example.com", "--ip", "192.0.2.1"])
    #expect(pass.status == 0)
    #expect(pass.output.hasPrefix(#"{"result":"pass","explanation":null,"mechanism":"#))
    #expect(pass.output.contains(#""lookups":2,"void_lookups":0"#))
    let fail = try Self.runWithZone(common + ["a@example.com", "--ip", "198.51.100.1"])
    #expect(fail.status == 0)
    #expect(fail.output.hasPrefix(#"{"result":"fail","explanation":"198.51.100.1 is not ours","#))
    let slow = try Self.runWithZone(common + ["a@slow.example", "--ip", "192.0.2.1"])
    #expect(slow.status == EX_TEMPFAIL)
    #expect(slow.output.hasPrefix(#"{"result":"temperror","#))
  }

  @Test func showsTheStepsOfAnEvaluation() throws {
    let shown = try Self.runWithZone([
      "spf", "check", "--ip", "192.0.2.1", "--from", "a@example.com", "--explain",
    ])
    #expect(shown.status == 0)
    let lines = shown.output.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(
      Array(lines.prefix(4)) == [
        "result        pass", "mechanism     include:b.example", "lookups       2 of 10",
        "void lookups  0 of 2",
      ])
    #expect(
      Array(lines.suffix(6)) == [
        "example.com = pass", "  a: no match", "  include:b.example: match: pass",
        "    b.example = pass", "      ip4:192.0.2.0/29: match: pass", "",
      ])
    #expect(lines.contains { $0.hasPrefix("1     example.com A    answer  1 ") })
  }

  @Test(
    "a lookup",
    arguments: [
      (["TXT", "e.example"], Int32(0), #"{"name":"e.example","type":"TXT","result":"answer","#),
      (["ptr", "192.0.2.9"], 0, #""records":["example.com"]"#),
      (["A", "www.example.com"], 0, #""aliases":["example.com"]"#),
      (["MX", "example.com"], 1, #""result":"no data""#),
      (["MX", "nothing.example"], 1, #""result":"NXDOMAIN""#),
      (["MX", "slow.example"], EX_TEMPFAIL, #""result":"timeout""#),
    ])
  func looksUp(_ arguments: [String], _ status: Int32, _ part: String) throws {
    let outcome = try Self.runWithZone(["dns", "lookup", "--json"] + arguments)
    #expect(outcome.status == status)
    #expect(outcome.output.contains(part), "\(outcome.output)")
  }

  @Test func asksAServer() throws {
    let server = try LoopbackDNSServer(Self.zone)
    let outcome = try Self.run([
      "dns", "lookup", "A", "example.com", "--server", "\(server.server)",
    ])
    #expect(outcome.status == 0)
    #expect(
      outcome.output.hasPrefix("192.0.2.9\n-- example.com A, 300 s to live, DNSSEC unchecked"))
    let spf = try Self.run([
      "spf", "check", "--ip", "192.0.2.1", "--from", "a@example.com", "--server",
      "\(server.server)",
    ])
    #expect(spf.output.hasPrefix("result        pass\n"))
  }

  @Test(
    "wrong usage",
    arguments: [
      ["spf", "check", "--ip", "x", "--from", "a@b.example"],
      ["spf", "check", "--ip", "192.0.2.1"],
      ["dns", "lookup", "SPF", "example.com"], ["dns", "lookup", "A", "a..b"],
      ["dns", "lookup", "A", "a.b", "--server", "ns.example"],
      [
        "spf", "check", "--ip", "192.0.2.1", "--from", "a@b.example", "--explain", "--engine",
        "libspf2",
      ],
    ])
  func refusesUsage(_ arguments: [String]) throws {
    let outcome = try Self.run(arguments)
    #expect(outcome.status == EX_USAGE)
    #expect(outcome.errors.hasPrefix("Error: "))
  }

  @Test func namesWhatIsWrongWithAZone() throws {
    let bad = try Self.runWithZone(["dns", "lookup", "A", "a.example"], zone: "x\ny A z\n")
    #expect(bad.status == EX_DATAERR)
    #expect(bad.errors == "zone:1: the type is missing\nzone:2: 'z' is no IPv4 address\n")
    let hostile = try Self.runWithZone(
      ["dns", "lookup", "A", "a.example"],
      zone: String(repeating: "y A \u{1B}[2J\u{202E}\n", count: 25))
    #expect(hostile.status == EX_DATAERR)
    #expect(!hostile.errors.contains { $0 == "\u{1B}" || $0 == "\u{202E}" })
    #expect(hostile.errors.split(separator: "\n").count == 21)
    #expect(hostile.errors.hasSuffix("zone: and 5 more bad lines\n"))
    let missing = try Self.run(["dns", "lookup", "A", "a.example", "--zone", "/no/such/zone"])
    #expect(missing.status == EX_NOINPUT)
    #expect(missing.errors == "bmsd: /no/such/zone: No such file or directory\n")
  }
}
