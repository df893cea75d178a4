// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import CMilter
internal import Glibc
internal import Mail

// libmilter's callbacks, in the order of a session. They live in a library file, not in main.swift,
// where they would be isolated to the main actor and die on libmilter's threads. Each survives a
// session without an object: an MTA may send any command first.

/// The description that `smfi_register` copies.
func milterDescription(name: UnsafeMutablePointer<CChar>) -> smfiDesc {
  smfiDesc(
    xxfi_name: name, xxfi_version: Int32(SMFI_VERSION), xxfi_flags: 0,
    xxfi_connect: { onConnect($0, $1, $2) },
    xxfi_helo: { context, name in
      onStep(.hello, context) { $0.hello(text(name), $1) }
    },
    xxfi_envfrom: { context, arguments in
      onSender(context, arguments)
    },
    xxfi_envrcpt: { context, arguments in
      onStep(.recipient, context) { $0.envelopeRecipient(texts(arguments), $1) }
    },
    xxfi_header: { context, name, value in onHeader(context, name, value) },
    xxfi_eoh: { context in onStep(.endOfHeaders, context) { $0.endOfHeaders($1) } },
    xxfi_body: { context, bytes, count in
      onStep(.body, context) {
        $0.body(UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : count).bytes, $1)
      }
    },
    xxfi_eom: { context in onEndOfMessage(context) },
    xxfi_abort: { context in
      session(context)?.abort()
      return SMFIS_CONTINUE
    },
    xxfi_close: { context in onClose(context) },
    xxfi_unknown: { context, _ in onStep(.unknown, context) { $0.unknown($1) } },
    xxfi_data: { context in onStep(.data, context) { $0.data($1) } },
    xxfi_negotiate: { context, actions, steps, _, _, wantActions, wantSteps, want2, want3 in
      wantActions?.pointee = 0
      wantSteps?.pointee = 0
      want2?.pointee = 0
      want3?.pointee = 0
      guard let context,
        let wanted = onNegotiate(context, actions: UInt(actions), steps: UInt(steps))
      else { return SMFIS_REJECT }
      wantActions?.pointee = wanted.actions
      wantSteps?.pointee = wanted.steps
      return SMFIS_CONTINUE
    })
}

private func session(_ context: OpaquePointer?) -> MilterSession? {
  guard let context, let box = smfi_getpriv(context) else { return nil }
  return Unmanaged<MilterSession>.fromOpaque(box).takeUnretainedValue()
}

private func attach(_ session: MilterSession, to context: OpaquePointer) {
  smfi_setpriv(context, Unmanaged.passRetained(session).toOpaque())
}

private func detach(_ context: OpaquePointer) -> MilterSession? {
  guard let box = smfi_getpriv(context) else { return nil }
  smfi_setpriv(context, nil)
  return Unmanaged<MilterSession>.fromOpaque(box).takeRetainedValue()
}

/// The session, made now when the MTA did not negotiate again after QUIT_NC: libmilter goes on with
/// what was agreed before.
private func sessionMadeIfNeeded(_ context: OpaquePointer) -> MilterSession? {
  if let session = session(context) { return session }
  guard let service = MilterRuntime.service else { return nil }
  let agreement = MilterRuntime.agreement(of: context)
  let session = MilterSession(service, agreement, refusal: service.gate.admitSession())
  attach(session, to: context)
  return session
}

/// Nil to hang up.
private func onNegotiate(
  _ context: OpaquePointer, actions: UInt, steps: UInt
) -> (actions: UInt, steps: UInt)? {
  // A second negotiation in one session begins it anew.
  detach(context)?.close()
  guard let service = MilterRuntime.service, !service.gate.isOverrun else { return nil }
  let refusal = service.gate.admitSession()
  let wanted = refusal == nil ? service.factory.negotiation : .turningAway
  let settled = Agreement.settle(wanted, offeredActions: actions, offeredSteps: steps)
  attach(MilterSession(service, settled.agreement, refusal: refusal), to: context)
  MilterRuntime.remember(settled.agreement, of: context)
  if settled.actions & Actions.setMacros.rawValue != 0 {
    MTA(context: context, leadingSpace: false).wish(for: wanted.macroLists)
  }
  return (settled.actions, settled.steps)
}

private func onConnect(
  _ context: OpaquePointer?, _ host: UnsafeMutablePointer<CChar>?,
  _ address: UnsafeMutablePointer<sockaddr>?
) -> sfsistat {
  onStep(.connect, context) {
    $0.connect(Peer(hostName: text(host), address: peerAddress(address)), $1)
  }
}

private func onSender(
  _ context: OpaquePointer?, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> sfsistat {
  guard let context, let session = sessionMadeIfNeeded(context) else { return SMFIS_TEMPFAIL }
  session.beginMessage()
  return session.answer(.sender, context) { $0.envelopeFrom(texts(arguments), $1) }
}

private func onHeader(
  _ context: OpaquePointer?, _ name: UnsafeMutablePointer<CChar>?,
  _ value: UnsafeMutablePointer<CChar>?
) -> sfsistat {
  guard let context, let session = sessionMadeIfNeeded(context) else { return SMFIS_TEMPFAIL }
  var raw = text(value)
  // Without the agreement one space was eaten; a tab never is.
  if !session.agreement.leadingSpace, raw.bytes.first != 0x09, raw.bytes.first != 0x0A {
    raw.bytes.insert(0x20, at: 0)
  }
  let field = HeaderField(name: text(name), rawValue: raw)
  return session.answer(.header, context) { $0.header(field, $1) }
}

private func onEndOfMessage(_ context: OpaquePointer?) -> sfsistat {
  guard let context, let session = sessionMadeIfNeeded(context) else { return SMFIS_TEMPFAIL }
  defer { session.endMessage() }
  return session.answer([], context) { $0.endOfMessage($1) }
}

private func onClose(_ context: OpaquePointer?) -> sfsistat {
  guard let context else { return SMFIS_CONTINUE }
  detach(context)?.close()
  return SMFIS_CONTINUE
}

private func onStep(
  _ step: Steps, _ context: OpaquePointer?,
  _ body: (any MilterConnection, borrowing MTA) -> MilterReply
) -> sfsistat {
  guard let context, let session = sessionMadeIfNeeded(context) else { return SMFIS_TEMPFAIL }
  return session.answer(step, context, body)
}

// MARK: values from C

private func text(_ pointer: UnsafePointer<CChar>?) -> MailText {
  pointer.map(MailText.init(cString:)) ?? MailText([])
}

/// The most arguments of one MAIL or RCPT that are looked at.
private let maximumArguments = 256

private func texts(
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> [MailText] {
  guard let arguments else { return [] }
  var out: [MailText] = []
  while out.count < maximumArguments, let argument = arguments[out.count] {
    out.append(MailText(cString: argument))
  }
  return out
}

private func peerAddress(_ address: UnsafeMutablePointer<sockaddr>?) -> Peer.Address {
  guard let address else { return .unknown }
  let raw = UnsafeRawPointer(address)
  switch Int32(address.pointee.sa_family) {
  case AF_INET:
    let inet = raw.loadUnaligned(as: sockaddr_in.self)
    return .inet(
      IPAddress(v4: UInt32(bigEndian: inet.sin_addr.s_addr)),
      port: UInt16(bigEndian: inet.sin_port))
  case AF_INET6:
    let inet = raw.loadUnaligned(as: sockaddr_in6.self)
    let halves = withUnsafeBytes(of: inet.sin6_addr) {
      (
        UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
        UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
    return .inet(
      IPAddress(v6High: halves.0, low: halves.1), port: UInt16(bigEndian: inet.sin6_port))
  case AF_UNIX:
    let local = raw.loadUnaligned(as: sockaddr_un.self)
    let path = withUnsafeBytes(of: local.sun_path) { $0.prefix { $0 != 0 } }
    return .unix(path: MailText(path))
  default:
    return .unknown
  }
}
