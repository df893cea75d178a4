// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// OpenDKIM's miltertest as a client that we did not write.
  @Suite struct Miltertest {
    private static let program = "/usr/bin/miltertest"
    private static let scripts = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "miltertest")

    /// What the script printed; it swallows its own errors, so only its marker counts.
    private func run(_ script: String, socket: String) throws -> String {
      guard FileManager.default.isExecutableFile(atPath: Self.program) else {
        throw BMSDProcess.Failure(description: "install the Debian package miltertest")
      }
      let process = Process()
      process.executableURL = URL(filePath: Self.program)
      process.arguments = [
        "-D", "socket=unix:\(socket)", "-D", "folder=\(Self.scripts.path)", "-s",
        Self.scripts.appending(path: script).path,
      ]
      let output = Pipe()
      process.standardOutput = output
      process.standardError = output
      try process.run()
      let text = try output.fileHandleForReading.readToEnd() ?? Data()
      process.waitUntilExit()
      return String(decoding: text, as: UTF8.self)
    }

    @Test func aRefusalIsToldAtEveryRecipient() throws {
      let bmsd = try BMSDProcess()
      let output = try run("refusal.lua", socket: bmsd.socketPath)
      #expect(output.contains("SCRIPT PASSED"), "\(output)")
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
      #expect(bmsd.log.count { $0.contains("reply=\"550 5.7.1 ") && $0.contains(" to=") } == 2)
    }

    @Test func cleanMessagesAbortAndStepsLeftOut() throws {
      let bmsd = try BMSDProcess()
      let output = try run("clean.lua", socket: bmsd.socketPath)
      #expect(output.contains("SCRIPT PASSED"), "\(output)")
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
      #expect(bmsd.log.count { $0.contains("verdict=accept") } == 2)
      #expect(bmsd.log.count { $0.contains("verdict=abandoned") } == 2)
    }

    @Test func aScriptThatFailsIsSeen() throws {
      let output = try run("clean.lua", socket: "/no/such/socket")
      #expect(output.contains("SCRIPT FAILED"), "\(output)")
    }
  }
}
