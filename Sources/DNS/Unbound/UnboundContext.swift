// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import CUnbound
internal import Environment
internal import Glibc
internal import Synchronization

/// libunbound: one context for the process, with a thread of its own that asks the servers and one
/// of ours that hands over the answers.
///
/// Only this file touches its pointers. The library lets several threads use one context; settings
/// are made before the first question, since it takes none after that.
final class UnboundContext: Sendable {
  /// What came back, or the library's own words when nothing did.
  enum Reply: Sendable {
    case message([UInt8], isSecure: Bool)
    /// A message without a body that we can read: only its code.
    case code(UInt8)
    case bogus(String)
    case failure(String)
  }

  /// A question on its way. The library has its address until it calls back.
  fileprivate final class Ticket: Sendable {
    let context: UnboundContext
    let deliver: @Sendable (Reply) -> Void

    init(_ context: UnboundContext, _ deliver: @escaping @Sendable (Reply) -> Void) {
      self.context = context
      self.deliver = deliver
    }
  }

  /// Set once; what it points to has locks of libunbound's own, and no answer reaches it but through
  /// the library.
  private nonisolated(unsafe) let context: OpaquePointer
  private let tickets = Mutex<[ObjectIdentifier: Ticket]>([:])
  private let isStopping = Mutex(false)

  /// - Throws: what the library does not take, and why.
  init(_ options: UnboundOptions) throws(UnboundFailure) {
    guard let context = ub_ctx_create() else {
      throw UnboundFailure(description: "libunbound does not start")
    }
    self.context = context
    // When this throws, `deinit` runs: the value is whole already.
    try configure(options)
  }

  private static func check(_ code: Int32, _ what: String) throws(UnboundFailure) {
    guard code != 0 else { return }
    throw UnboundFailure(description: "libunbound refuses \(what): \(words(code))")
  }

  fileprivate static func words(_ code: Int32) -> String {
    ub_strerror(code).map { String(cString: $0) } ?? "error \(code)"
  }

  private func configure(_ options: UnboundOptions) throws(UnboundFailure) {
    // Errors go to standard error otherwise.
    try Self.check(ub_ctx_debugout(context, nil), "to be silent")
    let isValidating = options.trustAnchor != nil
    let settings = [
      ("module-config:", isValidating ? "validator iterator" : "iterator"),
      // A resolver of this machine is the usual one.
      ("do-not-query-localhost:", "no"),
      // Names of private networks are asked of the servers as all others are.
      ("unblock-lan-zones:", "yes"), ("insecure-lan-zones:", "yes"),
      // What was down is asked again soon: who is down is our own concern.
      ("infra-host-ttl:", "5"), ("edns-buffer-size:", "1232"),
      // Our own cache stands in front.
      ("msg-cache-size:", "1m"), ("rrset-cache-size:", "2m"), ("serve-expired:", "no"),
    ]
    for (name, value) in settings {
      try Self.check(ub_ctx_set_option(context, name, value), "\(name) \(value)")
    }
    if options.servers.isEmpty {
      try Self.check(ub_ctx_resolvconf(context, nil), "/etc/resolv.conf")
    }
    for server in options.servers {
      try Self.check(ub_ctx_set_fwd(context, server.description), "the server \(server)")
    }
    if let anchor = options.trustAnchor {
      // libunbound 1.17 reads a folder for ever.
      do {
        _ = try SystemFiles().read(anchor)
      } catch {
        throw UnboundFailure(description: "the trust anchor \(anchor): \(error)")
      }
      try Self.check(ub_ctx_add_ta_file(context, anchor), "the trust anchor \(anchor)")
    }
    try Self.check(ub_ctx_async(context, 1), "threads")
  }

  /// Starts the threads. `stop()` must be called before the value is let go.
  func start() throws(UnboundFailure) {
    // The library starts its thread with the first question, and with the signal mask of whoever
    // asks: the name is one that it answers itself.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    let refusal = ask("localhost", 1) { _ in }
    pthread_sigmask(SIG_SETMASK, &before, nil)
    // Only now does it read the file of a trust anchor.
    if let refusal { throw UnboundFailure(description: "libunbound does not start: \(refusal)") }
    guard startThread({ self.handOver() }) else {
      throw UnboundFailure(description: "libunbound got no thread")
    }
  }

  /// Ends the thread that hands answers over; nothing is delivered any more soon after.
  func stop() { isStopping.withLock { $0 = true } }

  deinit { ub_ctx_delete(context) }

  /// Asks for the records of one type; `deliver` is called once, on another thread.
  ///
  /// - Returns: why the library does not take the question; then nothing is delivered.
  func ask(
    _ name: String, _ type: UInt16, deliver: @escaping @Sendable (Reply) -> Void
  ) -> String? {
    let ticket = Ticket(self, deliver)
    tickets.withLock { $0[ObjectIdentifier(ticket)] = ticket }
    let code = ub_resolve_async(
      context, name, Int32(type), Int32(Message.internet),
      Unmanaged.passUnretained(ticket).toOpaque(),
      { pointer, error, result in
        guard let pointer else { return }
        Unmanaged<Ticket>.fromOpaque(pointer).takeUnretainedValue().arrived(error, result)
      }, nil)
    guard code != 0 else { return nil }
    forget(ticket)
    return Self.words(code)
  }

  /// Waits for answers and hands them over until `stop()`.
  private func handOver() {
    var waiting = pollfd(fd: ub_fd(context), events: Int16(POLLIN), revents: 0)
    while !isStopping.withLock({ $0 }) {
      // So often it is looked whether to end.
      if poll(&waiting, 1, 100) > 0 { ub_process(context) }
    }
    // The library drops what is still on its way; nobody waits for it any more.
    tickets.withLock { $0.removeAll() }
  }
}

extension UnboundContext.Ticket {
  /// Takes the answer over from the library, whose memory is freed.
  fileprivate func arrived(_ error: Int32, _ result: UnsafeMutablePointer<ub_result>?) {
    defer { ub_resolve_free(result) }
    context.forget(self)
    deliver(UnboundContext.reply(error, result?.pointee))
  }
}

extension UnboundContext {
  fileprivate func forget(_ ticket: Ticket) {
    tickets.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(ticket)) }
  }

  fileprivate static func reply(_ error: Int32, _ result: ub_result?) -> Reply {
    guard error == 0, let result else {
      return .failure(words(error))
    }
    if result.bogus != 0 {
      let why = result.why_bogus.map { String(cString: $0) } ?? "validation failed"
      return .bogus(why)
    }
    if let packet = result.answer_packet, result.answer_len > 0 {
      let bytes = [UInt8](UnsafeRawBufferPointer(start: packet, count: Int(result.answer_len)))
      return .message(bytes, isSecure: result.secure != 0)
    }
    return .code(UInt8(truncatingIfNeeded: result.rcode))
  }
}
