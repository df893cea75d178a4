// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Glibc
import Mail
import Milter
import MilterClient
import TestSupport
import Testing

@testable import bmsd

/// Commands against the running daemon, and their effect on mail through real libmilter.
@Suite(.serialized)
struct CommandTests {
  static let sections = """
    [network]
    [banned_ips]
    mode = enforce
    max_demerits = 2
    [allow]

    """

  @Test func bansAndAllowsAtOnce() throws {
    let daemon = try LiveDaemon(Self.sections)
    try daemon.start()
    #expect(try daemon.answer(from: "192.0.2.1") == .proceed)
    #expect(try daemon.command("ban", "add", "192.0.2.0/24", "--for", "1h").status == 0)
    let refused = try daemon.answer(from: "192.0.2.1")
    #expect(refused.code == 550)
    guard case .reply(let reply) = refused else { return }
    #expect(reply.lines.first?.description.hasPrefix("5.7.1 You are banned") == true)
    #expect(try daemon.command("allow", "add", "192.0.2.1", "--note", "ours").status == 0)
    #expect(try daemon.answer(from: "192.0.2.1") == .proceed)
    #expect(try daemon.answer(from: "192.0.2.2").code == 550)
    #expect(try daemon.command("allow", "remove", "192.0.2.1").status == 0)
    #expect(try daemon.answer(from: "192.0.2.1").code == 550)
    #expect(try daemon.command("ban", "remove", "192.0.2.0/24").status == 0)
    #expect(try daemon.answer(from: "192.0.2.1") == .proceed)
    daemon.end(SIGTERM)
  }

  @Test func anEarnedBanOutlivesTheDaemon() throws {
    let daemon = try LiveDaemon(Self.sections)
    try daemon.start()
    #expect(try daemon.answer(from: "192.0.2.1", unknown: 3).code == 550)
    #expect(try daemon.answer(from: "192.0.2.1").code == 550)
    daemon.end(SIGTERM)
    #expect(try daemon.command("status").status == EX_UNAVAILABLE)
    let list = try daemon.command("ban", "list", "--json")
    #expect(list.output.contains(#""value":"192.0.2.1""#))
    #expect(list.output.contains(#""reason":"3 demerits""#))
    #expect(
      try daemon.command("ban", "export", "--format", "zone").output
        == "1.2.0.192 IN A 127.0.0.2\n")
    try daemon.start()
    #expect(try daemon.answer(from: "192.0.2.1").code == 550)
    daemon.end(SIGTERM)
  }

  @Test func startsCleanAfterAKill() throws {
    let daemon = try LiveDaemon(Self.sections)
    try daemon.start()
    #expect(try daemon.command("ban", "add", "192.0.2.1").status == 0)
    daemon.end(SIGKILL)
    #expect(try daemon.command("ban", "list").output.contains("192.0.2.1"))
    try daemon.start()
    #expect(try daemon.answer(from: "192.0.2.1").code == 550)
    #expect(try daemon.command("status").status == 0)
    daemon.end(SIGTERM)
  }

  @Test func tellsItsStatusAndFaults() throws {
    let daemon = try LiveDaemon(Self.sections)
    try daemon.start()
    let well = try daemon.command("status", "--json")
    #expect(well.status == 0)
    #expect(well.output.contains(#""banned_ips":"enforce""#))
    #expect(well.output.contains(#""faults":[]"#))
    try FileManager.default.removeItem(atPath: daemon.folder.path("bms.db"))
    let degraded = try daemon.command("status")
    #expect(degraded.status == 1)
    #expect(degraded.output.contains("FAULT: "))
    #expect(degraded.output.contains("was removed or replaced"))
    daemon.end(SIGTERM)
  }

  @Test func reloadsWhileTheCommandWaits() throws {
    let daemon = try LiveDaemon(Self.sections)
    try daemon.start()
    #expect(try daemon.command("config", "diff") == .init(status: 0, output: "", errors: ""))
    try daemon.write(Self.sections.replacing("enforce", with: "observe") + "[helo]\nnonsense = 1\n")
    let broken = try daemon.command("reload")
    #expect(broken.status == EX_CONFIG)
    #expect(broken.errors.contains("bms.conf:15: "))
    #expect(try daemon.command("status").status == 1)
    try daemon.write(
      Self.sections.replacing("enforce", with: "observe")
        + "[trail]\npath = \(daemon.folder.path("other.db"))\n")
    let diff = try daemon.command("config", "diff", "--json")
    #expect(diff.status == 1)
    #expect(
      diff.output.contains(#""option":"banned_ips.mode","running":"enforce","file":"observe""#))
    let reloaded = try daemon.command("reload")
    #expect(reloaded.status == 0)
    // There was no trail before: it is begun where the file says.
    #expect(reloaded.errors == "")
    #expect(try daemon.command("config", "diff").status == 0)
    #expect(try daemon.command("status").status == 0)
    _ = try daemon.command("ban", "add", "192.0.2.1")
    #expect(try daemon.answer(from: "192.0.2.1") == .proceed)
    daemon.end(SIGTERM)
    #expect(try daemon.command("config", "diff").errors.contains("compared with "))
  }

  @Test func leavesTheDatabaseToOneDaemon() throws {
    let daemon = try LiveDaemon(Self.sections)
    try daemon.start()
    let text = try String(contentsOfFile: daemon.configuration, encoding: .utf8)
    let second = text.replacing("bms.sock", with: "2.sock").replacing("control.sock", with: "c2")
    try Data(second.utf8).write(to: URL(filePath: daemon.configuration))
    let refused = try daemon.command("run")
    #expect(refused.status == EX_UNAVAILABLE)
    #expect(refused.errors.contains("two daemons must not share a database"))
    #expect(!FileManager.default.fileExists(atPath: daemon.folder.path("2.sock")))
    // The file that the daemon began with tells where it listens.
    #expect(try daemon.command("ban", "add", "192.0.2.9").status == 0)
    #expect(try daemon.answer(from: "192.0.2.9").code == 550)
    for name in ["bms.conf.good", "bms.conf.started"] {
      try FileManager.default.removeItem(atPath: daemon.folder.path(name))
    }
    let command = try daemon.command("ban", "list")
    #expect(command.status == EX_UNAVAILABLE)
    #expect(command.errors.contains("is --config its file?"))
    daemon.end(SIGTERM)
  }

  @Test(arguments: [
    ["ban", "add", "nonsense"], ["ban", "add", "192.0.2.1", "--for", "x"],
    ["allow", "add", "@example.org", "--skip", "none"],
    ["allow", "add", "@example.org", "--until", "2026-02-30x"],
    ["allow", "add", "@example.org", "--until", "1999-01-01"],
  ])
  func refusesWhatMakesNoSense(_ arguments: [String]) throws {
    let daemon = try LiveDaemon(Self.sections)
    let outcome = try daemon.run(arguments)
    #expect(outcome.status == EX_USAGE)
    #expect(!outcome.errors.isEmpty)
  }

  @Test func doesNotWaitForASilentDaemon() throws {
    let daemon = try LiveDaemon(Self.sections)
    let silent = try ListeningSocket.open(.unix(path: daemon.folder.path("control.sock")))
    defer { close(silent.descriptor) }
    let began = ContinuousClock.now
    let outcome = try daemon.command("status")
    #expect(outcome.status == EX_UNAVAILABLE)
    #expect(outcome.errors.contains("nobody answers at "))
    #expect(ContinuousClock.now - began < .seconds(10))
  }

  @Test func saysThatThereIsNoDatabase() throws {
    let daemon = try LiveDaemon(Self.sections)
    let text = try String(contentsOfFile: daemon.configuration, encoding: .utf8)
    try Data(text.replacing("[store]\n", with: "").utf8).write(
      to: URL(filePath: daemon.configuration))
    #expect(try daemon.command("check").status == EX_CONFIG)
    try Data("[milter]\n[control]\nsocket = \(daemon.folder.path("none"))\n".utf8).write(
      to: URL(filePath: daemon.configuration))
    let outcome = try daemon.command("ban", "list")
    #expect(outcome.status == EX_CONFIG)
    #expect(outcome.errors.contains("add the section [store]"))
  }
}
