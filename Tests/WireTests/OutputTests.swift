// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import GRDB
import Glibc
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// What commands print, and where it goes.
  @Suite struct Output {
    static let sections = """
      [network]
      [helo]
      mode = enforce
      [greylist]
      mode = observe
      [banned_ips]
      mode = enforce
      """

    /// Triplets that take more room than a pipe has.
    private static let triplets =
      Importing.header
      + (0..<5000).map {
        "192.0.2.0/24,s\($0)@example.com,b@example.org,1795219200,1795219200,1,,2\n"
      }.joined()

    private func imported(_ daemon: LiveDaemon) throws {
      let path = daemon.folder.path("list")
      try Data(Self.triplets.utf8).write(to: URL(filePath: path))
      let outcome = try daemon.command("greylist", "import", path)
      #expect(outcome.output.hasPrefix("5000 "), "\(outcome)")
    }

    /// A command whose output nobody reads yet.
    private func begin(_ arguments: [String], _ daemon: LiveDaemon) throws -> (Process, Pipe) {
      let command = Process()
      command.executableURL = try LiveDaemon.executable()
      command.arguments = arguments + ["--config", daemon.configuration]
      let pipe = Pipe()
      command.standardOutput = pipe
      command.standardError = FileHandle.nullDevice
      try command.run()
      return (command, pipe)
    }

    @Test func aDaemonStartsWhileSomebodyReads() throws {
      let daemon = try LiveDaemon(Self.sections)
      try daemon.start()
      try imported(daemon)
      daemon.end(SIGTERM)
      let (command, pipe) = try begin(["greylist", "export"], daemon)
      // Its first bytes are here, and the rest cannot be written.
      let head = try #require(try pipe.fileHandleForReading.read(upToCount: 10))
      try daemon.start()
      #expect(try daemon.command("status").status == 0)
      let rest = pipe.fileHandleForReading.readDataToEndOfFile()
      command.waitUntilExit()
      #expect(command.terminationStatus == 0)
      #expect((head + rest).count { $0 == 0x0A } == 5001)
      daemon.end(SIGTERM)
    }

    @Test func slowReadersKeepNobodyFromAsking() throws {
      let daemon = try LiveDaemon(Self.sections)
      try daemon.start()
      try imported(daemon)
      let slow = try (0..<6).map { _ in
        let own = try begin(["greylist", "export"], daemon)
        #expect(try own.1.fileHandleForReading.read(upToCount: 10)?.isEmpty == false)
        return own
      }
      #expect(try daemon.command("status").status == 0)
      for (command, pipe) in slow {
        let rest = pipe.fileHandleForReading.readDataToEndOfFile()
        command.waitUntilExit()
        #expect(command.terminationStatus == 0 && rest.count { $0 == 0x0A } == 5001)
      }
      daemon.end(SIGTERM)
    }

    @Test(
      arguments: [
        ["config", "show"], ["pipeline"], ["check"], ["ban", "list"],
        ["greylist", "stats"], ["greylist", "export"], ["config", "explain", "trail.keep"],
      ])
    func aFullDeviceIsNoticed(_ arguments: [String]) throws {
      let daemon = try LiveDaemon(Self.sections)
      try daemon.start()
      daemon.end(SIGTERM)
      _ = try daemon.command("ban", "add", "192.0.2.1")
      let outcome = try daemon.shell("\(arguments.joined(separator: " ")) >/dev/full")
      #expect(outcome.status == EX_IOERR && outcome.errors.contains("written"), "\(outcome)")
    }

    /// What takes no file.
    @Test(arguments: ["--help", "--version", "help ban", "config doc", "config doc --format man"])
    func aFullDeviceIsNoticedByHelp(_ arguments: String) throws {
      let daemon = try LiveDaemon(Self.sections)
      let exe = try LiveDaemon.executable().path
      let outcome = try daemon.run(
        [], prefix: ["/bin/sh", "-c", "'\(exe)' \(arguments) >/dev/full"])
      #expect(outcome.status == EX_IOERR, "\(outcome)")
    }

    @Test func aPagerThatIsNotThereLosesNothing() throws {
      let daemon = try LiveDaemon(Self.sections)
      try daemon.start()
      for number in 1...9 { _ = try daemon.command("ban", "add", "192.0.2.\(number)") }
      let exe = try LiveDaemon.executable().path
      for pager in ["/nonexistent", "/etc/passwd", ""] {
        let line =
          "stty rows 5 cols 80; PAGER='\(pager)' '\(exe)' ban list --config '\(daemon.configuration)'"
        let outcome = try daemon.run(
          [], prefix: ["/bin/sh", "-c", #"exec script -qec "$1" /dev/null"#, "sh", line])
        for number in 1...9 { #expect(outcome.output.contains("192.0.2.\(number)"), "\(outcome)") }
      }
      daemon.end(SIGTERM)
    }

    @Test func aBrokenFileHidesNoDecision() throws {
      let trail = "\n[trail]\nnode =\n"
      let daemon = try LiveDaemon(Self.sections)
      try daemon.write(Self.sections + "\n[trail]\npath = \(daemon.folder.path("trail.db"))")
      try daemon.start()
      let session = try daemon.client("192.0.2.7")
      _ = try session.helo("192.0.2.7")
      _ = try session.mail(["<a@example.com>"])
      #expect(try session.rcpt(["<refused@local.test>"]).code == 550)
      session.closeAbruptly()
      // Written a moment after the client left.
      let end = ContinuousClock.now + .seconds(20)
      var before = try daemon.command("log", "--json")
      while before.output.isEmpty, ContinuousClock.now < end {
        before = try daemon.command("log", "--json")
      }
      daemon.end(SIGTERM)
      // The recipient has its place, though no mail to it was taken.
      #expect(before.output.contains(#""to":["<refused@local.test>"]"#), "\(before)")
      try daemon.write(Self.sections + trail + "nonsense = 1\n[netwrok]\n")
      let after = try daemon.command("log", "--json")
      #expect(after.status == 0 && after.output == before.output, "\(after)")
      #expect(after.errors.contains("bms.conf:") && after.errors.contains("bms.conf.good"))
      // Without one that was good there is nothing to go by.
      unlink(daemon.folder.path("bms.conf.good"))
      #expect(try daemon.command("log").status == EX_CONFIG)
    }
  }

  /// What root may read and the daemon's user may not.
  @Suite(.enabled(if: geteuid() == 0)) struct ImportingAsRoot {
    @Test func aDatabaseIsReadThroughACopy() throws {
      let rights = try Rights()
      let daemon = rights.daemon
      let secret = daemon.folder.path("secret")
      try #require(mkdir(secret, 0o700) == 0)
      let path = "\(secret)/grey.db"
      let queue = try DatabaseQueue(path: path)
      try queue.write { db in
        try db.execute(
          sql: """
            CREATE TABLE greylist (ip, sender, recipient, firstseen, lastseen, cnt, umis);
            INSERT INTO greylist VALUES
              ('192.0.2.9', 'x@example.com', 'b@local.test', unixepoch() - 9000,
                unixepoch() - 10, 3, NULL)
            """)
      }
      try queue.close()
      let outcome = try daemon.command("greylist", "import", path)
      #expect(outcome.status == 0 && outcome.output.hasPrefix("1 triplets taken"), "\(outcome)")
      #expect(outcome.errors.contains("root's rights are given up"), "\(outcome)")
      let left = try FileManager.default.contentsOfDirectory(atPath: rights.state)
      #expect(!left.contains { $0.contains("import") })
      #expect(try daemon.command("greylist", "show", "x@example.com").status == 0)
      daemon.end(SIGTERM)
    }
  }
}
