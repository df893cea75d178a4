// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import DNS
internal import Environment
internal import Glibc
internal import Synchronization

/// A DNS server on a loopback port of its own, by UDP and TCP: it answers from a zone file, and
/// misbehaves as a test says. Names that it does not have do not exist.
package final class LoopbackDNSServer: Sendable {
  /// What happens to the questions for one name.
  package enum Manner: Sendable {
    /// By UDP an answer that is cut; by TCP the whole one.
    case truncated
    /// The answer to another question.
    case wrongQuestion
    /// Not even a message.
    case garbage
    /// No answer until `release()`.
    case held
    /// No answer, ever.
    case silent
    /// This code and nothing else.
    case code(UInt8)
  }

  package struct Failure: Error {}

  /// An answer that waits for `release()`.
  private struct Held: Sendable {
    var reply: [UInt8]
    var port: UInt16
  }

  private struct State: Sendable {
    var manners: [DomainName: Manner] = [:]
    var isMute = false
    var asked: [Question] = []
    var held: [Held] = []
    var isStopping = false
  }

  private let resolver: any Resolver
  private let state = Mutex(State())
  private let udp: Int32
  private let tcp: Int32
  /// The port, on 127.0.0.1.
  package let port: UInt16

  package init(_ zone: String = "") throws {
    resolver = try ZoneResolver(zone)
    // A port that is free for one of both may be taken for the other.
    let found = (0..<50).lazy.compactMap { _ in Self.sockets() }.first
    guard let (tcp, udp, port) = found, listen(tcp, 16) == 0 else { throw Failure() }
    self.tcp = tcp
    self.udp = udp
    self.port = port
    let isRunning = startThread { [self] in serve() }
    guard isRunning else { throw Failure() }
  }

  /// The server as an option names it.
  package var server: NameServer {
    // The loopback address always is one.
    NameServer("127.0.0.1@\(port)") ?? NameServer(.init(v4: 0x7F00_0001), port: port)
  }

  private static func sockets() -> (tcp: Int32, udp: Int32, port: UInt16)? {
    let tcp = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let udp = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    if let port = bind(tcp, 0), bind(udp, port) != nil { return (tcp, udp, port) }
    close(tcp)
    close(udp)
    return nil
  }

  private static func bind(_ socket: Int32, _ port: UInt16) -> UInt16? {
    var address = loopback(port)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        guard Glibc.bind(socket, pointer, length) == 0, getsockname(socket, pointer, &length) == 0
        else { return nil }
        return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
          UInt16(bigEndian: $0.pointee.sin_port)
        }
      }
    }
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  // MARK: - What a test does

  /// Lets questions for `name` meet with this, whatever the zone has.
  package func meet(_ name: DomainName, with manner: Manner?) {
    state.withLock { $0.manners[name] = manner }
  }

  /// Whether nothing is answered at all.
  package func setMute(_ isMute: Bool) { state.withLock { $0.isMute = isMute } }

  /// Every question so far, in order.
  package var asked: [Question] { state.withLock(\.asked) }

  /// How many questions wait for `release()`.
  package var heldCount: Int { state.withLock(\.held.count) }

  /// Answers what was held.
  package func release() {
    let held = state.withLock { state in
      state.manners = state.manners.filter { if case .held = $0.value { false } else { true } }
      defer { state.held = [] }
      return state.held
    }
    for answer in held { send(answer.reply, to: answer.port) }
  }

  /// Ends the server; its port is closed soon after.
  package func stop() { state.withLock { $0.isStopping = true } }

  // MARK: - The server

  private func serve() {
    while !state.withLock(\.isStopping) {
      var sockets = [
        pollfd(fd: udp, events: Int16(POLLIN), revents: 0),
        pollfd(fd: tcp, events: Int16(POLLIN), revents: 0),
      ]
      guard poll(&sockets, 2, 20) > 0 else { continue }
      if sockets[0].revents != 0 { serveDatagram() }
      if sockets[1].revents != 0 { serveConnection() }
    }
    close(udp)
    close(tcp)
  }

  private func serveDatagram() {
    var buffer = [UInt8](repeating: 0, count: 4096)
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let count = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        recvfrom(udp, &buffer, buffer.count, 0, $0, &length)
      }
    }
    guard count > 0 else { return }
    let port = UInt16(bigEndian: address.sin_port)
    guard let reply = reply(to: Array(buffer.prefix(count)), isUDP: true, port) else { return }
    send(reply, to: port)
  }

  private func send(_ bytes: [UInt8], to port: UInt16) {
    var address = Self.loopback(port)
    _ = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(udp, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  private func serveConnection() {
    let client = accept(tcp, nil, nil)
    guard client >= 0 else { return }
    defer { close(client) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = recv(client, &buffer, buffer.count, 0)
    guard count > 2 else { return }
    let query = Array(buffer.prefix(count).dropFirst(2))
    guard let reply = reply(to: query, isUDP: false, 0) else { return }
    let framed = [UInt8(reply.count >> 8), UInt8(reply.count & 255)] + reply
    _ = Glibc.send(client, framed, framed.count, 0)
  }

  /// The answer to a query, nil for none now.
  private func reply(to query: [UInt8], isUDP: Bool, _ port: UInt16) -> [UInt8]? {
    guard let (name, type, end) = WireQuestion.read(query) else { return nil }
    guard let type else {
      // Of types that the zone cannot have, such as keys, there is nothing.
      let question = Question(name, .a)
      let isMute = state.withLock(\.isMute)
      return isMute ? nil : WireAnswer(query, end, Response(.noData), question).code(0)
    }
    let question = Question(name, type)
    let manner: Manner? = state.withLock { state in
      state.asked.append(question)
      return state.isMute ? .silent : state.manners[question.name]
    }
    let deadline = Deadline(.seconds(1), SystemTime())
    let whole = WireAnswer(query, end, resolver.resolve(question, by: deadline), question)
    switch manner {
    case nil: return whole.bytes(limit: isUDP ? 1232 : 65535)
    case .truncated: return isUDP ? whole.bytes(limit: 12) : whole.bytes(limit: 65535)
    case .wrongQuestion: return whole.toAnotherQuestion
    case .garbage: return [1, 2, 3]
    case .silent: return nil
    case .code(let code): return whole.code(code)
    case .held:
      let reply = whole.bytes(limit: 1232)
      state.withLock { $0.held.append(Held(reply: reply, port: port)) }
      return nil
    }
  }
}
