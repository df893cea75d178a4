// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import Synchronization

/// A step of a message, as far as the MTA waits for it.
enum LoadStage: String, CaseIterable, Codable, CodingKeyRepresentable {
  /// Opening the socket, negotiation and CONNECT.
  case connect
  case helo, mail, rcpt, data
  /// Header fields, end of header and body.
  case content
  /// End of message; with it travels what nobody waited for before.
  case eom
  /// All of these.
  case total
}

/// Messages over so many connections at once, one message a connection.
struct Load {
  /// Who sends, and so what shall become of each message; anything else ends the measurement.
  enum Fate {
    /// Known clients, again and again.
    case accepted
    /// Known clients, each of which sends once.
    case acceptedOnce
    /// Our own clients.
    case ours
    /// Trusted forwarders, whom greylisting would defer if they were not.
    case forwarded
    /// Strangers.
    case deferred

    fileprivate func client(_ number: Int) -> Correspondence {
      switch self {
      case .accepted: .known(number)
      case .acceptedOnce: .once(number)
      case .ours: .ours(number)
      case .forwarded: .forwarder(number)
      case .deferred: .stranger(number)
      }
    }
  }

  /// What is in the messages.
  enum Content {
    /// 2 KB of text.
    case text
    /// In turn 2 KB of text, 30 KB with HTML and 400 KB with attachments.
    case mix

    fileprivate func of(_ number: Int, _ client: Correspondence) -> ([HeaderField], [UInt8]) {
      guard self == .mix else { return (client.headers(number), Correspondence.body) }
      let sample = Correspondence.mix[number % Correspondence.mix.count]
      return (sample.headers, sample.body)
    }
  }

  let address: MilterAddress
  let connections: Int
  let messages: Int
  let fate: Fate
  var content = Content.text

  /// Nanoseconds by stage, one for each message.
  typealias Latencies = [LoadStage: [Int]]

  /// Sends messages from number `first` on, until `isOver`, and gives how long each step took;
  /// meanwhile `watch` is called every 20 ms.
  func run(
    from first: Int, until isOver: @escaping @Sendable () -> Bool = { false },
    watch: () throws -> Void
  ) throws -> Latencies {
    let next = Atomic(0)
    let result = Mutex<(latencies: Latencies, error: (any Error)?)>(([:], nil))
    let done = DispatchGroup()
    withExtendedLifetime(done) {
      for _ in 0..<connections {
        done.enter()
        let worker = Thread { [self] in
          defer { done.leave() }
          var latencies: Latencies = [:]
          var failure: (any Error)?
          while failure == nil, !isOver() {
            let number = next.add(1, ordering: .relaxed).oldValue
            guard number < messages else { break }
            do { try send(first + number, &latencies) } catch { failure = error }
          }
          result.withLock { [latencies, failure] in
            $0.latencies.merge(latencies) { $0 + $1 }
            if $0.error == nil { $0.error = failure }
          }
        }
        worker.stackSize = 1 << 20
        worker.start()
      }
    }
    while done.wait(timeout: .now() + .milliseconds(20)) == .timedOut { try watch() }
    return try result.withLock {
      if let error = $0.error { throw error }
      return $0.latencies
    }
  }

  /// The most that an MTA puts into one packet.
  private static let chunkSize = 65_535

  /// One client, one connection, one message.
  private func send(_ number: Int, _ latencies: inout Latencies) throws {
    let client = fate.client(number)
    let (headers, body) = content.of(number, client)
    let begin = ContinuousClock.now
    var last = begin
    func lap(_ stage: LoadStage) {
      let now = ContinuousClock.now
      latencies[stage, default: []].append((now - last).nanoseconds)
      last = now
    }
    let session = try connect(client, number)
    lap(.connect)
    try proceed(try session.helo(MailText(client.name)))
    lap(.helo)
    try proceed(try session.mail([MailText("<\(client.sender)>"), "SIZE=2048"]))
    lap(.mail)
    try proceed(try session.rcpt([MailText("<\(Correspondence.recipient)>")]))
    lap(.rcpt)
    let answer = try session.data()
    lap(.data)
    if fate == .deferred {
      guard answer.code == 451 else { throw BenchmarkError("\(answer) instead of a deferral") }
      try session.abort()
    } else {
      try proceed(answer)
      for field in headers { try proceed(try session.header(field)) }
      try proceed(try session.endOfHeaders())
      for start in stride(from: 0, to: body.count, by: Self.chunkSize) {
        try proceed(try session.body(body[start..<min(start + Self.chunkSize, body.count)]))
      }
      lap(.content)
      try proceed(try session.endOfMessage().reply)
      lap(.eom)
    }
    latencies[.total, default: []].append((ContinuousClock.now - begin).nanoseconds)
    try session.quit()
  }

  /// Opens a session up to its first recipient, without end of message.
  func open(_ number: Int) throws -> MilterSession {
    let client = Correspondence.known(number)
    let session = try connect(client, number)
    try proceed(try session.helo(MailText(client.name)))
    try proceed(try session.mail([MailText("<\(client.sender)>"), "SIZE=2048"]))
    try proceed(try session.rcpt([MailText("<\(Correspondence.recipient)>")]))
    return session
  }

  private func connect(_ client: Correspondence, _ number: Int) throws -> MilterSession {
    let session = try MilterSession(connectingTo: address, timeout: .seconds(60))
    session.macros = Correspondence.macros(queueID: "4Z\(number)")
    try session.negotiate()
    try proceed(try session.connect(MailText(client.name), client.peer))
    return session
  }

  private func proceed(_ reply: StepReply) throws {
    guard reply.isOpen else { throw BenchmarkError("\(reply) where mail should pass") }
  }
}

extension Correspondence {
  fileprivate var peer: MilterSession.Peer { .inet(MailText("\(address)"), port: 25_000) }
}

extension Duration {
  fileprivate var nanoseconds: Int {
    Int(components.seconds) * 1_000_000_000 + Int(components.attoseconds / 1_000_000_000)
  }
}
