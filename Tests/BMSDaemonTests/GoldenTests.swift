// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Configuration
import Foundation
import Policy
import TestSupport
import Testing

/// The shipped copies are what the option tables say. `BMS_RECORD=1 swift test --filter GoldenTests`
/// writes them anew, as `make regenerate` does.
@Suite struct GoldenTests {
  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  private static let isRecording = ProcessInfo.processInfo.environment["BMS_RECORD"] == "1"

  @Test(
    "shipped file",
    arguments: [
      ("etc/attachment.txt", Documentation.attachmentNotice),
      ("etc/bms.conf", Documentation.sampleFile), ("etc/bms.m4", Documentation.sendmailMacros),
      ("man/bms.conf.5", Documentation.manualPage),
    ])
  func isWhatTheTablesSay(_ path: String, _ text: String) throws {
    let url = Self.root.appending(path: path)
    if Self.isRecording {
      try Data(text.utf8).write(to: url)
      return
    }
    let shipped = String(decoding: try Data(contentsOf: url), as: UTF8.self)
    // Line by line, so that a failure shows what differs; then every byte.
    let difference = text.split(separator: "\n", omittingEmptySubsequences: false)
      .difference(from: shipped.split(separator: "\n", omittingEmptySubsequences: false))
    #expect(difference.isEmpty, "\(path) is old: make regenerate")
    #expect(shipped == text)
  }

  /// Sendmail's lines of the shipped file, `bmsd config mta` and `etc/bms.m4` say the same.
  @Test func sendmailIsToldTheSameTwice() throws {
    let setup = SetupTests.setup(Documentation.sampleFile)
    let lines = MTALines(setup.configuration, try #require(setup.pipeline)).sendmail
    #expect(
      Documentation.sendmailMacros.hasSuffix(lines.dropFirst().joined(separator: "\n") + "\n"))
  }

  /// What the README has a newcomer write into main.cf is what the shipped file asks for.
  @Test func readmeTellsPostfixTheSame() throws {
    let setup = SetupTests.setup(Documentation.sampleFile)
    let lines = MTALines(setup.configuration, try #require(setup.pipeline)).postfix
    let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
    for line in lines where !line.hasPrefix("#") { #expect(readme.contains("    \(line)\n")) }
  }

  @Test func sampleIsSafeAndUsable() throws {
    let setup = SetupTests.setup(Documentation.sampleFile)
    #expect(setup.faults == [])
    let pipeline = try #require(setup.pipeline)
    // Whatever could refuse mail only observes, but attachments are replaced.
    #expect(
      pipeline.modules.allSatisfy {
        $0.mode == .observe || !$0.isPolicy || !$0.canRefuse || $0.name == "defang"
      })
    #expect(pipeline.modules.contains { $0.name == "helo" })
    #expect(
      setup.configuration.entries.first { $0.name == "milter.socket" }?.text
        == "unix:/var/spool/postfix/bms/bms.sock")
  }

  @Test func sampleWithEveryOptionSetIsUsable() {
    let lines = Documentation.sampleFile.split(
      separator: "\n", omittingEmptySubsequences: false)
    let all = lines.map { $0.hasPrefix("#") && !$0.hasPrefix("# ") ? $0.dropFirst() : $0 }
    let setup = SetupTests.setup(all.joined(separator: "\n"))
    #expect(setup.faults == [])
  }

  @Test func everyOptionIsExplained() throws {
    let configuration = SetupTests.setup("").configuration
    for entry in configuration.entries {
      #expect(try Documentation.explain(entry.name, in: configuration).contains(entry.name))
      #expect(Documentation.manualPage.contains(entry.key))
    }
  }
}
