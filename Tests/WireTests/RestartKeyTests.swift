// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Glibc
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// Keys that hold only from a restart on are named until there was one.
  @Suite struct RestartKeys {
    @Test func areNamedUntilTheRestart() throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      func text(_ trail: String, _ control: String) -> String {
        """
        [milter]
        socket = unix:\(daemon.folder.path("bms.sock"))
        drain = 0s
        [control]
        socket = \(daemon.folder.path(control))
        [store]
        path = \(daemon.folder.path("bms.db"))
        min_free = 0
        [trail]
        path = \(daemon.folder.path(trail))
        \(DatabaseTrouble.sections)
        """
      }
      func write(_ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: daemon.configuration))
      }
      try write(text("old.db", "control.sock"))
      try daemon.start()
      #expect(try daemon.answer(from: "192.0.2.1").code == 451)
      try write(text("new.db", "other.sock"))
      for _ in 0..<2 {
        let reload = try daemon.command("reload")
        #expect(reload.status == 0)
        #expect(reload.errors.contains("need a restart: trail.path, control.socket"), "\(reload)")
        let diff = try daemon.command("config", "diff")
        #expect(diff.status == 1)
        #expect(diff.output.contains("trail.path") && diff.output.contains("restart"), "\(diff)")
        let status = try daemon.command("status")
        #expect(status.status == 1)
        #expect(status.output.contains("until a restart: trail.path, control.socket"), "\(status)")
      }
      // What the daemon writes is found where it writes it.
      let end = ContinuousClock.now + .seconds(20)
      var log = try daemon.command("log")
      while log.output.isEmpty, ContinuousClock.now < end { log = try daemon.command("log") }
      #expect(log.output.contains("192.0.2.1"), "\(log)")
      #expect(log.errors.contains("old.db, as at the last start"), "\(log)")
      daemon.end(SIGTERM)
      try daemon.start()
      #expect(try daemon.command("status").status == 0)
      #expect(try daemon.command("config", "diff").status == 0)
      daemon.end(SIGTERM)
    }

    @Test func theLastGoodFileStaysBesideTheStateInUse() throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      try daemon.start()
      let text = try String(contentsOfFile: daemon.configuration, encoding: .utf8)
      let other = daemon.folder.path("other")
      try #require(mkdir(other, 0o750) == 0)
      let changed = text.replacing(
        "path = \(daemon.folder.path("bms.db"))", with: "path = \(other)/bms.db")
      try Data(changed.utf8).write(to: URL(filePath: daemon.configuration))
      #expect(try daemon.command("reload").status == 0)
      #expect(access("\(other)/bms.conf.good", F_OK) != 0)
      let good = daemon.folder.path("bms.conf.good")
      #expect(try String(contentsOfFile: good, encoding: .utf8) == changed)
      daemon.end(SIGTERM)
    }

    @Test func manyCommandsAtOnce() throws {
      let daemon = try LiveDaemon(DatabaseTrouble.sections)
      try daemon.start()
      let numbers = (1...40).map(String.init).joined(separator: " ")
      let outcome = try daemon.shell(
        "status; for n in \(numbers); do (bmsd ban add 192.0.2.$n || echo failed $n) & done; wait")
      #expect(!outcome.output.contains("failed"), "\(outcome)")
      #expect(try daemon.command("ban", "list", "--json").output.count(where: \.isNewline) == 40)
      daemon.end(SIGTERM)
    }
  }
}
