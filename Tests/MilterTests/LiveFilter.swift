// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient
import Synchronization
import Testing

@testable import Milter

/// What a connection object saw, and what came of its edits.
enum Event: Sendable, Equatable {
  case connect(Peer), hello(MailText), sender([MailText]), recipient([MailText]), data
  case unknown(MailText), header(HeaderField), endOfHeaders, body([UInt8]), endOfMessage
  case abort, close
  case macro(String, MailText?), applied(Bool), progressed(Bool)
}

/// What the connection object of one session does.
struct Plan: Sendable {
  var negotiation = Negotiation(
    steps: .all, answered: .all,
    actions: [
      .addHeaders, .changeHeaders, .replaceBody, .addRecipients, .deleteRecipients, .changeSender,
      .quarantine,
    ])
  /// The answer to each step.
  var answer: @Sendable (Event) -> MilterReply = { _ in .proceed }
  /// Asked for at the end of each message.
  var edits: [Edit] = []
  /// How often the end of a message says that work goes on.
  var progress = 0
  /// Macros to be read at each step.
  var macros: [String] = []
}

/// The events of one connection object.
final class Journal: Sendable {
  private let events = Mutex<[Event]>([])
  private let closed = DispatchSemaphore(value: 0)

  func add(_ event: Event) {
    events.withLock { $0.append(event) }
    if event == .close { closed.signal() }
  }

  var all: [Event] { events.withLock { $0 } }

  /// All events, once the connection was closed; whether it was in time.
  func afterClose() -> (isClosed: Bool, events: [Event]) {
    let isClosed = closed.wait(timeout: .now() + 30) == .success
    closed.signal()
    return (isClosed, all)
  }

  /// The bytes of all body chunks.
  var body: [UInt8] {
    all.flatMap { event -> [UInt8] in
      if case .body(let chunk) = event { chunk } else { [] }
    }
  }

  /// The fields.
  var fields: [HeaderField] {
    all.compactMap { event -> HeaderField? in
      if case .header(let field) = event { field } else { nil }
    }
  }
}

/// Does what its plan says and writes everything down.
private final class PlannedConnection: MilterConnection {
  private let plan: Plan
  private let journal: Journal

  init(_ plan: Plan, _ journal: Journal) {
    self.plan = plan
    self.journal = journal
  }

  private func step(_ event: Event, _ mta: borrowing MTA) -> MilterReply {
    journal.add(event)
    for name in plan.macros { journal.add(.macro(name, mta.macro(name))) }
    return plan.answer(event)
  }

  func connect(_ peer: Peer, _ mta: borrowing MTA) -> MilterReply { step(.connect(peer), mta) }
  func hello(_ name: MailText, _ mta: borrowing MTA) -> MilterReply { step(.hello(name), mta) }
  func envelopeFrom(_ arguments: [MailText], _ mta: borrowing MTA) -> MilterReply {
    step(.sender(arguments), mta)
  }
  func envelopeRecipient(_ arguments: [MailText], _ mta: borrowing MTA) -> MilterReply {
    step(.recipient(arguments), mta)
  }
  func data(_ mta: borrowing MTA) -> MilterReply { step(.data, mta) }
  func unknown(_ command: MailText, _ mta: borrowing MTA) -> MilterReply {
    step(.unknown(command), mta)
  }
  func header(_ field: HeaderField, _ mta: borrowing MTA) -> MilterReply {
    step(.header(field), mta)
  }
  func endOfHeaders(_ mta: borrowing MTA) -> MilterReply { step(.endOfHeaders, mta) }
  func body(_ chunk: RawSpan, _ mta: borrowing MTA) -> MilterReply {
    step(.body(chunk.withUnsafeBytes { Array($0) }), mta)
  }
  func endOfMessage(_ mta: borrowing MTA) -> MilterReply {
    let reply = step(.endOfMessage, mta)
    for _ in 0..<plan.progress { journal.add(.progressed(mta.progress())) }
    for edit in plan.edits { journal.add(.applied(mta.apply(edit))) }
    return reply
  }
  func abort() { journal.add(.abort) }
  func close() { journal.add(.close) }
}

/// Real libmilter in the test process: started once, since `smfi_main` cannot run twice.
///
/// The plan of a session must be known at its negotiation, before it has a name; so sessions begin
/// one at a time and each takes the plan that was put down for it.
final class LiveFilter: Sendable {
  private struct Factory: MilterConnectionFactory {
    let next = Next()
    final class Next: Sendable { let value = Mutex<(Plan, Journal)>((Plan(), Journal())) }

    var negotiation: Negotiation { next.value.withLock { $0.0.negotiation } }
    func makeConnection() -> any MilterConnection {
      next.value.withLock { PlannedConnection($0.0, $0.1) }
    }
  }

  private static let shared = Result { try LiveFilter() }
  let gate = SessionGate(maximumSessions: 100)
  let path: String
  private let folder: TemporaryFolder
  private let factory = Factory()
  private let turn = DispatchSemaphore(value: 1)

  private init() throws {
    folder = try TemporaryFolder()
    path = folder.path + "/milter"
    let socket = try ListeningSocket.open(.unix(path: path))
    try MilterRuntime.register(
      name: "bmsd-test", socket: socket, timeout: 30, gate: gate, factory: factory)
    Thread.detachNewThread { _ = MilterRuntime.run() }
    // What the runtime holds for ever keeps the folder too; the process' end removes it.
    atexit { LiveFilter.removeFolder() }
  }

  private static func removeFolder() {
    guard let filter = try? shared.get() else { return }
    unlink(filter.path)
    rmdir(filter.folder.path)
  }

  static func get() throws -> LiveFilter { try shared.get() }

  /// A session without negotiation; `begin` sends what makes the filter take the plan, and waits
  /// for its answer.
  static func raw(
    _ plan: Plan = Plan(), begin: (ClientSession) throws -> Void
  ) throws -> LiveSession {
    let filter = try get()
    let journal = Journal()
    filter.turn.wait()
    defer { filter.turn.signal() }
    filter.factory.next.value.withLock { $0 = (plan, journal) }
    let session = try ClientSession(connectingTo: .unix(path: filter.path), timeout: .seconds(20))
    do {
      try begin(session)
    } catch {
      session.closeAbruptly()
      throw error
    }
    return LiveSession(client: session, journal: journal)
  }

  /// A session that negotiated.
  static func open(
    _ plan: Plan = Plan(), version: UInt32 = 6, actions: WireActions? = nil,
    steps: WireSteps? = nil
  ) throws -> LiveSession {
    try raw(plan) { try $0.negotiate(version: version, actions: actions, steps: steps) }
  }
}

/// Both sides of one session.
struct LiveSession {
  let client: ClientSession
  let journal: Journal

  /// CONNECT and HELO of a stranger.
  func greet() throws {
    _ = try client.connect("mx.example.com", .inet("192.0.2.7", port: 4321))
    _ = try client.helo("mx.example.com")
  }

  /// MAIL and RCPT: what libmilter wants before it takes a header or a body.
  func beginMessage() throws {
    _ = try client.mail(["<a@example.com>"])
    _ = try client.rcpt(["<b@example.net>"])
  }

  /// Ends the session, and gives everything that the connection object saw.
  func events() throws -> [Event] {
    try client.quit(waiting: true)
    return journal.afterClose().events
  }
}

/// The tests that talk to libmilter; one at a time, because some change what all sessions share.
@Suite(.serialized) struct LiveTests {}
