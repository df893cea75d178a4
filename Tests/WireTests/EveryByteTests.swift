// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import MilterClient
import Synchronization
import TestSupport
import Testing

extension WireTests {
  /// MTAs that stop behind any byte of a session.
  @Suite struct EveryByte {
    private func daemon() throws -> BMSDProcess {
      var setup = BMSDProcess.Setup()
      setup.sections += "[log]\nheaders = yes\n"
      return try BMSDProcess(setup)
    }

    @Test("fault 1: an MTA ends its session behind every byte")
    func endsBehindEveryByte() throws {
      let bmsd = try daemon()
      let session = RecordedSession()
      var abandoned = 0
      var accepted = 0
      for count in 0...session.bytes.count {
        let connection = try RawConnection(to: bmsd.socketPath)
        connection.send(session.bytes.prefix(count))
        let packets = try #require(try connection.packetsToTheEnd(), "after \(count) bytes")
        let answers = packets.filter { $0.command != WireCommand.negotiate.rawValue }
        #expect(answers.allSatisfy { $0 == WirePacket(.proceed) }, "after \(count) bytes")
        accepted += session.ends.count { $0 <= count }
        // A message that has its recipient and not its end.
        let begun = session.recipients.count { $0 <= count }
        abandoned += begun - session.ends.count { $0 <= count }
      }
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
      // Every message ends once, in one way; `serves` makes one of each kind more.
      let ends = bmsd.log.filter { $0.contains("recipients=1") && !$0.contains("<a@example.com>") }
      #expect(ends.count { $0.contains("verdict=accept") } == accepted)
      #expect(ends.count { $0.contains("verdict=abandoned") } == abandoned)
      #expect(!bmsd.log.contains { $0.hasPrefix("<4>") || $0.hasPrefix("<3>") })
    }

    @Test("fault 1: an MTA dies behind every byte")
    func diesBehindEveryByte() throws {
      let bmsd = try daemon()
      let session = RecordedSession()
      for count in 0...session.bytes.count {
        try RawConnection(to: bmsd.socketPath).send(session.bytes.prefix(count))
      }
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test func whatComesBehindQuitReachesNoLaterSession() throws {
      let bmsd = try daemon()
      let session = RecordedSession()
      func answers(to bytes: [UInt8]) throws -> [WirePacket] {
        let connection = try RawConnection(to: bmsd.socketPath)
        connection.send(bytes)
        return try #require(try connection.packetsToTheEnd())
      }
      let expected = try answers(to: session.bytes)
      #expect(!expected.isEmpty)
      // The next connection gets the same descriptor.
      for count in 1...64 {
        let surplus = session.bytes.dropFirst(count).prefix(1 << (count % 12))
        #expect(try answers(to: session.bytes + surplus) == expected, "with \(surplus.count) bytes")
        #expect(try answers(to: session.bytes) == expected, "after \(surplus.count) bytes")
      }
      #expect(try bmsd.serves())
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
    }

    @Test("fault 45: MTAs fall silent behind every byte, all at once, and then go on")
    func fallsSilentBehindEveryByte() throws {
      let bmsd = try daemon()
      let session = RecordedSession()
      let silent = try (0..<session.bytes.count).map { count in
        let connection = try RawConnection(to: bmsd.socketPath)
        connection.send(session.bytes.prefix(count))
        return connection
      }
      // libmilter may give a new session to a thread that waits for the rest of a packet, so that
      // it is answered only when that MTA goes on or its time is out.
      let other = WireTests.Unchecked(bmsd)
      let isServed = Mutex<Bool?>(nil)
      let group = DispatchGroup()
      group.enter()
      Thread.detachNewThread {
        let result = try? other.value.serves()
        isServed.withLock { $0 = result }
        group.leave()
      }
      // They wake up, each with its next byte, and are answered to the end.
      for (count, connection) in silent.enumerated() {
        connection.send(session.bytes.dropFirst(count))
      }
      group.wait()
      #expect(isServed.withLock { $0 } == true)
      for connection in silent {
        let packets = try #require(try connection.packetsToTheEnd())
        #expect(packets.count { $0 == WirePacket(.proceed) } == 16)
      }
      #expect(try bmsd.countsAtStop() == "messages=0 sessions=0")
      let accepted = bmsd.log.count {
        $0.contains("verdict=accept") && $0.contains("recipients=1") && !$0.contains("<a@example")
      }
      #expect(accepted == 2 * silent.count)
    }
  }
}
