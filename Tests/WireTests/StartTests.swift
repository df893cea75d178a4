// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import TestSupport
import Testing

@testable import Milter

extension WireTests {
  /// What keeps the daemon from starting, and what the service manager hands it.
  @Suite struct Starting {
    /// Starts what must not start; gives its exit status and its log.
    private func failure(
      _ setup: BMSDProcess.Setup, prepare: (URL) throws -> Void = { _ in }
    ) throws -> (status: Int32, log: [String]) {
      var setup = setup
      setup.awaitsReady = false
      let bmsd = try BMSDProcess(setup, prepare: prepare)
      let status = try bmsd.exitStatus()
      return (status, bmsd.log.map { $0.replacing(bmsd.folder.path, with: "DIR") })
    }

    @Test func everyFaultOfTheFileIsNamed() throws {
      var setup = BMSDProcess.Setup()
      setup.milter = "timeout = soon\nmax_session = 3\nsocket = unix:/other"
      setup.sections = "[helo]\nmode = enfroce\nrequire\n[hello]\nmode = off\n"
      let (status, log) = try failure(setup)
      #expect(status == 78)
      for number in [3, 4, 5, 7, 8, 9] {
        #expect(
          log.contains { $0.hasPrefix("bmsd: DIR/bms.conf:\(number): ") }, "line \(number): \(log)")
      }
      #expect(
        log.contains { $0.contains("max_sessions") } && log.contains { $0.contains("[helo]") })
    }

    @Test func aMissingFileIsNamed() throws {
      let (status, log) = try failure(BMSDProcess.Setup()) { folder in
        try FileManager.default.removeItem(at: folder.appending(path: "bms.conf"))
      }
      #expect(status == 78)
      #expect(log.count == 1 && log.first?.contains("DIR/bms.conf") == true, "\(log)")
    }

    @Test("fault 9: a second instance is refused") func aSecondInstanceIsRefused() throws {
      let bmsd = try BMSDProcess()
      var setup = BMSDProcess.Setup()
      setup.socket = "unix:\(bmsd.socketPath)"
      let (status, log) = try failure(setup)
      #expect(status == 69)
      #expect(log.contains { $0.contains("another process listens on \(bmsd.socketPath)") })
      #expect(try bmsd.serves())
      #expect(try bmsd.stop() == 0)
    }

    @Test("fault 9: a plain file in the socket's place stays") func aPlainFileStays() throws {
      let (status, log) = try failure(BMSDProcess.Setup()) { folder in
        try Data("mine".utf8).write(to: folder.appending(path: "s"))
      }
      #expect(status == 69)
      #expect(
        log == [
          "bmsd: DIR/s exists and is not a socket; move it away or change [milter] socket"
        ])
    }

    @Test("fault 9: a missing folder is named") func aMissingFolderIsNamed() throws {
      var setup = BMSDProcess.Setup()
      setup.socket = "unix:/no/such/folder/s"
      let (status, log) = try failure(setup)
      #expect(status == 69)
      #expect(log.first?.contains("folder /no/such/folder: No such file") == true)
    }

    @Test func anInheritedSocketIsUsedAndLeft() throws {
      let held = try HeldSocket()
      var setup = BMSDProcess.Setup()
      held.handOn(to: &setup, names: "milter")
      setup.socket = "unix:\(held.path)"
      setup.sections += "[log]\nformat = text\n"
      let bmsd = try BMSDProcess(setup)
      #expect(try bmsd.line("bmsd listens").contains("inherited=yes"))
      let session = try MilterSession(connectingTo: .unix(path: held.path))
      try session.negotiate()
      try session.greet()
      #expect(try session.deliver() == .proceed)
      #expect(try bmsd.stop() == 0)
      #expect(FileManager.default.fileExists(atPath: held.path))
      held.end()
    }

    @Test func aSocketForAnotherProcessIsNotTaken() throws {
      var setup = BMSDProcess.Setup()
      setup.prefix = "export LISTEN_FDS=1 LISTEN_PID=1"
      let bmsd = try BMSDProcess(setup)
      #expect(try bmsd.line("bmsd listens").contains("inherited=no"))
      #expect(try bmsd.serves())
      #expect(try bmsd.stop() == 0)
      #expect(bmsd.notifications == ["READY=1", "STOPPING=1"])
    }

    @Test func whatIsInheritedMustListen() throws {
      var setup = BMSDProcess.Setup()
      setup.prefix = "exec 3</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$"
      let (status, log) = try failure(setup)
      #expect(status == 69 && log.first?.contains("is not a listening stream socket") == true)
    }

    @Test func theFileHasTheLastWord() throws {
      let held = try HeldSocket()
      defer { held.end() }
      var setup = BMSDProcess.Setup()
      held.handOn(to: &setup)
      let bmsd = try BMSDProcess(setup)
      #expect(try bmsd.line("but bmsd.socket on unix:\(held.path): change").hasPrefix("<4>"))
      #expect(try bmsd.line("bmsd listens: ").contains("inherited=no"))
      #expect(try bmsd.serves())
      #expect(try bmsd.stop() == 0)
    }

    @Test func twoSocketsAreRefused() throws {
      var setup = BMSDProcess.Setup()
      setup.prefix = "export LISTEN_FDS=2 LISTEN_PID=$$"
      let (status, log) = try failure(setup)
      #expect(status == 69)
      #expect(log.first?.contains("leave one ListenStream= in bmsd.socket") == true, "\(log)")
    }

    @Test func modeOfTheSocket() throws {
      var setup = BMSDProcess.Setup()
      setup.milter = "socket_mode = 0606"
      let bmsd = try BMSDProcess(setup)
      let mode = try FileManager.default.attributesOfItem(atPath: bmsd.socketPath)[
        .posixPermissions]
      #expect(mode as? Int == 0o606)
      #expect(try bmsd.stop() == 0)
    }
  }
}
