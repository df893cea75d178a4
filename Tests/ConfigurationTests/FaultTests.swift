// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Foundation
import Glibc
import Testing

struct FaultCase: Sendable, CustomTestStringConvertible {
  let name: String
  let text: String
  let faults: [String]

  init(_ name: String, _ text: String, _ faults: String...) {
    self.name = name
    self.text = text
    self.faults = faults
  }

  var testDescription: String { name }
}

private let noComment =
  "warning: '#' or ';' after a value begins no comment, it is part of the value: comments stand "
  + "on their own line"

@Suite struct FaultTests {
  @Test(
    arguments: [
      FaultCase(
        "unknown section", "[hello]\nx = 1\n",
        "1: there is no section [hello]: did you mean [helo]?"),
      FaultCase(
        "far section", "[zzzzzz]\n",
        "1: there is no section [zzzzzz]: known are [server], [helo], [defang]"),
      FaultCase(
        "case of section", "[Helo]\nmode = x\n",
        "1: there is no section [Helo]: case matters here, did you mean [helo]?"),
      FaultCase(
        "empty section", "[]\n", "1: the section has no name: write it between the brackets"),
      FaultCase(
        "unknown key", "[server]\ntimeuot = 5\n",
        "2: [server] has no key 'timeuot': did you mean 'timeout'?"),
      FaultCase(
        "part of key", "[helo]\nnumeric = 5\n",
        "2: [helo] has no key 'numeric': did you mean 'reject_numeric'?"),
      FaultCase(
        "hyphen", "[helo]\nreject-numeric = 5\n",
        "2: [helo] has no key 'reject-numeric': did you mean 'reject_numeric'?"),
      FaultCase(
        "key of another section", "[helo]\nports = 5\n",
        "2: [helo] has no key 'ports': it belongs into [server]"),
      FaultCase(
        "mode in plain section", "[server]\nmode = off\n",
        "2: [server] has no key 'mode': only sections of policy modules have it"),
      FaultCase(
        "bad value", "[server]\n\nverbose = maybe\n",
        "3: server.verbose: 'maybe' is neither yes nor no: write one of them"),
      FaultCase(
        "bad word", "[helo]\nmode = enforced\n",
        "2: helo.mode: 'enforced' is not allowed: did you mean enforce? write off, observe or enforce"
      ),
      FaultCase(
        "out of range", "[server]\ntimeout = 2h\nmax_sessions = 0\n",
        "2: server.timeout: '2h' is out of range: write 1s to 1h",
        "3: server.max_sessions: '0' is out of range: write 1 to 100000"),
      FaultCase(
        "duplicate key", "[helo]\nrequire = yes\nREQUIRE = no\n",
        "3: helo.require is set twice, on lines 2 and 3: keep one"),
      FaultCase(
        "duplicate section", "[helo]\nrequire = yes\n[server]\n[helo]\nrequire = yes\nmoed = off\n",
        "4: [helo] stands twice, first on line 1: move these lines there",
        "5: helo.require is set twice, on lines 2 and 5: keep one",
        "6: [helo] has no key 'moed': did you mean 'mode'?"),
      FaultCase(
        "outside", "require = yes\n[helo]\n",
        "1: 'require' stands before the first section: put [...] above it"),
      FaultCase(
        "colon", "[helo]\nrequire: yes\n",
        "2: a colon does not set a value: write 'require = yes'"),
      FaultCase(
        "colon and equals", "[server]\nsocket: a=b\n",
        "2: a colon does not set a value: write 'socket = a=b'"),
      FaultCase(
        "no equals", "[helo]\nrequire\n",
        "2: 'require' is neither a section, nor key = value, nor a comment: write "
          + "'require = ...', or # before it"),
      FaultCase("no key", "[helo]\n= yes\n", "2: there is no key before '='"),
      FaultCase(
        "include", "[helo]\ninclude = /etc/x\ninclude /etc/y\n",
        "2: other files cannot be included, there is one file: copy the lines here",
        "3: other files cannot be included, there is one file: copy the lines here"),
      FaultCase("no bracket", "[helo\nrequire = yes\n", "1: the ']' is missing: write [helo]"),
      FaultCase(
        "after bracket", "[helo] # hi\nrequire = yes\n",
        "1: '# hi' follows the section's name: move it to a line of its own"),
      FaultCase(
        "nothing to continue", "  a = b\n[helo]\n  require = yes\n",
        "1: the line starts with white space but there is no value to continue: move it left",
        "3: the line starts with white space but there is no value to continue: move it left"),
      FaultCase("NUL", "[helo]\nrequire = y\0\n", "2: the line holds a NUL byte: remove it"),
      FaultCase(
        "control", "[helo]\nrequire = \u{1B}[2J\n  yes\n",
        "2: the line holds a control character: remove it"),
      FaultCase("lone CR", "[helo]\rx\n", "1: the line holds a control character: remove it"),
      FaultCase("comment in value", "[server]\nsocket = a # b\n", "2: \(noComment)"),
      FaultCase("comment as value", "[server]\nsocket = ; b\n", "2: \(noComment)"),
      FaultCase("comment in continuation", "[server]\nwords = a,\n b ; c\n", "3: \(noComment)"),
      FaultCase(
        "percent", "[server]\nwords = 5%%\n",
        "2: warning: '%' has no special meaning here: write one '%' where one is meant"),
      FaultCase(
        "hidden key", "[server]\nwords = a\n verbose = yes\n",
        "3: warning: the line starts with white space, so it continues the value of words on line 2 "
          + "and does not set verbose: move it left if it shall"),
      FaultCase(
        "old name", "[server]\nsocketname = a\n",
        "2: warning: server.socketname is now server.socket: write 'socket = ...' in [server]"),
      FaultCase(
        "old section", "[milter]\nscan_zip = yes\nhello_blacklist = a\n[helo]\n[old]\nretain = 4\n",
        "2: warning: milter.scan_zip is now defang.scan_zip: write 'scan_zip = ...' in [defang]; "
          + "without a section [defang] that module is off",
        "3: warning: milter.hello_blacklist is now helo.hello_blacklist: write "
          + "'hello_blacklist = ...' in [helo]",
        "6: warning: old.retain is now server.keep: write 'keep = ...' in [server]"),
      FaultCase(
        "old and new", "[server]\nsocketname = a\nsocket = b\n",
        "2: warning: server.socketname is now server.socket: write 'socket = ...' in [server]",
        "3: server.socketname (line 2) and server.socket (line 3) are the same option: keep "
          + "server.socket"),
      FaultCase(
        "coming section", "[srs]\nsecret = a\nwhat ever\n",
        "1: warning: [srs] is not served yet and does nothing: sender rewriting comes in a later "
          + "release.",
        "3: 'what ever' is neither a section, nor key = value, nor a comment: write "
          + "'what ever = ...', or # before it"),
      FaultCase(
        "coming key", "[milter]\ndatadir = a\nlogdri = b\n[server]\nerrors_url = c\n",
        "2: warning: milter.datadir is not served yet and does nothing: the store takes its place.",
        "3: [milter] has no key 'logdri'",
        "5: warning: server.errors_url is not served yet and does nothing: web explanations come "
          + "later."),
      FaultCase(
        "all in one run", "[helo]\na=1\nmode=x\n[nope]\n",
        "2: [helo] has no key 'a': see bms.conf(5) for the keys of this section",
        "3: helo.mode: 'x' is not allowed: write off, observe or enforce",
        "4: there is no section [nope]: known are [server], [helo], [defang]"),
    ])
  func reports(_ fault: FaultCase) {
    let configuration = parse(fault.text)
    #expect(configuration.shortFaults == fault.faults)
    #expect(configuration.hasErrors == fault.faults.contains { !$0.contains(": warning: ") })
  }

  @Test(
    arguments: [
      "", "\n\n", "\u{FEFF}[helo]\nrequire = yes\n", "[helo]\r\nrequire = yes\r\n\r\n; c\r\n",
      "[ helo ]\nrequire=yes", "[helo]\nREQUIRE = yes", "[server]\nsocket =\nwords =\n",
      "[server]\nwords = a;b, c#d, 5%, é\n", "# comment\n  # indented\n\t; too\n   \n[helo]\n",
    ])
  func accepts(_ text: String) {
    #expect(parse(text).shortFaults == [])
  }

  @Test func oldNamesSetTheNewOption() {
    let configuration = parse("[milter]\nhello_blacklist = a, b\n[old]\nretain = 4\n[helo]\n")
    #expect(!configuration.hasErrors)
    #expect(configuration.settings(Helo.self).blacklist == ["a", "b"])
    #expect(configuration.settings(Server.self).keep == .days(4))
    #expect(configuration.location(of: "helo.hello_blacklist").map { "\($0)" } == "bms.conf:2")
  }

  @Test func notUTF8() {
    let bytes = Array("[helo]\n# caf".utf8) + [0xE9] + Array("\nrequire = n\u{F6}".utf8).dropLast()
    let configuration = Configuration(bytes: bytes, name: "bms.conf", sections: sampleSections)
    #expect(
      configuration.faults.map(\.description) == [
        "bms.conf:2: the line is not UTF-8: save the file as UTF-8",
        "bms.conf:3: the line is not UTF-8: save the file as UTF-8",
      ])
    let utf16 = Configuration(bytes: [0xFF, 0xFE, 0x5B, 0], sections: sampleSections)
    #expect(utf16.faults.map(\.line) == [1])
  }

  @Test func boundsTheNumberOfFaults() {
    let configuration = parse("[helo]\n" + String(repeating: "x = 1\n", count: 250))
    #expect(configuration.faults.count == 101)
    #expect(configuration.faults.last?.description == "/etc/mail/bms.conf: and 150 more errors")
    let old = "[server]\nwords = a" + String(repeating: "\n b # c", count: 101) + "\nx = 1"
    #expect(parse(old).faults.count == 102)
    #expect(parse(old).hasErrors)
    #expect(parse(old).faults.last?.message == "and 1 more warning")
  }

  @Test func refusesHugeFiles() {
    let bytes = [UInt8](repeating: 0x0A, count: Configuration.largestFile + 1)
    let configuration = Configuration(bytes: bytes, sections: sampleSections)
    #expect(configuration.hasErrors)
    #expect(configuration.faults.map(\.line) == [nil])
    #expect(configuration.faults.first?.message.contains("larger than 10 MB") == true)
  }

  @Test func hostileLinesAreQuick() {
    let clock = ContinuousClock()
    let time = clock.measure {
      let long = String(repeating: "a", count: 200_000)
      #expect(parse("[\(long)]\n\(long)\n\(long) = \(long)\n").hasErrors)
      #expect(parse("[helo]\nmode = \(long)\n\(long) = 1\n").hasErrors)
      #expect(
        parse("[server]\nwords = a\n" + String(repeating: " x\n", count: 20_000)).faults.isEmpty)
    }
    #expect(time < .seconds(10))
    #expect(
      parse("[helo]\nmode = \(String(repeating: "a", count: 9999))").shortFaults.allSatisfy {
        $0.count < 300
      })
  }

  // MARK: Files

  @Test func missingUnreadableAndFolders() throws {
    let folder = try Scratch()
    let missing = Configuration.load(path: folder.path + "/none.conf", sections: sampleSections)
    #expect(
      missing.faults.map(\.description) == [
        "\(folder.path)/none.conf: cannot be read: no such file"
      ])
    #expect(missing.hasErrors)
    let directory = Configuration.load(path: folder.path, sections: sampleSections)
    #expect(directory.faults.map(\.message) == ["cannot be read: is a directory, not a file"])
    let denied = Configuration.load(path: "/x", sections: sampleSections) { _ in
      throw FileReader.Failure("permission denied")
    }
    #expect(denied.faults.map(\.description) == ["/x: cannot be read: permission denied"])
  }

  @Test func loadsFileAndItsLists() throws {
    let folder = try Scratch()
    try folder.write(
      "bms.conf", "[server]\nalways = file:list, file:none\n[helo]\nonly_to = file:list")
    try folder.write("list", "a@b\n")
    let configuration = Configuration.load(
      path: folder.path + "/bms.conf", sections: sampleSections)
    #expect(
      configuration.faults.map(\.description) == [
        "\(folder.path)/bms.conf:2: server.always: \(folder.path)/none: cannot be read: no such file"
      ])
    #expect(configuration.settings(Helo.self).onlyTo.count == 1)
  }

  @Test(.enabled(if: geteuid() != 0)) func permissionDenied() throws {
    let folder = try Scratch()
    try folder.write("bms.conf", "")
    chmod(folder.path + "/bms.conf", 0)
    let configuration = Configuration.load(
      path: folder.path + "/bms.conf", sections: sampleSections)
    #expect(configuration.faults.map(\.message) == ["cannot be read: permission denied"])
  }

  @Test func endlessDeviceIsRefused() {
    let configuration = Configuration.load(path: "/dev/zero", sections: sampleSections)
    #expect(configuration.faults.map(\.message) == ["cannot be read: is larger than 64 MB"])
  }
}

/// A folder that goes away with the test.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "bmsd-test-\(UInt64.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func write(_ name: String, _ text: String) throws {
    try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
