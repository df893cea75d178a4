// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Mail

extension MilterSession {
  /// The SMTP client as the MTA names it.
  public enum Peer: Sendable, Equatable {
    /// An IPv4 client.
    case inet(MailText, port: UInt16)
    /// An IPv6 client.
    case inet6(MailText, port: UInt16)
    /// A client on a unix socket.
    case unix(MailText)
    /// A client that has no address.
    case unknown

    fileprivate var bytes: [UInt8] {
      // mfdef.h: SMFIA_INET '4', SMFIA_INET6 '6', SMFIA_UNIX 'L', SMFIA_UNKNOWN 'U'.
      let (family, port, address): (UInt8, UInt16, MailText?) =
        switch self {
        case .inet(let address, let port): (0x34, port, address)
        case .inet6(let address, let port): (0x36, port, address)
        case .unix(let path): (0x4C, 0, path)
        case .unknown: (0x55, 0, nil)
        }
      guard let address else { return [family] }
      var data = WireData()
      data.append(port)
      data.append(address)
      return [family] + data.bytes
    }
  }

  /// What a filter said at end of message.
  public struct EndOfMessage: Sendable, Equatable {
    /// The verdict.
    public var reply: StepReply
    /// What it wants changed, in its order.
    public var modifications: [Modification]
    /// How often it said that it is still at work.
    public var progressCount: Int

    /// The changes without the bytes on the wire.
    public var edits: [Edit] { modifications.map(\.edit) }
  }

  /// Tells of a new client: its host name and its address.
  public func connect(
    _ hostname: MailText, _ peer: Peer
  ) throws(MilterClientError) -> StepReply {
    let payload = WireData(strings: [hostname]).bytes + peer.bytes
    let reply = try step(
      .connect, payload, skip: .noConnect, noReply: .noReplyConnect, macros: .connect)
    if !reply.isOpen { connectionReply = reply }
    return reply
  }

  /// Tells the name given in HELO or EHLO.
  public func helo(_ name: MailText) throws(MilterClientError) -> StepReply {
    let reply = try step(
      .helo, WireData(strings: [name]).bytes, skip: .noHelo, noReply: .noReplyHelo, macros: .helo)
    if !reply.isOpen { connectionReply = reply }
    return reply
  }

  /// Begins a message: the reverse-path, then its ESMTP parameters.
  public func mail(_ arguments: [MailText]) throws(MilterClientError) -> StepReply {
    try step(
      .mail, WireData(strings: arguments).bytes, skip: .noMail, noReply: .noReplyMail,
      macros: .mail)
  }

  /// Tells a recipient: the forward-path, then its ESMTP parameters.
  public func rcpt(_ arguments: [MailText]) throws(MilterClientError) -> StepReply {
    try step(
      .rcpt, WireData(strings: arguments).bytes, skip: .noRcpt, noReply: .noReplyRcpt,
      macros: .rcpt)
  }

  /// Tells of the command DATA; before version 4 there is no such step.
  public func data() throws(MilterClientError) -> StepReply {
    guard negotiated.version >= 4 else { return .notSent }
    return try step(.data, [], skip: .noData, noReply: .noReplyData, macros: .data)
  }

  /// Tells of an SMTP command that the MTA does not know; before version 3 there is no such step.
  public func unknown(_ command: MailText) throws(MilterClientError) -> StepReply {
    guard negotiated.version >= 3 else { return .notSent }
    return try step(
      .unknown, WireData(strings: [command]).bytes, skip: .noUnknown, noReply: .noReplyUnknown)
  }

  /// Sends a header field, with the space behind the colon if that was agreed.
  public func header(_ field: HeaderField) throws(MilterClientError) -> StepReply {
    var value = field.rawValue
    // Postfix and Sendmail eat exactly one space, and no tab.
    if !negotiated.steps.contains(.leadingSpace), value.bytes.first == 0x20 {
      value.bytes.removeFirst()
    }
    return try step(
      .header, WireData(strings: [field.name, value]).bytes, skip: .noHeaders,
      noReply: .noReplyHeaders)
  }

  /// Tells that the header is complete.
  public func endOfHeaders() throws(MilterClientError) -> StepReply {
    try step(
      .endOfHeaders, [], skip: .noEndOfHeaders, noReply: .noReplyEndOfHeaders,
      macros: .endOfHeaders)
  }

  /// Sends a piece of the body, cut anywhere. After `.skip` an MTA sends no more of them.
  public func body(_ chunk: some Sequence<UInt8>) throws(MilterClientError) -> StepReply {
    try step(.body, Array(chunk), skip: .noBody, noReply: .noReplyBody)
  }

  /// Tells that the message is complete, and collects what the filter wants changed.
  ///
  /// - Parameter lastChunk: the last piece of the body, when it shall travel in the same packet.
  /// - Returns: the verdict and the changes.
  /// - Throws: also for edits that were not negotiated.
  public func endOfMessage(
    lastChunk: [UInt8] = []
  ) throws(MilterClientError) -> EndOfMessage {
    try sendMacros(.endOfMessage)
    try enqueue(WirePacket(.endOfMessage, lastChunk))
    let before = progressCount
    var collector = ModificationCollector(
      actions: negotiated.actions, leadingSpace: negotiated.steps.contains(.leadingSpace))
    while true {
      let packet = try receiveAnswer()
      guard let reply = try StepReply(packet) else {
        try collector.take(packet)
        continue
      }
      guard reply != .skip else { throw .violation("SKIP in answer to the end of the message") }
      return EndOfMessage(
        reply: reply, modifications: collector.modifications,
        progressCount: progressCount - before)
    }
  }

  /// Gives the message up; the connection goes on.
  public func abort() throws(MilterClientError) {
    try enqueue(WirePacket(.abort))
    try flush()
  }

  /// Ends the connection of this client; the next `connect` tells of another on the same socket.
  public func quitNewConnection() throws(MilterClientError) {
    guard negotiated.version >= 6 else { throw .unsupported(.quitNewConnection) }
    try enqueue(WirePacket(.quitNewConnection))
    try flush()
    connectionReply = nil
  }

  // MARK: - One step

  private func step(
    _ command: WireCommand, _ payload: [UInt8], skip: WireSteps, noReply: WireSteps,
    macros stage: WireStage? = nil
  ) throws(MilterClientError) -> StepReply {
    // As Postfix does, also for a step that is left out: a later one may need them.
    if let stage { try sendMacros(stage) }
    guard !negotiated.steps.contains(skip) else { return .notSent }
    try enqueue(WirePacket(command, payload))
    guard !negotiated.steps.contains(noReply) else { return .noReply }
    let packet = try receiveAnswer()
    guard let reply = try StepReply(packet) else {
      throw .violation("response \(packet.command) to \(command)")
    }
    if reply == .skip {
      // libmilter sends it whether it was offered or not, so it is the filter that must know.
      guard command == .body, offeredSteps.contains(.skip) else {
        throw .violation("SKIP in answer to \(command)")
      }
    }
    return reply
  }

  /// The next packet that is not just a sign of life; each of those begins the wait anew.
  private func receiveAnswer() throws(MilterClientError) -> WirePacket {
    while true {
      let packet = try receive()
      guard packet == WirePacket(.progress) else { return packet }
      progressCount += 1
    }
  }

  private func sendMacros(_ stage: WireStage) throws(MilterClientError) {
    guard let values = macros[stage] else { return }
    let wished = negotiated.macros[stage].map { Set($0.map(Self.bareMacroName)) }
    var strings: [MailText] = []
    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
      let bare = Self.bareMacroName(name)
      if let wished, !wished.contains(bare) { continue }
      strings += [MailText(bare.utf8.count == 1 ? bare : "{\(bare)}"), value]
    }
    guard !strings.isEmpty else { return }
    let payload = [stage.command.rawValue] + WireData(strings: strings).bytes
    try enqueue(WirePacket(.macro, payload))
  }

  private static func bareMacroName(_ name: String) -> String {
    name.hasPrefix("{") && name.hasSuffix("}") ? String(name.dropFirst().dropLast()) : name
  }
}
