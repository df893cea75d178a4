// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Mail

/// How the filter answered one step.
public enum StepReply: Sendable, Equatable {
  /// The step was negotiated away, or the message was decided before it.
  case notSent
  /// The step was sent, and negotiated not to be answered.
  case noReply
  /// Go on.
  case proceed
  /// Accept the message (or the connection, at CONNECT and HELO) without asking further.
  case accept
  /// Accept the message and throw it away.
  case discard
  /// Refuse for good, with the MTA's text.
  case reject
  /// Defer, with the MTA's text.
  case tempfail
  /// Refuse or defer with the filter's text.
  case reply(ReplyLines)
  /// Send no more of the body.
  case skip
  /// Answer 421 and hang up.
  case shutdown
  /// Hang up.
  case connectionFailure

  /// Whether the step leaves the message undecided.
  public var isOpen: Bool {
    switch self {
    case .notSent, .noReply, .proceed, .skip: true
    case .accept, .discard, .reject, .tempfail, .reply, .shutdown, .connectionFailure: false
    }
  }

  /// Whether the SMTP client is refused or deferred by it.
  public var isRefusal: Bool { code != nil }

  /// The SMTP code that the client sees when it is refused or deferred, nil otherwise.
  public var code: Int? {
    switch self {
    case .reply(let lines): lines.code
    case .reject: 550
    case .tempfail: 451
    case .shutdown, .connectionFailure: 421
    case .notSent, .noReply, .proceed, .accept, .discard, .skip: nil
    }
  }

  /// Whether the MTA hangs up on the SMTP client.
  public var endsConnection: Bool { code == 421 }
}

/// An SMTP reply as the filter sent it.
public struct ReplyLines: Sendable, Equatable {
  /// The code, 400 to 599.
  public let code: Int
  /// The text of each line behind code and separator, an enhanced code included.
  public let lines: [MailText]

  /// A reply made of its parts.
  public init(code: Int, lines: [MailText]) {
    self.code = code
    self.lines = lines
  }

  /// The lines as the client sees them: the MTA makes one `%` of two.
  public var shown: [MailText] {
    lines.map { line in
      var shown: [UInt8] = []
      var previousIsPercent = false
      for byte in line.bytes {
        previousIsPercent = byte == 0x25 && !previousIsPercent
        if !previousIsPercent { shown.append(byte) }
      }
      return MailText(shown)
    }
  }

  // RFC 5321 §4.2: Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ]
  /// Reads the data of a reply packet: lines parted by CRLF, a NUL at the end.
  init(payload: [UInt8]) throws(MilterClientError) {
    var reader = WireReader(payload)
    var rest = try reader.string().bytes[...]
    try reader.end()
    let digits = rest.prefix(3)
    guard digits.count == 3, let code = Int(String(decoding: digits, as: UTF8.self)),
      (400...599).contains(code)
    else { throw .violation("a reply without a 4yz or 5yz code") }
    var lines: [MailText] = []
    while true {
      let separator = rest.dropFirst(3).first
      guard rest.starts(with: digits), separator != nil || rest.count == 3 else {
        throw .violation("reply lines with different codes")
      }
      let line = rest.dropFirst(4).prefix { $0 != 0x0D && $0 != 0x0A }
      lines.append(MailText(line))
      rest = rest[line.endIndex...]
      switch separator {
      case 0x2D:
        guard rest.starts(with: [0x0D, 0x0A]) else {
          throw .violation("a reply whose last line is not marked as last")
        }
        rest = rest.dropFirst(2)
      case 0x20, nil:
        guard rest.isEmpty else { throw .violation("a reply that goes on behind its last line") }
        self.init(code: code, lines: lines)
        return
      default:
        throw .violation("a reply without separator behind its code")
      }
    }
  }
}

extension StepReply {
  /// Reads a packet that ends the wait for an answer, nil when it is none of these.
  init?(_ packet: WirePacket) throws(MilterClientError) {
    guard let response = WireResponse(rawValue: packet.command) else { return nil }
    switch response {
    case .reply:
      self = .reply(try ReplyLines(payload: packet.payload))
      return
    case .proceed: self = .proceed
    case .accept: self = .accept
    case .discard: self = .discard
    case .reject: self = .reject
    case .tempfail: self = .tempfail
    case .skip: self = .skip
    case .shutdown: self = .shutdown
    case .connectionFailure: self = .connectionFailure
    case .addRecipient, .deleteRecipient, .addRecipientWithParameters, .replaceBody, .changeSender,
      .addHeader, .insertHeader, .setSymbolList, .changeHeader, .progress, .quarantine:
      return nil
    }
    try WireReader(packet.payload).end()
  }
}
