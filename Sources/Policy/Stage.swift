// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Milter

/// A moment of an SMTP connection at which modules are asked, in the order of a session.
package enum Stage: String, Sendable, CaseIterable, Comparable {
  case connect
  case hello = "helo"
  case sender = "mail"
  case recipient = "rcpt"
  case data
  case header
  case endOfHeaders = "eoh"
  case body
  case message = "eom"
  /// The message's verdict is known, or the message was abandoned; nothing can be decided here.
  case finished

  package static func < (left: Stage, right: Stage) -> Bool { left.order < right.order }

  /// The place in the order of stages, which is that of the cases.
  var order: Int {
    switch self {
    case .connect: 0
    case .hello: 1
    case .sender: 2
    case .recipient: 3
    case .data: 4
    case .header: 5
    case .endOfHeaders: 6
    case .body: 7
    case .message: 8
    case .finished: 9
    }
  }

  /// What happens to a module's verdict of this stage.
  package var answeredAt: String {
    switch self {
    case .connect, .hello, .sender, .recipient: "rcpt"
    case .data: "data"
    case .header, .endOfHeaders, .body, .message: "eom"
    case .finished: "-"
    }
  }

  /// The step that the MTA must send for this stage; end of message always comes.
  var step: Steps {
    switch self {
    case .connect: .connect
    case .hello: .hello
    case .sender: .sender
    case .recipient: .recipient
    case .data: .data
    case .header: .header
    case .endOfHeaders: .endOfHeaders
    case .body: .body
    case .message, .finished: []
    }
  }
}

/// How long the modules may take before an answer the MTA waits for.
///
/// Postfix gives a command 30 s and a message's content 300 s; Sendmail 10 s for each read. Steps
/// without an answer are counted towards the next one that has it, because the client may send
/// them in one go.
package enum StageBudget {
  /// Everything up to an answer at RCPT or DATA.
  package static let command = Duration.seconds(20)
  /// Everything from the first header field to the end of message.
  package static let content = Duration.seconds(240)

  static func limit(for stage: Stage) -> Duration {
    switch stage {
    case .connect, .hello, .sender, .recipient, .data: command
    case .header, .endOfHeaders, .body, .message, .finished: content
    }
  }
}
