// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Mail

/// One connection to a filter, seen from the MTA.
///
/// Not thread-safe: one thread at a time, each call waits at most `timeout`. Nothing forbids steps
/// in a wrong order, because a filter must survive them; `send(_:chunkSize:)` does what a sane MTA
/// does. What the filter sends is held to the protocol: what an MTA would not take is thrown as a
/// `MilterClientError`, and the session is of no more use then.
///
/// As in Postfix, what needs no answer waits in a buffer until an answer is needed, the buffer is
/// full, or `flush()` is called.
public final class MilterSession {
  /// What both sides agreed on.
  public struct Negotiated: Sendable, Equatable {
    /// The version of the protocol.
    public var version: UInt32
    /// The edits the filter may ask for.
    public var actions: WireActions
    /// The steps left out or not answered.
    public var steps: WireSteps
    /// The macros the filter wishes for, as it spelt them, at the stages it spoke of.
    public var macros: [WireStage: [String]]

    /// What was agreed.
    public init(
      version: UInt32, actions: WireActions, steps: WireSteps,
      macros: [WireStage: [String]] = [:]
    ) {
      self.version = version
      self.actions = actions
      self.steps = steps
      self.macros = macros
    }
  }

  /// How long one write, or the wait for one packet, may take.
  public var timeout: Duration
  /// The macros to send before each stage; of these the filter gets what it wished for.
  ///
  /// Names may stand with braces or without; those of more than one letter travel with them.
  public var macros: [WireStage: [String: MailText]] = [:]
  /// The agreement; before `negotiate` it has every edit and every step.
  public private(set) var negotiated = Negotiated(
    version: 6, actions: .known(to: 6), steps: [])
  /// The verdict on the whole connection, if the answer to CONNECT or HELO was one.
  public internal(set) var connectionReply: StepReply?
  /// How often the filter said, in the whole session, that it is still at work.
  public internal(set) var progressCount = 0

  /// What was offered to be left out or not answered.
  private(set) var offeredSteps = WireSteps.known(to: 6)

  private let socket: MilterSocket
  private var decoder = WireDecoder()
  private var output: [UInt8] = []

  /// Speaks over a connected stream socket, which the session closes at its end.
  public init(connectedSocket descriptor: CInt, timeout: Duration = .seconds(30)) {
    socket = MilterSocket(taking: descriptor)
    self.timeout = timeout
  }

  /// Connects to a filter.
  public init(
    connectingTo address: MilterAddress, timeout: Duration = .seconds(30)
  ) throws(MilterClientError) {
    socket = try MilterSocket.connect(to: address, timeout: timeout)
    self.timeout = timeout
  }

  /// Offers what an MTA of that protocol version knows, or less, and takes the filter's choice.
  ///
  /// - Parameters:
  ///   - version: the highest version to speak, 2 to 6.
  ///   - actions: the edits to allow; nil for all that the version knows.
  ///   - steps: what may be left out or not be answered; nil for all that the version knows.
  /// - Returns: the agreement, which holds for the session.
  /// - Throws: also when the filter chose what was not offered.
  @discardableResult
  public func negotiate(
    version: UInt32 = 6, actions: WireActions? = nil, steps: WireSteps? = nil
  ) throws(MilterClientError) -> Negotiated {
    let actions = actions ?? .known(to: version)
    let steps = steps ?? .known(to: version)
    let offer = WireData(version, actions.rawValue, steps.rawValue)
    try enqueue(WirePacket(.negotiate, offer.bytes))
    let answer = try receive()
    guard answer.command == WireCommand.negotiate.rawValue else {
      throw .violation("response \(answer.command) to the offer")
    }
    var reader = WireReader(answer.payload)
    let chosen = Negotiated(
      version: try reader.number(), actions: WireActions(rawValue: try reader.number()),
      steps: WireSteps(rawValue: try reader.number()), macros: try Self.symbolLists(&reader))
    guard (2...max(version, 2)).contains(chosen.version) else {
      throw .violation("version \(chosen.version) in answer to \(version)")
    }
    guard actions.isSuperset(of: chosen.actions) else {
      throw .violation("actions \(chosen.actions.rawValue) in answer to \(actions.rawValue)")
    }
    guard steps.isSuperset(of: chosen.steps) else {
      throw .violation("steps \(chosen.steps.rawValue) in answer to \(steps.rawValue)")
    }
    guard chosen.macros.isEmpty || actions.contains(.setSymbolList) else {
      throw .violation("wishes for macros that were not offered")
    }
    negotiated = chosen
    offeredSteps = steps
    return chosen
  }

  private static func symbolLists(
    _ reader: inout WireReader
  ) throws(MilterClientError) -> [WireStage: [String]] {
    var lists: [WireStage: [String]] = [:]
    while !reader.rest.isEmpty {
      let number = try reader.number()
      guard let stage = WireStage(rawValue: number) else {
        throw .violation("macros for a stage \(number)")
      }
      let names = try reader.string().bytes.split { $0 == 0x20 || $0 == 0x2C || $0 == 0x09 }
      lists[stage] = names.map { String(decoding: $0, as: UTF8.self) }
    }
    return lists
  }

  // MARK: - Packets

  /// Puts a packet into the buffer. Bytes that came unasked are a fault of the filter.
  func enqueue(_ packet: WirePacket) throws(MilterClientError) {
    guard decoder.isEmpty else { throw .violation("a packet that nobody waited for") }
    output += packet.encoded
    if output.count >= 65_536 { try flush() }
  }

  /// Sends what waits in the buffer.
  public func flush() throws(MilterClientError) {
    let bytes = output
    output.removeAll(keepingCapacity: true)
    try socket.write(bytes, by: .now + timeout)
  }

  /// Sends these bytes at once, whatever they are; for filters that must survive anything.
  public func send(bytes: [UInt8]) throws(MilterClientError) {
    output += bytes
    try flush()
  }

  /// Sends the buffer and waits for the next packet, whatever it is.
  public func receive() throws(MilterClientError) -> WirePacket {
    try flush()
    let deadline = ContinuousClock.Instant.now + timeout
    while true {
      if let packet = try decoder.next() { return packet }
      guard try socket.read(by: deadline, { decoder.append($0) }) else { throw .closed }
    }
  }

  /// Sends the buffer and waits until the filter hangs up; what it still sends is a fault.
  public func waitForClose() throws(MilterClientError) {
    try flush()
    let deadline = ContinuousClock.Instant.now + timeout
    while decoder.isEmpty {
      guard try socket.read(by: deadline, { decoder.append($0) }) else { return }
    }
    throw .violation("a packet that nobody waited for")
  }

  /// Sends QUIT and hangs up.
  ///
  /// - Parameter waiting: whether to let the filter hang up first, so that it is done afterwards.
  /// - Throws: also when packets came unasked.
  public func quit(waiting: Bool = false) throws(MilterClientError) {
    try enqueue(WirePacket(.quit))
    try flush()
    if waiting { try waitForClose() }
    socket.close()
  }

  /// Hangs up without QUIT, as an MTA that died. What waits in the buffer is sent before, if the
  /// filter takes it.
  public func closeAbruptly() {
    try? flush()
    socket.close()
  }
}
