// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import Milter
import MilterClient
import TestSupport
import Testing

extension WireTests {
  /// TERM and INT: what is under way finishes, nothing new begins.
  @Suite struct Stopping {
    private static let restarting = "451 4.3.2 Service is restarting, please try again later"

    @Test("fault 5: a message under way finishes", arguments: [SIGTERM, SIGINT])
    func messageUnderWayFinishes(signal: Int32) throws {
      let bmsd = try BMSDProcess()
      let busy = try bmsd.session()
      try busy.greet()
      #expect(try busy.begin() == .proceed)
      let idle = try bmsd.session()
      try idle.greet()
      try idle.flush()
      bmsd.signal(signal)
      try bmsd.line("stopping: messages=1 sessions=2")
      try bmsd.wait("the service manager") { $0.notifications.contains("STOPPING=1") ? true : nil }
      // An old session begins no message, a new one not even itself.
      #expect(try idle.begin().shown.hasPrefix(Self.restarting))
      let new = try bmsd.session()
      #expect(try new.connect("mx", .inet("192.0.2.7", port: 1)).shown.hasPrefix(Self.restarting))
      #expect(try busy.rcpt(["<c@example.net>"]) == .proceed)
      #expect(try busy.endOfMessage().reply == .proceed)
      #expect(try bmsd.exitStatus() == 0)
      #expect(!FileManager.default.fileExists(atPath: bmsd.socketPath))
      #expect(bmsd.log.last == "<5>bmsd stopped")
    }

    /// The service manager keeps its socket while one process ends and the next begins.
    @Test func whoComesMeanwhileIsServedByTheNext() throws {
      let held = try HeldSocket()
      defer { held.end() }
      var setup = BMSDProcess.Setup()
      held.handOn(to: &setup)
      setup.socket = "unix:\(held.path)"
      let old = try BMSDProcess(setup)
      let busy = try MilterSession(connectingTo: .unix(path: held.path))
      try busy.negotiate()
      try busy.greet()
      #expect(try busy.begin() == .proceed)
      old.signal(SIGTERM)
      try old.line("stopping: messages=1 sessions=1")
      // Let in by nobody yet, and turned away by nobody.
      let waiting = try (0..<5).map { _ in try MilterSession(connectingTo: .unix(path: held.path)) }
      #expect(try busy.endOfMessage().reply == .proceed)
      #expect(try old.exitStatus() == 0)
      let new = try BMSDProcess(setup)
      for session in waiting {
        try session.negotiate()
        try session.greet()
        #expect(try session.deliver() == .proceed)
      }
      #expect(try new.stop() == 0)
    }

    @Test func aLongDrainAsksForTime() throws {
      var setup = BMSDProcess.Setup()
      setup.milter = "drain = 2m"
      let bmsd = try BMSDProcess(setup)
      #expect(try bmsd.stop() == 0)
      #expect(
        bmsd.notifications == ["READY=1", "STOPPING=1", "EXTEND_TIMEOUT_USEC=135000000"])
    }

    @Test func nothingUnderWayEndsAtOnce() throws {
      let bmsd = try BMSDProcess()
      let idle = try bmsd.session()
      try idle.greet()
      try idle.flush()
      let began = ContinuousClock.now
      #expect(try bmsd.stop() == 0)
      #expect(ContinuousClock.now - began < .seconds(10))
    }

    @Test("fault 5: a drain has a deadline") func drainHasADeadline() throws {
      var setup = BMSDProcess.Setup()
      setup.milter = "drain = 1s"
      let bmsd = try BMSDProcess(setup)
      let busy = try bmsd.session()
      try busy.greet()
      #expect(try busy.begin() == .proceed)
      let began = ContinuousClock.now
      #expect(try bmsd.stop() == 0)
      #expect(ContinuousClock.now - began >= .seconds(1))
      #expect(bmsd.log.contains("<4>stopped with 1 messages unfinished; the MTA defers them"))
      #expect(!FileManager.default.fileExists(atPath: bmsd.socketPath))
    }

    @Test func aSecondSignalMeansNow() throws {
      var setup = BMSDProcess.Setup()
      setup.milter = "drain = 10m"
      let bmsd = try BMSDProcess(setup)
      let busy = try bmsd.session()
      try busy.greet()
      #expect(try busy.begin() == .proceed)
      bmsd.signal(SIGTERM)
      try bmsd.line("stopping: ")
      bmsd.signal(SIGTERM)
      #expect(try bmsd.exitStatus() == 0)
      #expect(!FileManager.default.fileExists(atPath: bmsd.socketPath))
    }

    @Test("fault 6: a killed one leaves a socket that is taken over")
    func aKilledOneLeavesASocketThatIsTakenOver() throws {
      let bmsd = try BMSDProcess()
      bmsd.signal(SIGKILL)
      #expect(try bmsd.exitStatus() == 128 + SIGKILL)
      #expect(FileManager.default.fileExists(atPath: bmsd.socketPath))
      var setup = BMSDProcess.Setup()
      setup.socket = "unix:\(bmsd.socketPath)"
      let next = try BMSDProcess(setup)
      #expect(try bmsd.serves())
      #expect(try next.stop() == 0)
    }
  }
}
