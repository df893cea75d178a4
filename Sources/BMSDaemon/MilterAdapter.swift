// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail
package import Milter
package import Policy

/// Makes a runner for each connection of the MTA.
package struct RunnerFactory: MilterConnectionFactory {
  package let negotiation: Negotiation
  private let pipeline: PolicyPipeline

  /// A factory for connections that come over `socket`.
  package init(_ pipeline: PolicyPipeline, over socket: SocketAddress) {
    self.pipeline = pipeline
    var negotiation = pipeline.negotiation
    if !socket.isLocal {
      // Postfix sends a packet at DATA whether or not the step is wanted. Unanswered, Nagle's
      // algorithm on its side holds back the next one until our delayed ACK: 41 ms a message.
      negotiation.steps.insert(.data)
      negotiation.answered.insert(.data)
    }
    self.negotiation = negotiation
  }

  package func makeConnection() -> any MilterConnection {
    MilterAdapter(Runner(pipeline))
  }

  package func reply(to refusal: SessionGate.Refusal) -> SMTPReply {
    pipeline.turnAway(refusal)
  }
}

/// Hands libmilter's calls to the runner, with the macros that came along, and its edits back.
final class MilterAdapter: MilterConnection {
  private let runner: Runner
  init(_ runner: Runner) { self.runner = runner }

  func connect(_ peer: Peer, _ mta: borrowing MTA) -> MilterReply {
    runner.connect(peer, Macros(.connect, from: mta))
  }
  func hello(_ name: MailText, _ mta: borrowing MTA) -> MilterReply { runner.hello(name) }
  func envelopeFrom(_ arguments: [MailText], _ mta: borrowing MTA) -> MilterReply {
    runner.sender(arguments, Macros(.sender, from: mta))
  }
  func envelopeRecipient(_ arguments: [MailText], _ mta: borrowing MTA) -> MilterReply {
    runner.recipient(arguments, Macros(.recipient, from: mta))
  }
  func data(_ mta: borrowing MTA) -> MilterReply { runner.data(Macros(.data, from: mta)) }
  func unknown(_ mta: borrowing MTA) -> MilterReply { .proceed }
  func header(_ field: HeaderField, _ mta: borrowing MTA) -> MilterReply { runner.header(field) }
  func endOfHeaders(_ mta: borrowing MTA) -> MilterReply {
    runner.endOfHeaders(Macros(.endOfHeaders, from: mta))
  }
  func body(_ chunk: RawSpan, _ mta: borrowing MTA) -> MilterReply { runner.body(chunk) }
  func endOfMessage(_ mta: borrowing MTA) -> MilterReply {
    let macros = Macros(.endOfMessage, from: mta)
    // The handle cannot be captured by an escaping closure, and need not be.
    return runner.endOfMessage(macros, isHeard: { mta.progress() }, apply: { mta.apply($0) })
  }
  func abort() { runner.abort() }
  func close() { runner.close() }
}
