// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import CMilter
internal import Glibc
internal import Synchronization

/// libmilter's main loop, once in a process.
///
/// `smfi_register` has no user pointer, so the factory must stand where a C callback finds it: in
/// one lock in this file.
public enum MilterRuntime {
  struct Service: Sendable {
    var factory: any MilterConnectionFactory
    let gate: SessionGate
  }
  private static let current = Mutex<Service?>(nil)

  static var service: Service? { current.withLock { $0 } }

  /// What was agreed in each of libmilter's contexts. A context may serve a second connection
  /// (QUIT_NC) after its session object is gone. libmilter does not tell when it frees one, so an
  /// entry stays until its address negotiates again: at most one for each session open at once.
  private static let agreements = Mutex<[UInt: Agreement]>([:])

  static func remember(_ agreement: Agreement, of context: OpaquePointer) {
    let address = UInt(bitPattern: context)
    agreements.withLock { $0[address] = agreement }
  }

  /// Without a negotiation every step is answered.
  static func agreement(of context: OpaquePointer) -> Agreement {
    let address = UInt(bitPattern: context)
    return agreements.withLock { $0[address] } ?? .none
  }

  /// libmilter's default of 65,535 bytes makes it hang up on the headers that Postfix allows.
  static let maximumDataSize = 1_048_575

  /// Registers the filter and hands `socket` to libmilter.
  ///
  /// `name` is how the filter calls itself in libmilter's syslog lines, `timeout` holds for each
  /// read and write towards the MTA, in seconds. An error says what libmilter did not take; nothing
  /// listens then.
  public static func register(
    name: String, socket: ListeningSocket, timeout: Int, gate: SessionGate,
    factory: any MilterConnectionFactory
  ) throws(ListenError) {
    current.withLock { $0 = Service(factory: factory, gate: gate) }
    // libmilter keeps a copy of the struct, but not of the name.
    guard let name = strdup(name) else { throw ListenError("out of memory") }
    guard smfi_register(milterDescription(name: name)) == MI_SUCCESS else {
      throw ListenError("libmilter did not take the filter's description")
    }
    smfi_setmaxdatasize(maximumDataSize)
    smfi_settimeout(Int32(clamping: timeout))
    if opened("fd:\(socket.descriptor)") { return }
    // `fd:N` is Debian's patch. Elsewhere the socket is libmilter's own, without our mode, group
    // and TCP_NODELAY; an inherited one cannot be used there.
    guard !socket.isInherited else {
      throw ListenError(
        "this libmilter takes no inherited socket (`fd:N`); stop the socket unit and let bmsd "
          + "open [milter] socket itself")
    }
    socket.removePath()
    socket.closeDescriptor()
    guard opened("\(socket.address)") else {
      throw ListenError("libmilter cannot listen on \(socket.address)")
    }
  }

  /// Puts `factory` in the present one's place, for connections to come.
  public static func replaceFactory(_ factory: any MilterConnectionFactory) {
    current.withLock { $0?.factory = factory }
  }

  /// Has all threads share at most `count` arenas of glibc's malloc; false when malloc does not take
  /// the limit. To be called before there are many threads: arenas that exist are not given up.
  public static func limitArenas(_ count: Int) -> Bool {
    cmilter_limit_arenas(Int32(clamping: count))
  }

  /// Leaves further connections in the backlog, for whoever holds the listening socket next. There
  /// is no way back.
  public static func endAccepting() { cmilter_end_accepting() }

  /// Lets the calling thread, which is none of libmilter's, accept connections after that too.
  public static func acceptAlways() { cmilter_accept_always() }

  /// Runs libmilter's loop in the calling thread until it fails; signals never end it.
  ///
  /// Block the signals that the process wants to take itself before the call. After the return
  /// libmilter's workers may still run: end the process without freeing what they use.
  public static func run() -> Bool { smfi_main() == MI_SUCCESS }

  private static func opened(_ connection: String) -> Bool {
    var text = connection.utf8.map { CChar(bitPattern: $0) } + [0]
    return smfi_setconn(&text) == MI_SUCCESS && smfi_opensocket(false) == MI_SUCCESS
  }
}
