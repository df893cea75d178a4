// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Glibc
import Mail
import MilterClient
import Testing

@Suite struct NegotiationTests {
  @Test(arguments: [UInt32(2), 3, 4, 5, 6])
  func offersWhatTheVersionKnew(_ version: UInt32) throws {
    let filter = Filter(actions: [.addHeaders], steps: [.noHelo])
    let peer = try ScriptedPeer(filter.script)
    let session = MilterSession(connectedSocket: peer.descriptor)
    let agreed = try session.negotiate(version: version)
    #expect(agreed == .init(version: version, actions: .addHeaders, steps: .noHelo))
    #expect(session.negotiated == agreed)
    session.closeAbruptly()
    let actions = WireActions.known(to: version).rawValue
    let steps = WireSteps.known(to: version).rawValue
    #expect(peer.bytes() == [0, 0, 0, 13, 0x4F] + WireData(version, actions, steps).bytes)
  }

  @Test func offersLess() throws {
    let filter = Filter(actions: [.addHeaders], steps: [])
    let peer = try ScriptedPeer(filter.script)
    let session = MilterSession(connectedSocket: peer.descriptor)
    try session.negotiate(version: 6, actions: [.addHeaders], steps: [.packets1M])
    session.closeAbruptly()
    #expect(try peer.packets() == [.init(.negotiate, WireData(6, 1, 0x2000_0000).bytes)])
  }

  @Test func collectsWishesForMacros() throws {
    var wishes = WireData(0)
    wishes.append("j {client_addr},\tv")
    wishes.append(5 as UInt32)
    wishes.append("")
    try Filter(macros: wishes).run { session throws in
      #expect(
        session.negotiated.macros == [.connect: ["j", "{client_addr}", "v"], .endOfMessage: []])
    }
  }

  struct Answer: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var payload: [UInt8]
    var version: UInt32 = 6
  }

  @Test(arguments: [
    Answer(testDescription: "nothing", payload: []),
    Answer(testDescription: "short", payload: WireData(6, 1).bytes + [0, 0, 0]),
    Answer(testDescription: "version 7", payload: WireData(7, 0, 0).bytes),
    Answer(testDescription: "version 1", payload: WireData(1, 0, 0).bytes),
    Answer(testDescription: "version above", payload: WireData(6, 0, 0).bytes, version: 4),
    Answer(testDescription: "actions above", payload: WireData(2, 0x40, 0).bytes, version: 2),
    Answer(testDescription: "steps above", payload: WireData(2, 0, 0x200).bytes, version: 2),
    Answer(testDescription: "unknown step", payload: WireData(6, 0, 0x4000_0000).bytes),
    Answer(testDescription: "macros above", payload: WireData(4, 0, 0, 0).bytes + [0], version: 4),
    Answer(testDescription: "macros without NUL", payload: WireData(6, 0, 0, 0).bytes + [0x6A]),
    Answer(testDescription: "macros for stage 7", payload: WireData(6, 0, 0, 7).bytes + [0]),
    Answer(testDescription: "half a stage", payload: WireData(6, 0, 0).bytes + [0, 0]),
  ])
  func refusesAnswers(_ answer: Answer) throws {
    let peer = try ScriptedPeer(Filter(negotiation: answer.payload).script)
    let session = MilterSession(connectedSocket: peer.descriptor)
    let error = #expect(throws: MilterClientError.self) {
      try session.negotiate(version: answer.version)
    }
    guard case .violation = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func refusesAnotherAnswer() throws {
    let peer = try ScriptedPeer { _ in WirePacket(.proceed).encoded }
    let session = MilterSession(connectedSocket: peer.descriptor)
    #expect(throws: MilterClientError.violation("response 99 to the offer")) {
      try session.negotiate()
    }
  }
}

@Suite struct SessionFaultTests {
  @Test func noticesAHangUp() throws {
    let peer = try ScriptedPeer { _ in nil }
    let session = MilterSession(connectedSocket: peer.descriptor)
    #expect(throws: MilterClientError.closed) { try session.negotiate() }
    _ = peer.bytes()
    #expect(throws: MilterClientError.closed) { try session.connect("a", .unknown) }
    try session.waitForClose()
    session.closeAbruptly()
    #expect(throws: MilterClientError.closed) { try session.abort() }
    #expect(throws: MilterClientError.closed) { try session.receive() }
  }

  @Test func waitsNoLongerThanItSays() throws {
    let answers: [[UInt8]] = [[], [0, 0], [0, 0, 0, 9, 0x63]]
    for answer in answers {
      let peer = try ScriptedPeer { _ in answer }
      let session = MilterSession(connectedSocket: peer.descriptor, timeout: .milliseconds(30))
      let time = ContinuousClock().measure {
        #expect(throws: MilterClientError.timedOut) { try session.negotiate() }
        #expect(throws: MilterClientError.timedOut) { try session.waitForCloseIfSilent(answer) }
      }
      #expect(time >= .milliseconds(30) && time < .seconds(10))
    }
  }

  @Test func writesNoLongerThanItSays() throws {
    var ends: [CInt] = [-1, -1]
    try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
    defer { _ = ends.last.map(close) }
    let session = MilterSession(
      connectedSocket: try #require(ends.first), timeout: .milliseconds(30))
    #expect(throws: MilterClientError.timedOut) {
      try session.send(bytes: [UInt8](repeating: 0, count: 16 << 20))
    }
  }

  @Test func refusesHugePackets() throws {
    let peer = try ScriptedPeer { _ in [0, 0x10, 0, 2] }
    let session = MilterSession(connectedSocket: peer.descriptor)
    #expect(throws: MilterClientError.violation("a packet of 1048578 bytes")) {
      try session.negotiate()
    }
  }

  @Test func refusesPacketsThatNobodyWaitedFor() throws {
    let twice = [WirePacket(.proceed), WirePacket(.proceed)]
    try Filter(answers: [.helo: twice]).run { session throws in
      #expect(try session.helo("a") == .proceed)
      #expect(throws: MilterClientError.violation("a packet that nobody waited for")) {
        try session.mail(["<>"])
      }
    }
    try Filter(steps: .noReplyHelo).run { session throws in  // answers all the same
      #expect(try session.helo("a") == .noReply)
      #expect(throws: MilterClientError.violation("a packet that nobody waited for")) {
        try session.waitForClose()
      }
    }
  }

  @Test func refusesSkipElsewhere() throws {
    try Filter(answers: [.header: [.init(.skip)]]).run { session throws in
      #expect(throws: MilterClientError.violation("SKIP in answer to header")) {
        try session.header(HeaderField(name: "A", rawValue: ""))
      }
    }
    try Filter(actions: [], answers: [.body: [.init(.skip)]]).run(version: 4) { session throws in
      #expect(throws: MilterClientError.violation("SKIP in answer to body")) {
        try session.body([1])
      }
    }
  }

  @Test func sendsAnyBytes() throws {
    let peer = try ScriptedPeer { _ in nil }
    let session = MilterSession(connectedSocket: peer.descriptor)
    let bytes = Array("GET / HTTP/1.0\r\n\r\n".utf8)
    try session.send(bytes: bytes)
    session.closeAbruptly()
    #expect(peer.bytes() == bytes)
  }

  @Test func leavesHalfAPacket() throws {
    let received = try Filter().run { session throws in
      _ = try session.mail(["<>"])
      try session.send(bytes: WirePacket(.rcpt, wire("<a>|")).encoded.dropLast(2))
    }
    #expect(received == [.init(.mail, wire("<>|"))])
  }

  @Test func letsTheFilterHangUpFirst() throws {
    let peer = try ScriptedPeer { packet in
      packet == WirePacket(.quit) ? nil : WirePacket(.proceed).encoded
    }
    let session = MilterSession(connectedSocket: peer.descriptor)
    try session.quit(waiting: true)
    #expect(peer.bytes() == WirePacket(.quit).encoded)
  }

  @Test func connectsToListeners() throws {
    let path = "/tmp/milter-client-\(getpid()).listener"
    defer { unlink(path) }
    var unix = sockaddr_un()
    unix.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &unix.sun_path) { $0.copyBytes(from: path.utf8) }
    var inet = sockaddr_in()
    inet.sin_family = sa_family_t(AF_INET)
    inet.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var inet6 = sockaddr_in6()
    inet6.sin6_family = sa_family_t(AF_INET6)
    inet6.sin6_addr = in6addr_loopback

    for address in ["unix:\(path)", "inet:PORT@localhost", "inet6:PORT@::1"] {
      let listener =
        switch address.prefix(5) {
        case "unix:": try Listener(AF_UNIX, unix)
        case "inet:": try Listener(AF_INET, inet)
        default: try Listener(AF_INET6, inet6)
        }
      guard let listener else { continue }  // a machine without IPv6
      let parts = address.split(separator: "PORT")
      let session = try MilterSession(
        connectingTo: MilterAddress(parts.joined(separator: "\(listener.port)")))
      try session.send(bytes: [1, 2, 0xE9])
      session.closeAbruptly()
      #expect(listener.firstBytes() == [1, 2, 0xE9], "\(address)")
    }
  }

  @Test func failsToConnect() throws {
    let address = MilterAddress.unix(path: "/tmp/milter-client-\(getpid()).nobody")
    #expect(throws: MilterClientError.system(call: "connect", code: ENOENT)) {
      try MilterSession(connectingTo: address)
    }
    let long = String(repeating: "x", count: 108)
    #expect(throws: MilterClientError.badAddress("unix:\(long)")) {
      try MilterSession(connectingTo: .unix(path: long))
    }
    #expect(throws: MilterClientError.unknownHost("no.such.host.invalid")) {
      try MilterSession(connectingTo: .inet(host: "no.such.host.invalid", port: 1))
    }
    #expect(throws: MilterClientError.system(call: "connect", code: ECONNREFUSED)) {
      try MilterSession(connectingTo: .inet(host: "127.0.0.1", port: 1))
    }
  }
}

/// A listening socket on loopback or a path.
private final class Listener {
  private let descriptor: CInt
  private(set) var port: UInt16 = 0

  /// Listens, or gives nil where the machine has no such address.
  init?<Address>(_ family: CInt, _ address: Address) throws {
    descriptor = socket(family, CInt(SOCK_STREAM.rawValue), 0)
    var address = address
    var size = socklen_t(MemoryLayout<Address>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && listen(descriptor, 5) == 0
          && getsockname(descriptor, $0, &size) == 0
      }
    }
    guard isBound else { return nil }
    // The port has the same place in sockaddr_in and sockaddr_in6.
    if family != AF_UNIX {
      let bytes = withUnsafeBytes(of: address) { Array($0.dropFirst(2).prefix(2)) }
      port = bytes.reduce(0) { $0 << 8 | UInt16($1) }
    }
  }

  deinit { if descriptor >= 0 { _ = close(descriptor) } }

  func firstBytes() -> [UInt8] {
    let connection = accept(descriptor, nil, nil)
    defer { _ = close(connection) }
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = recv(connection, &bytes, 100, 0)
    return Array(bytes.prefix(max(count, 0)))
  }
}

extension MilterSession {
  /// Waits once more; where half a packet came, for the rest of it.
  fileprivate func waitForCloseIfSilent(_ answer: [UInt8]) throws {
    if answer.isEmpty { try waitForClose() } else { _ = try receive() }
  }
}
