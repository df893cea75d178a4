// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Mail
import Milter
import MilterClient
import Policy
import TestSupport

/// A daemon behind a socket: the conversations of the tests in process, through libmilter.
struct WireTarget: ConversationTarget {
  private let session: MilterClient.MilterSession
  private(set) var edits: [Edit] = []

  /// - Parameter session: one that has negotiated.
  init(_ session: MilterClient.MilterSession) { self.session = session }

  mutating func take(_ step: Conversation.Step) throws -> Answer {
    if let stage = step.action.stage { session.macros[stage] = step.macros }
    switch step.action {
    case .connect(let peer): return Answer(try session.connect(peer.hostName, Self.peer(peer)))
    case .hello(let name): return Answer(try session.helo(name))
    case .sender(let arguments): return Answer(try session.mail(arguments))
    case .recipient(let arguments): return Answer(try session.rcpt(arguments))
    case .data: return Answer(try session.data())
    case .header(let field): return Answer(try session.header(field))
    case .endOfHeaders: return Answer(try session.endOfHeaders())
    case .body(let bytes): return Answer(try session.body(bytes))
    case .endOfMessage:
      let end = try session.endOfMessage()
      edits = end.edits
      return Answer(end.reply)
    case .abort: try session.abort()
    case .close: try session.quit(waiting: true)
    case .pause: throw BMSDProcess.Failure(description: "time cannot be moved on the wire")
    }
    return .proceed
  }

  private static func peer(_ peer: Peer) -> MilterClient.MilterSession.Peer {
    switch peer.address {
    case .inet(let ip, let port) where ip.isIPv4: .inet(MailText("\(ip)"), port: UInt16(port))
    case .inet(let ip, let port): .inet6(MailText("\(ip)"), port: UInt16(port))
    case .unix(let path): .unix(path)
    case .unknown: .unknown
    }
  }
}

extension Answer {
  fileprivate init(_ reply: StepReply) {
    switch reply {
    case .notSent: self = .notSent
    case .noReply, .proceed, .skip: self = .proceed
    case .accept: self = .accept
    case .discard: self = .discard
    case .reply, .reject, .tempfail, .shutdown, .connectionFailure: self = .refused(reply.shown)
    }
  }
}

extension Conversation.Step.Action {
  /// Where the macros of a step belong.
  fileprivate var stage: WireStage? {
    switch self {
    case .connect: .connect
    case .hello: .helo
    case .sender: .mail
    case .recipient: .rcpt
    case .data: .data
    case .endOfHeaders: .endOfHeaders
    case .endOfMessage: .endOfMessage
    case .header, .body, .abort, .close, .pause: nil
    }
  }
}
