// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

@testable import BMSDaemon
import Configuration
import Foundation
import TestSupport
import Testing

/// Files that are given to two tasks at once are found before one of them is lost.
struct PathFaultTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func faults(_ text: String) -> [String] {
    let text = text.replacing("DIR", with: folder.path("."))
    return SetupTests.setup(text).faults.filter { $0.severity == .error }.map(\.message)
  }

  @Test(
    arguments: [
      ("[store]\npath = DIR/a.db\n[trail]\npath = DIR/a.db\n", "trail.path", "[store] path too"),
      ("[store]\npath = DIR/a.db\n[trail]\npath = DIR/b/../a.db\n", "trail.path", "[store] path"),
      ("[store]\npath = DIR/a.db\n[trail]\npath = DIR/link.db\n", "trail.path", "[store] path"),
      ("[store]\npath = DIR/a.db\n[trail]\npath = DIR/hard.db\n", "trail.path", "[store] path"),
      ("[store]\npath = DIR/new.db\n[trail]\npath = DIR/self/new.db\n", "trail.path", "[store]"),
      ("[store]\npath = DIR/a.db\n[trail]\npath = DIR/a.db-wal\n", "trail.path", "file of [store]"),
      ("[trail]\npath = /etc/mail/bms.conf\n", "trail.path", "the configuration file"),
      ("[store]\npath = /etc/mail/bms.conf\n", "store.path", "the configuration file"),
      ("[trail]\npath = DIR/c.sock\n[control]\nsocket = DIR/c.sock\n", "control.socket", "[trail]"),
      ("[store]\n[trail]\npath = DIR/q\n[quarantine]\ndir = DIR/q\n", "trail.path", "[quarantine]"),
      ("[store]\n[trail]\npath = DIR/q/t\n[quarantine]\ndir = DIR/q/\n", "trail.path", "lies in"),
      (
        "[store]\n[trail]\npath = DIR/self/q/t\n[quarantine]\ndir = DIR/q\n", "trail.path",
        "lies in"
      ),
      (
        "[banned_ips]\nmode = off\nfile = DIR/bans\n[trail]\npath = DIR/bans\n", "trail.path",
        "file"
      ),
    ])
  func oneFileForTwo(_ text: String, _ option: String, _ words: String) throws {
    try Data("x".utf8).write(to: URL(filePath: folder.path("a.db")))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link.db"), withDestinationPath: "a.db")
    try FileManager.default.linkItem(atPath: folder.path("a.db"), toPath: folder.path("hard.db"))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("self"), withDestinationPath: ".")
    let faults = faults(text)
    #expect(
      faults.contains { $0.hasPrefix("\(option): ") && $0.contains(words) }, "\(faults)")
  }

  @Test func filesOfTheirOwn() {
    #expect(
      faults(
        """
        [store]
        path = DIR/bms.db
        [trail]
        path = DIR/trail.db
        [quarantine]
        dir = DIR/quarantine
        [control]
        socket = DIR/control.sock
        [milter]
        socket = unix:DIR/quarantine.sock
        """) == [])
  }
}
