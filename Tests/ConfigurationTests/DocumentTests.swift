// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Foundation
import Testing

@Suite struct DocumentTests {
  @Test func sampleIsValid() {
    let text = SampleFile.render(sampleSections)
    let configuration = parse(text)
    #expect(configuration.shortFaults == [])
    #expect(configuration.settings(Server.self).socket == "unix:/var/spool/bms.sock")
    #expect(configuration.settings(Server.self).always.text == "postmaster@, abuse@")
    #expect(configuration.settings(Server.self).origin(of: \.timeout) == .default)
    #expect(configuration.settings(Helo.self).mode == .observe)
    #expect(configuration.settings(Defang.self).mode == .off)
    for line in [
      "\n#timeout = 10m\n", "\n#[defang]\n", "\n[helo]\n", "\nmode = observe\n", "\n#key_file =\n",
    ] {
      #expect(text.contains(line))
    }
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test func uncommentedSampleIsValidToo() {
    let lines = SampleFile.render(sampleSections).split(
      separator: "\n", omittingEmptySubsequences: false)
    let active = lines.map {
      $0.wholeMatch(of: /#(\[\w+\]|\w+ =.*)/).map { String($0.1) } ?? String($0)
    }
    let configuration = parse(active.joined(separator: "\n"))
    #expect(configuration.shortFaults == [])
    #expect(configuration.settings(Defang.self).mode == .observe)
  }

  @Test func tableIsSound() {
    #expect(OptionTable(sampleSections, coming: sampleComing).faults == [])
  }

  @Test func unsoundTablesAreFound() {
    struct Bad: Section {
      static let name = "bad"
      static let summary = ""
      let one = ConfigOption("One", default: "a\nb", help: "")
      let two = ConfigOption("two", default: " a", formerly: ["two", "x.y"], help: "x")
      let three = ConfigOption("two", default: 5, in: 6...7, formerly: ["x.y"], help: "x")
      let other = ConfigOption("other", default: 5, formerly: ["x.y"], help: "x")
      let four = ConfigOption<AddressSet>("four", default: ["nobody"], help: "x")
    }
    let faults = OptionTable([Bad.self, Bad.self]).faults
    for part in [
      "is there twice", "summary is missing", "not a word in lower case", "has a line end",
      "help is missing", "declared twice", "does not read back", "old name of two",
      "both an option",
    ] {
      #expect(faults.contains { $0.contains(part) }, "\(part)")
    }
  }

  @Test(
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/mandoc")),
    arguments: [sampleSections, []])
  func manualPassesLint(_ sections: [any Section.Type]) throws {
    let folder = try Scratch()
    let page = ManualPage.render(sections, coming: sampleComing)
    try folder.write("bms.conf.5", page)
    let lint = Process()
    lint.executableURL = URL(fileURLWithPath: "/usr/bin/mandoc")
    lint.arguments = ["-T", "lint", "-W", "warning", folder.path + "/bms.conf.5"]
    let pipe = Pipe()
    lint.standardOutput = pipe
    try lint.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    lint.waitUntilExit()
    #expect(output == "")
    #expect(lint.terminationStatus == 0)
  }

  @Test func manualHoldsEveryOption() {
    let page = ManualPage.render(sampleSections, coming: sampleComing, date: "May 1, 2026")
    for part in [
      ".Dd May 1, 2026", ".Ss [server]", ".It Ic socket_mode", "A dash \\- and a \\e are kept.",
      "Formerly milter.hello_blacklist.", ".Ss [defang]", "[srs]", ".It duration",
    ] {
      #expect(page.contains(part), "\(part)")
    }
  }

  @Test func explainsOptions() throws {
    let table = OptionTable(sampleSections, coming: sampleComing)
    let text = try table.explain("server.timeout", in: parse("[server]\ntimeout = 1m"))
    for part in [
      "server.timeout\n", "How long to wait for the MTA.", "duration", "10m", "1s to 1h",
      "1m  (bms.conf:2)",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(try table.explain("require").hasPrefix("helo.require\n"))
    #expect(try table.explain("server.Socket").contains("formerly"))
    #expect(try table.explain("milter.hello_blacklist").hasPrefix("milter.hello_blacklist is now"))
    #expect(try table.explain("helo").contains("helo.reject_numeric (yes/no)"))
    #expect(try table.explain("srs").contains("not served yet"))
    #expect(try table.explain("milter.datadir").contains("not served yet"))
  }

  @Test(
    arguments: [
      ("mode", "'mode' stands in several sections: name one of helo.mode or defang.mode"),
      ("helo.requier", "there is no option 'helo.requier': did you mean helo.require?"),
      ("timeuot", "there is no option 'timeuot': did you mean timeout?"),
      ("zzz", "there is no option 'zzz': 'bmsd config doc' lists all"),
      ("", "there is no option '': 'bmsd config doc' lists all"),
      (".", "there is no option '.': 'bmsd config doc' lists all"),
    ])
  func explainsWhatIsUnknown(_ key: String, _ message: String) {
    #expect(throws: ValueError(message)) { try OptionTable(sampleSections).explain(key) }
  }
}
