// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Configuration
import Environment
import FoundationEssentials
import Glibc
import Policy
import TestSupport
import Testing

/// What `bmsd check` finds about the quarantine and the way to release out of it.
struct QuarantineSetupTests {
  static func faults(_ text: String, _ folders: [String: FolderStanding] = [:]) -> [String] {
    let path = "/etc/mail/bms.conf"
    let files = FakeFiles([path: text], folders: folders)
    return Setup(path: path, files: files) { _ in
      var services = Services.fake()
      services.files = files
      return services
    }.faults.map(\.description)
  }

  struct Row: CustomTestStringConvertible {
    let testDescription: String
    let dir: String
    var standing = FolderStanding.unknown
    var fault: String?
  }

  @Test(arguments: [
    Row(testDescription: "well", dir: "/q", standing: .folder(.init(owner: 107, mode: 0o750))),
    Row(
      testDescription: "of another, open to a group that bmsd may have", dir: "/q",
      standing: .folder(.init(owner: 0, mode: 0o770))),
    Row(
      testDescription: "open to all", dir: "/q",
      standing: .folder(.init(owner: 0, mode: 0o1777))),
    Row(testDescription: "to be made", dir: "/q", standing: .absent(hasParent: true)),
    Row(
      testDescription: "to be made beside the database that is not there either",
      dir: "/var/lib/bms/q", standing: .absent(hasParent: false)),
    Row(
      testDescription: "empty", dir: "", fault: "no folder is named, so that nothing can be kept"),
    Row(
      testDescription: "relative", dir: "q",
      fault: "warning: quarantine.dir: originals go to /etc/mail/q, beside this file: write an "
        + "absolute path"),
    Row(
      testDescription: "a file", dir: "/q", standing: .noFolder,
      fault:
        "warning: quarantine.dir: /q is no folder: mail whose original must be kept is deferred"),
    Row(
      testDescription: "nowhere", dir: "/a/q", standing: .absent(hasParent: false),
      fault: "warning: quarantine.dir: /a/q is not there, and neither is the folder it lies in, so "
        + "that bmsd cannot make it"),
    Row(
      testDescription: "read-only", dir: "/q",
      standing: .folder(.init(owner: 107, mode: 0o750, isReadOnly: true)),
      fault: "warning: quarantine.dir: /q is on a file system that is mounted read-only"),
    Row(
      testDescription: "of another", dir: "/q",
      standing: .folder(.init(owner: 0, mode: 0o755)),
      fault: "warning: quarantine.dir: /q cannot be written by the user whose /var/lib/bms is "
        + "(uid 107), as whom bmsd runs"),
    Row(
      testDescription: "own, but closed", dir: "/q",
      standing: .folder(.init(owner: 107, mode: 0o577)),
      fault: "warning: quarantine.dir: /q cannot be written by the user whose /var/lib/bms is "
        + "(uid 107), as whom bmsd runs"),
  ])
  func looksAtTheFolder(_ row: Row) {
    let found = Self.faults(
      "[store]\n[quarantine]\ndir = \(row.dir)\n",
      [row.dir: row.standing, "/var/lib/bms": .folder(.init(owner: 107, mode: 0o750))])
    let fault = row.fault.map {
      $0.hasPrefix("warning") ? $0 : "quarantine.dir: \($0)"
    }
    #expect(found == (fault.map { ["/etc/mail/bms.conf:3: \($0)"] } ?? []))
  }

  @Test func looksAtFoldersOfTheMachine() throws {
    let home = try TemporaryFolder()
    let files = SystemFiles()
    #expect(files.folder(at: home.path("none")) == .absent(hasParent: true))
    #expect(files.folder(at: home.path("none/none")) == .absent(hasParent: false))
    try Data("x".utf8).write(to: URL(filePath: home.path("file")))
    #expect(files.folder(at: home.path("file")) == .noFolder)
    #expect(files.folder(at: home.path("file/none")) == .noFolder)
    #expect(mkdir(home.path("folder"), 0o700) == 0)
    #expect(files.folder(at: home.path("folder")) == .folder(.init(owner: geteuid(), mode: 0o700)))
  }

  @Test(arguments: ["/run/submit.sock", "25", "mail.example.org", "127.0.0.1:", "", "a b:25"])
  func takesNoOtherAddress(_ text: String) {
    let found = Self.faults("[submit]\nsmtp = \(text)\n")
    #expect(
      found == [
        "/etc/mail/bms.conf:2: submit.smtp: \"\(text)\" is no address of an SMTP server: write an "
          + "IP address, or localhost, and a port, like 127.0.0.1:25"
      ])
  }
}
