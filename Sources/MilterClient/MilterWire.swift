// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Mail

/// What an MTA tells the filter (`SMFIC_...` of libmilter's mfdef.h).
public enum WireCommand: UInt8, Sendable, CaseIterable {
  /// `A`: the message is given up.
  case abort = 0x41
  /// `B`: a chunk of the body.
  case body = 0x42
  /// `C`: host name and address of the client.
  case connect = 0x43
  /// `D`: macros for the command that follows.
  case macro = 0x44
  /// `E`: the message is complete.
  case endOfMessage = 0x45
  /// `H`: the name of HELO or EHLO.
  case helo = 0x48
  /// `K`: the connection ends, another client's follows on the same socket.
  case quitNewConnection = 0x4B
  /// `L`: a header field.
  case header = 0x4C
  /// `M`: the reverse-path and its parameters.
  case mail = 0x4D
  /// `N`: the header is complete.
  case endOfHeaders = 0x4E
  /// `O`: the offer, and the filter's answer to it.
  case negotiate = 0x4F
  /// `Q`: the session ends.
  case quit = 0x51
  /// `R`: a recipient and its parameters.
  case rcpt = 0x52
  /// `T`: the command DATA.
  case data = 0x54
  /// `U`: an SMTP command that the MTA does not know.
  case unknown = 0x55
}

/// What a filter answers or asks for (`SMFIR_...` of libmilter's mfdef.h).
public enum WireResponse: UInt8, Sendable, CaseIterable {
  /// `+`: add a recipient.
  case addRecipient = 0x2B
  /// `-`: remove a recipient.
  case deleteRecipient = 0x2D
  /// `2`: add a recipient with ESMTP parameters.
  case addRecipientWithParameters = 0x32
  /// `4`: answer 421 and hang up.
  case shutdown = 0x34
  /// `a`: accept without asking further.
  case accept = 0x61
  /// `b`: a chunk of the new body.
  case replaceBody = 0x62
  /// `c`: continue.
  case proceed = 0x63
  /// `d`: accept and throw away.
  case discard = 0x64
  /// `e`: replace the reverse-path.
  case changeSender = 0x65
  /// `f`: make the connection fail.
  case connectionFailure = 0x66
  /// `h`: add a header field.
  case addHeader = 0x68
  /// `i`: insert a header field.
  case insertHeader = 0x69
  /// `l`: wishes for macros; libmilter sends them inside the answer to the offer instead.
  case setSymbolList = 0x6C
  /// `m`: replace or delete a header field.
  case changeHeader = 0x6D
  /// `p`: still at work.
  case progress = 0x70
  /// `q`: put the message into the hold queue.
  case quarantine = 0x71
  /// `r`: refuse with the MTA's own text.
  case reject = 0x72
  /// `s`: send no more of this kind.
  case skip = 0x73
  /// `t`: defer with the MTA's own text.
  case tempfail = 0x74
  /// `y`: answer with this SMTP reply.
  case reply = 0x79
}

/// One packet of the milter protocol, in either direction: a command byte and its data.
///
/// On the wire the length of both comes first, as four bytes, most significant first.
public struct WirePacket: Sendable, Equatable {
  /// The raw command byte, so that commands of no protocol can be sent and seen.
  public var command: UInt8
  /// The data behind the command.
  public var payload: [UInt8]

  /// A packet with a command of any value.
  public init(command: UInt8, payload: [UInt8] = []) {
    self.command = command
    self.payload = payload
  }

  /// A packet from the MTA.
  public init(_ command: WireCommand, _ payload: [UInt8] = []) {
    self.init(command: command.rawValue, payload: payload)
  }

  /// A packet from the filter.
  public init(_ response: WireResponse, _ payload: [UInt8] = []) {
    self.init(command: response.rawValue, payload: payload)
  }

  /// The packet as it travels.
  public var encoded: [UInt8] {
    WireData(UInt32(truncatingIfNeeded: payload.count + 1)).bytes + [command] + payload
  }
}

/// Builds the data of a packet.
public struct WireData: Sendable {
  /// What was built so far.
  public private(set) var bytes: [UInt8] = []

  /// Data that begins with numbers of 32 bits.
  public init(_ numbers: UInt32...) {
    for number in numbers { append(number) }
  }

  /// Data of strings, each ended by NUL.
  public init(strings: some Sequence<MailText>) {
    for string in strings { append(string) }
  }

  /// Adds a number of 32 bits, most significant byte first.
  public mutating func append(_ number: UInt32) {
    for shift in [24, 16, 8, 0] as [UInt32] {
      bytes.append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  /// Adds a number of 16 bits, most significant byte first.
  public mutating func append(_ number: UInt16) {
    bytes += [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
  }

  /// Adds a string and the NUL behind it. A NUL inside is sent as it is.
  public mutating func append(_ string: MailText) {
    bytes += string.bytes
    bytes.append(0)
  }
}

/// Takes the data of a packet apart; every step checks that the data is there.
public struct WireReader: Sendable {
  /// What was not read yet.
  public private(set) var rest: ArraySlice<UInt8>

  /// Reads `payload` from its beginning.
  public init(_ payload: [UInt8]) { rest = payload[...] }

  /// The next four bytes as a number.
  public mutating func number() throws(MilterClientError) -> UInt32 {
    let digits = rest.prefix(4)
    guard digits.count == 4 else { throw .violation("a number of less than four bytes") }
    rest = rest.dropFirst(4)
    return digits.reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// The bytes up to the next NUL, which is read too.
  public mutating func string() throws(MilterClientError) -> MailText {
    guard let end = rest.firstIndex(of: 0) else {
      throw .violation("a string without NUL at its end")
    }
    defer { rest = rest[end...].dropFirst() }
    return MailText(rest[..<end])
  }

  /// Makes sure that nothing is left.
  public func end() throws(MilterClientError) {
    guard rest.isEmpty else { throw .violation("\(rest.count) bytes too many in a packet") }
  }
}

/// Cuts a stream of bytes into packets. It never holds more than one packet of the largest allowed
/// size and what was given to it last.
public struct WireDecoder: Sendable {
  /// The largest packet any MTA takes: 1 MiB and the command byte.
  public static let maximum = 1_048_577

  private let limit: Int
  private var buffer: [UInt8] = []
  private var start = 0

  /// A decoder that takes packets of up to `limit` bytes, the length not counted.
  public init(limit: Int = WireDecoder.maximum) { self.limit = limit }

  /// Whether no byte waits to become a packet.
  public var isEmpty: Bool { start == buffer.count }

  /// Adds bytes that came.
  public mutating func append(_ bytes: some Collection<UInt8>) {
    buffer.removeSubrange(..<start)
    start = 0
    buffer += bytes
  }

  /// The next packet, nil while it is not complete.
  public mutating func next() throws(MilterClientError) -> WirePacket? {
    let waiting = buffer[start...]
    guard waiting.count >= 4 else { return nil }
    let length = waiting.prefix(4).reduce(0) { $0 << 8 | Int($1) }
    guard length >= 1 else { throw .violation("a packet without command") }
    guard length <= limit else { throw .violation("a packet of \(length) bytes") }
    let content = waiting.dropFirst(4).prefix(length)
    guard content.count == length, let command = content.first else { return nil }
    start = content.endIndex
    return WirePacket(command: command, payload: Array(content.dropFirst()))
  }
}
