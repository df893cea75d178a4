// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import FoundationEssentials
internal import Glibc
package import Milter
internal import Synchronization

/// The daemon's side of the control socket: a thread that accepts, and one for each of a few
/// clients.
///
/// Nothing a client does costs more than its own thread: requests are bounded, every read and write
/// has a limit, and clients beyond `maximumClients` are sent away.
package final class ControlServer: Sendable {
  /// Answers a request line of a caller with rows and an end.
  package typealias Handler =
    @Sendable (
      _ request: Data, _ caller: ControlCaller, _ row: ControlRows
    ) -> ControlEnd
  /// Starts a thread.
  ///
  /// - Returns: false when the system gives none.
  package typealias Spawn = @Sendable (@escaping @Sendable () -> Void) -> Bool

  /// More clients at once are told to try again.
  package static let maximumClients = 32
  /// Of these, so many may ask what takes long; the others are for short requests.
  package static let maximumLong = 4
  /// The longest request in bytes.
  package static let maximumRequest = 1 << 20

  private let socket: ListeningSocket
  private let handler: Handler
  private let spawn: Spawn
  private let requestLimit: Duration
  private let isShort: @Sendable (Data) -> Bool
  private let clients = Mutex(0)
  private let long = Mutex(0)
  private let isStopped = Mutex(false)

  /// A server on `socket`; `requestLimit` is how long a client may take to send its request, and
  /// `isShort` tells requests whose answer is written at once.
  package init(
    _ socket: ListeningSocket, requestLimit: Duration = .seconds(2),
    isShort: @escaping @Sendable (Data) -> Bool = { _ in false }, spawn: @escaping Spawn,
    handler: @escaping Handler
  ) {
    self.isShort = isShort
    self.socket = socket
    self.requestLimit = requestLimit
    self.spawn = spawn
    self.handler = handler
  }

  /// Begins to serve.
  ///
  /// - Returns: false when the system gives no thread.
  package func start() -> Bool { spawn { [self] in acceptAll() } }

  /// Takes no further clients and removes the socket's path.
  package func stop() {
    isStopped.withLock { $0 = true }
    shutdown(socket.descriptor, Int32(SHUT_RDWR))
    socket.removePath()
  }

  private func acceptAll() {
    // Commands are served until the end, also while no mail is taken any more.
    MilterRuntime.acceptAlways()
    while !isStopped.withLock({ $0 }) {
      let descriptor = accept(socket.descriptor, nil, nil)
      guard descriptor >= 0 else {
        if errno == EINTR || errno == ECONNABORTED { continue }
        if isStopped.withLock({ $0 }) { return }
        // Out of descriptors: mail needs them, this can wait.
        guard errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM else {
          return
        }
        usleep(100_000)
        continue
      }
      let client = Client(LineSocket(descriptor))
      guard Self.isAdmitted(clients, Self.maximumClients) else {
        client.sendAwayBusy("the daemon serves \(Self.maximumClients) commands already; try again")
        clients.withLock { $0 -= 1 }
        continue
      }
      let hasThread = spawn { [self] in
        serve(client)
        clients.withLock { $0 -= 1 }
      }
      if !hasThread {
        client.sendAwayBusy("the daemon got no thread for this command; try again")
        clients.withLock { $0 -= 1 }
      }
    }
  }

  /// Counts one more, also where that is too many.
  private static func isAdmitted(_ count: borrowing Mutex<Int>, _ maximum: Int) -> Bool {
    count.withLock { count in
      count += 1
      return count <= maximum
    }
  }

  private func serve(_ client: Client) {
    let request: [UInt8]
    do {
      try client.socket.write(
        Array(#"{"bmsd":\#(Greeting.version)}"#.utf8) + [0x0A], within: Client.writeLimit)
      request = try client.socket.readLine(maximum: Self.maximumRequest, within: requestLimit)
    } catch LineSocket.Trouble.tooLong {
      client.sendAway("the request is longer than \(Self.maximumRequest) bytes", EX_DATAERR)
      return
    } catch LineSocket.Trouble.timeout {
      client.sendAway("no request came in time", EX_PROTOCOL)
      return
    } catch {
      return
    }
    let isLong = !isShort(Data(request))
    defer { if isLong { long.withLock { $0 -= 1 } } }
    guard !isLong || Self.isAdmitted(long, Self.maximumLong) else {
      client.sendAwayBusy(
        "the daemon serves \(Self.maximumLong) long commands already; try again")
      return
    }
    let caller = ControlCaller(uid: client.socket.peerUID)
    let end = handler(Data(request), caller) { row in
      try client.socket.write(try AnswerLine.row(row), within: Client.writeLimit)
    }
    try? client.socket.write(AnswerLine.end(end), within: Client.writeLimit)
  }
}

/// A connection handed from the accepting thread to its own.
///
/// The socket is not `Sendable`, but never shared: the accepting thread lets go of it when it starts
/// the client's thread, or keeps it when there is none. Nothing a client sends changes that.
private final class Client: Sendable {
  nonisolated(unsafe) let socket: LineSocket

  static let writeLimit = Duration.seconds(10)

  init(_ socket: LineSocket) { self.socket = socket }

  /// Ends without an answer; never waits, since the accepting thread may call it.
  func sendAway(_ message: String, _ status: Int32) {
    try? socket.write(AnswerLine.end(ControlEnd(status, [message])), within: .zero)
  }

  /// The same for who may try again in a moment.
  func sendAwayBusy(_ message: String) {
    var end = ControlEnd(EX_TEMPFAIL, [message])
    end.isBusy = true
    try? socket.write(AnswerLine.end(end), within: .zero)
  }
}
