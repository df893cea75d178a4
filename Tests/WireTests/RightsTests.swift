// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Glibc
import Mail
import Milter
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// Commands of root, of the daemon's user and of anybody else; only root can test that.
  @Suite(.enabled(if: geteuid() == 0)) struct Rights {
    /// A user that every Debian has, as whom the daemon runs here.
    static let owner: uid_t = 1
    static let nobody = [
      "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    ]
    static let asOwner = ["/usr/bin/setpriv", "--reuid=1", "--regid=1", "--clear-groups"]

    /// What looks at the trail or the greylist, and what changes lists.
    static let commands = [
      ["log"], ["log", "--json"], ["stats"], ["greylist", "list"], ["greylist", "stats"],
      ["greylist", "show", "a@example.com"], ["greylist", "export"], ["greylist", "purge"],
      ["ban", "list"], ["allow", "list"], ["ban", "add", "192.0.2.99"],
    ]

    let daemon: LiveDaemon
    let state: String

    init() throws {
      daemon = try LiveDaemon("")
      state = daemon.folder.path("state")
      try #require(mkdir(state, 0o750) == 0)
      try #require(chown(state, Self.owner, 1) == 0)
      let text = """
        [milter]
        socket = unix:\(daemon.folder.path("bms.sock"))
        drain = 0s
        [control]
        socket = \(daemon.folder.path("control.sock"))
        [store]
        path = \(state)/bms.db
        min_free = 0
        [network]
        [greylist]
        mode = enforce
        scope = recipient
        [banned_ips]
        mode = enforce
        [trail]
        path = \(state)/trail.db
        """
      try Data(text.utf8).write(to: URL(filePath: daemon.configuration))
      try daemon.start()
      try #require(try daemon.answer(from: "192.0.2.1").code == 451)
    }

    /// The reference of the one mail there is; the trail is written a moment after the answer.
    private func reference() throws -> String {
      let end = ContinuousClock.now + .seconds(20)
      var line = ""
      while line.isEmpty, ContinuousClock.now < end {
        line = try daemon.command("log", "--json").output
      }
      return try #require(line.firstMatch(of: /"ref":"([^"]+)"/).map { String($0.1) })
    }

    private func owners() throws -> Set<Int> {
      let names = try FileManager.default.contentsOfDirectory(atPath: state)
      return Set(
        try names.map { name in
          let owner = try FileManager.default.attributesOfItem(atPath: "\(state)/\(name)")[
            .ownerAccountID]
          return (owner as? NSNumber)?.intValue ?? -1
        })
    }

    @Test func rootWorksAsTheOwnerOfTheFolder() throws {
      #expect(try daemon.command("status").status == 0)
      daemon.end(SIGTERM)
      let name = try reference()
      let all =
        Self.commands + [
          ["explain", name], ["try", "--ref", name],
          ["greylist", "pass", "a@example.com", "b@local.test"],
        ]
      for arguments in all {
        let outcome = try daemon.run(arguments)
        #expect(outcome.status <= 1, "\(arguments): \(outcome)")
      }
      #expect(try owners() == [Int(Self.owner)])
      // What only root could read is not read: the command is not root any more.
      for file in ["bms.db", "trail.db"] {
        chown("\(state)/\(file)", 0, 0)
        chmod("\(state)/\(file)", 0o600)
      }
      for arguments in all {
        let outcome = try daemon.run(arguments)
        #expect(outcome.status == EX_NOPERM, "\(arguments): \(outcome)")
        #expect(outcome.errors.hasPrefix("bmsd: \(state)/"), "\(arguments): \(outcome)")
      }
    }

    @Test func rootReadsWhatItImportsBefore() throws {
      daemon.end(SIGTERM)
      let secret = daemon.folder.path("secret")
      try #require(mkdir(secret, 0o700) == 0)
      try Data("192.0.2.0/24,x@y,b@local.test,1795219200,1795219200,3,\n".utf8).write(
        to: URL(filePath: "\(secret)/list"))
      chmod("\(secret)/list", 0o600)
      let outcome = try daemon.command("greylist", "import", "\(secret)/list")
      #expect(!outcome.errors.contains("denied"), "\(outcome)")
      #expect(outcome.output.hasSuffix("of 1\n"))
    }

    @Test func theDaemonsUserMay() throws {
      let name = try reference()
      for isRunning in [true, false] {
        if !isRunning { daemon.end(SIGTERM) }
        for arguments in Self.commands + [["explain", name]] {
          let outcome = try daemon.run(arguments, prefix: Self.asOwner)
          #expect(outcome.status <= 1, "\(arguments): \(outcome)")
        }
      }
      #expect(try owners() == [Int(Self.owner)])
    }

    @Test func nobodyElseMay() throws {
      let name = try reference()
      let all = Self.commands + [["explain", name], ["try", "--ref", name]]
      for arguments in all + [["status"], ["reload"]] {
        let outcome = try daemon.run(arguments, prefix: Self.nobody)
        #expect(outcome.status == EX_NOPERM, "\(arguments): \(outcome)")
        #expect(outcome.output.isEmpty && outcome.errors.hasPrefix("bmsd: "), "\(outcome)")
      }
      daemon.end(SIGTERM)
      // Its folder is root's here, so the daemon could not remove it.
      unlink(daemon.folder.path("control.sock"))
      // With a folder that all may look into it is the files that they may not write.
      for mode: mode_t in [0o750, 0o755] {
        chmod(state, mode)
        for arguments in all {
          let outcome = try daemon.run(arguments, prefix: Self.nobody)
          #expect(outcome.status == EX_NOPERM, "\(arguments): \(outcome)")
          #expect(outcome.errors.contains("root and bmsd's user may"), "\(outcome)")
        }
      }
      #expect(try owners() == [Int(Self.owner)])
    }

    @Test func aFileThatMayNotBeReadIsNotCalledFaulty() throws {
      daemon.end(SIGTERM)
      chmod(daemon.configuration, 0o600)
      for arguments in [["check"], ["config", "show"], ["status"], ["log"], ["run"], ["pipeline"]] {
        let outcome = try daemon.run(arguments, prefix: ["/usr/bin/timeout", "20"] + Self.nobody)
        #expect(outcome.status == EX_NOPERM, "\(arguments): \(outcome)")
        #expect(outcome.errors.contains("as root or with sudo"), "\(arguments): \(outcome)")
      }
      chmod(daemon.configuration, 0o644)
    }

    /// A file with both sockets in a folder of the daemon's user.
    private func useOwnFolder(_ more: String) throws {
      let text = try String(contentsOfFile: daemon.configuration, encoding: .utf8)
        .replacing("control.sock", with: "state/control.sock\n\(more)")
        .replacing("bms.sock", with: "state/bms.sock")
      try Data(text.utf8).write(to: URL(filePath: daemon.configuration))
      chmod(daemon.configuration, 0o644)
    }

    private func owner(_ path: String) -> uid_t? {
      var status = stat()
      return lstat(path, &status) == 0 ? status.st_uid : nil
    }

    @Test func rootLeavesNoSocketBehindThatItsSuccessorCannotUse() throws {
      daemon.end(SIGTERM)
      try useOwnFolder("")
      try daemon.start()
      for name in ["bms.sock", "control.sock"] {
        #expect(owner("\(state)/\(name)") == Self.owner, "\(name)")
      }
      daemon.end(SIGKILL)
      // Started as its user it takes them over; the second one finds that it runs.
      try daemon.start(prefix: Self.asOwner)
      #expect(try daemon.command("status").status == 0)
      daemon.end(SIGTERM)
      // Somebody else's: nothing is said that nobody knows.
      try ListeningSocket.open(.unix(path: "\(state)/bms.sock"), mode: 0o600).closeDescriptor()
      let outcome = try daemon.run(["run"], prefix: ["/usr/bin/timeout", "20"] + Self.asOwner)
      #expect(outcome.status == EX_UNAVAILABLE)
      #expect(outcome.errors.contains("bms.sock belongs to root"), "\(outcome)")
      #expect(!outcome.errors.contains("another process"), "\(outcome)")
    }

    @Test func aGroupThatTheDaemonMayNotGiveAwayIsAFault() throws {
      daemon.end(SIGTERM)
      try useOwnFolder("socket_group = games")
      let group = try #require(getgrnam("games")).pointee.gr_gid
      try daemon.start(prefix: Self.asOwner)
      let status = try daemon.command("status")
      #expect(status.status == 1)
      #expect(status.output.contains("SupplementaryGroups=games"), "\(status)")
      #expect(try daemon.run(["ban", "list"], prefix: Self.asOwner).status == 0)
      daemon.end(SIGTERM)
      // A process may give its file to a group that it is in.
      try daemon.start(prefix: [
        "/usr/bin/setpriv", "--reuid=1", "--regid=1", "--groups=\(group)",
      ])
      #expect(try daemon.command("status").status == 0)
      chmod(state, 0o751)
      let member = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--groups=\(group)"]
      #expect(try daemon.run(["status"], prefix: member).status == 0)
      #expect(try daemon.run(["status"], prefix: Self.nobody).status == EX_NOPERM)
      daemon.end(SIGTERM)
      // In a setgid folder it need not.
      let folder = daemon.folder.path("control")
      try #require(mkdir(folder, 0o750) == 0 && chown(folder, Self.owner, group) == 0)
      try #require(chmod(folder, 0o2750) == 0)
      let text = try String(contentsOfFile: daemon.configuration, encoding: .utf8)
        .replacing("state/control.sock", with: "control/control.sock")
      try Data(text.utf8).write(to: URL(filePath: daemon.configuration))
      try daemon.start(prefix: Self.asOwner)
      #expect(try daemon.run(["status"], prefix: member).status == 0)
      daemon.end(SIGTERM)
    }

    /// Read-only for the daemon's user: nothing starts that could not learn.
    @Test("fault 18: a read-only database is said at start") func aReadOnlyDatabaseIsSaidAtStart()
      throws
    {
      daemon.end(SIGTERM)
      for end in ["", "-wal", "-shm"] { chmod("\(state)/bms.db\(end)", 0o440) }
      let file = try daemon.run(["run"], prefix: ["/usr/bin/timeout", "20"])
      #expect(file.status == EX_UNAVAILABLE)
      #expect(file.errors.contains("\(state)/bms.db: the database, or its folder, cannot"))
      #expect(file.errors.contains("must belong to bmsd's user"))
      for end in ["", "-wal", "-shm"] { chmod("\(state)/bms.db\(end)", 0o640) }
      unlink("\(state)/bms.db.lock")
      chmod(state, 0o550)
      let folder = try daemon.run(["run"], prefix: ["/usr/bin/timeout", "20"])
      #expect(folder.status == EX_UNAVAILABLE)
      #expect(folder.errors.contains("\(state)/bms.db"), "\(folder)")
      #expect(folder.errors.contains("must belong to bmsd's user"), "\(folder)")
      chmod(state, 0o750)
      try daemon.start()
      #expect(try daemon.command("status").status == 0)
      daemon.end(SIGTERM)
    }
  }

  /// Something listens at the control socket, but nobody answers.
  @Suite struct SilentControl {
    static let commands = [
      ["status"], ["reload"], ["ban", "list"], ["ban", "add", "192.0.2.1"],
      ["allow", "list"],
    ]

    @Test(arguments: commands) func aStoppedDaemon(_ arguments: [String]) throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      try daemon.start()
      kill(daemon.process.processIdentifier, SIGSTOP)
      let began = ContinuousClock.now
      let outcome = try daemon.run(arguments)
      #expect(ContinuousClock.now - began < .seconds(10))
      #expect(outcome.status == EX_UNAVAILABLE)
      #expect(outcome.errors.contains("nobody answers at \(daemon.folder.path("control.sock"))"))
      kill(daemon.process.processIdentifier, SIGCONT)
      #expect(try daemon.command("status").status == 0)
      daemon.end(SIGTERM)
    }

    @Test func aFullBacklog() throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      let address = SocketAddress.unix(path: daemon.folder.path("control.sock"))
      let silent = try ListeningSocket.open(address, backlog: 1)
      defer { close(silent.descriptor) }
      let waiting = (0..<4).compactMap { _ in
        try? MilterSession(
          connectingTo: .unix(path: daemon.folder.path("control.sock")), timeout: .seconds(1))
      }
      let began = ContinuousClock.now
      let outcome = try daemon.command("status")
      #expect(ContinuousClock.now - began < .seconds(10))
      #expect(outcome.status == EX_UNAVAILABLE)
      #expect(!outcome.errors.isEmpty)
      for session in waiting { session.closeAbruptly() }
    }
  }
}
