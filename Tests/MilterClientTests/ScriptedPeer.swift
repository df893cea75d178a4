// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Dispatch
import Glibc
import Mail
import MilterClient
import Synchronization

/// A filter that does as it is told, at the other end of a socket pair.
final class ScriptedPeer: Sendable {
  /// What the peer makes of a packet: bytes to send, or nil to hang up.
  typealias Script = @Sendable (WirePacket) -> [UInt8]?

  /// The end of the pair that the session takes.
  let descriptor: CInt
  private let received = Mutex<[UInt8]>([])
  private let finished = DispatchSemaphore(value: 0)

  init(_ script: @escaping Script) throws {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0,
      let ours = ends.last, let theirs = ends.first
    else { throw MilterClientError.system(call: "socketpair", code: errno) }
    descriptor = theirs
    // A thread of its own: a pool would wait for tests that wait for it.
    Self.startThread { [self] in
      run(ours, script)
      _ = Glibc.close(ours)
      finished.signal()
    }
  }

  /// All bytes that came until the session hung up, or this peer did.
  func bytes() -> [UInt8] {
    finished.wait()
    finished.signal()
    return received.withLock { $0 }
  }

  /// The same as packets; what is no whole packet is left out.
  func packets() throws -> [WirePacket] {
    var decoder = WireDecoder()
    decoder.append(bytes())
    var packets: [WirePacket] = []
    while let packet = try decoder.next() { packets.append(packet) }
    return packets
  }

  private func run(_ socket: CInt, _ script: Script) {
    var decoder = WireDecoder()
    var scratch = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = scratch.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) }
      guard count > 0 else { return }
      received.withLock { $0 += scratch.prefix(count) }
      decoder.append(scratch.prefix(count))
      while let packet = try? decoder.next() {
        guard let answer = script(packet) else { return }
        guard Self.sendAll(answer, to: socket) else { return }
      }
    }
  }

  private static func sendAll(_ bytes: [UInt8], to socket: CInt) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
      guard sent > 0 else { return false }
      rest = rest.dropFirst(sent)
    }
    return true
  }

  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  private static func startThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(body)).toOpaque()
    pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
        return nil
      }, work)
    pthread_detach(thread)
  }
}

/// The answers of a filter that follows the protocol.
struct Filter: Sendable {
  /// The answer to the offer, nil to agree to `actions` and `steps` at the version offered.
  var negotiation: [UInt8]?
  var actions = WireActions.known(to: 6)
  var steps: WireSteps = []
  var macros = WireData()
  /// The packets that answer a command; the default is to proceed.
  var answers: [WireCommand: [WirePacket]] = [:]
  /// The commands that get no answer.
  var silent: Set<WireCommand> = [.macro, .abort, .quit, .quitNewConnection]

  /// The script; a recipient that begins with `<no` is refused for good, `<later` deferred.
  var script: ScriptedPeer.Script {
    { packet in
      guard let command = WireCommand(rawValue: packet.command) else { return nil }
      if command == .negotiate {
        let version = Array(packet.payload.prefix(4))
        let answer = WireData(actions.rawValue, steps.rawValue).bytes + macros.bytes
        return WirePacket(.negotiate, negotiation ?? version + answer).encoded
      }
      if silent.contains(command) { return [] }
      if let answer = answers[command] { return answer.flatMap(\.encoded) }
      if command == .rcpt, packet.payload.starts(with: "<no".utf8) {
        return WirePacket(.reply, Array("550 5.7.1 100%% no\0".utf8)).encoded
      }
      if command == .rcpt, packet.payload.starts(with: "<later".utf8) {
        return WirePacket(.tempfail).encoded
      }
      return WirePacket(.proceed).encoded
    }
  }

  /// Lets `body` talk to the filter, closes the session, and gives what the filter got after the
  /// offer.
  @discardableResult
  func run(
    version: UInt32 = 6, timeout: Duration = .seconds(20), _ body: (MilterSession) throws -> Void
  ) throws -> [WirePacket] {
    let peer = try ScriptedPeer(script)
    let session = MilterSession(connectedSocket: peer.descriptor, timeout: timeout)
    do {
      try session.negotiate(version: version)
      try body(session)
    } catch {
      session.closeAbruptly()
      throw error
    }
    session.closeAbruptly()
    return try Array(peer.packets().dropFirst())
  }
}

/// Bytes written as text in which each `|` is a NUL.
func wire(_ text: String) -> [UInt8] {
  text.utf8.map { $0 == 0x7C ? 0 : $0 }
}
