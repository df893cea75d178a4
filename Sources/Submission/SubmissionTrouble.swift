// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc
package import Mail

/// Why a message was not handed in.
package enum SubmissionTrouble: Error, Equatable, CustomStringConvertible {
  /// Where in the conversation.
  package enum Step: String, Sendable {
    case connect = "the connection"
    case greeting = "the greeting"
    case hello = "EHLO"
    case mail = "MAIL"
    case recipient = "RCPT"
    case data = "DATA"
    /// The answer to the content: what is lost here may have been taken.
    case content = "the message"
  }

  case unreachable(SMTPAddress, String)
  case timeout(Step)
  case closed(Step)
  /// What came is no reply.
  case garbage(Step)
  case refused(Step, SMTPServerReply)
  case noRecipient
  /// The server does not offer an extension that the message needs.
  case lacks(String)
  case tooLarge(Int, largest: Int)
  /// An address that cannot be written into a command.
  case badAddress(MailText)
  /// The content could not be made.
  case content(String)

  init(_ trouble: SMTPSocket.Trouble, at step: Step, _ address: SMTPAddress) {
    switch trouble {
    case .timeout: self = .timeout(step)
    case .closed: self = .closed(step)
    case .tooLong: self = .garbage(step)
    case .noAddress(let why): self = .unreachable(address, why)
    case .failed(let code): self = .unreachable(address, String(cString: strerror(code)))
    }
  }

  /// Whether the server may have taken the message nevertheless.
  package var isUncertain: Bool {
    switch self {
    case .timeout(.content), .closed(.content), .garbage(.content): true
    default: false
    }
  }

  package var description: String {
    switch self {
    case .unreachable(let address, let why): "\(address): \(why)"
    case .timeout(let step): "the server did not answer in time: \(step.rawValue)"
    case .closed(let step): "the server closed the connection: \(step.rawValue)"
    case .garbage(let step): "what the server says makes no sense: \(step.rawValue)"
    case .refused(let step, let reply): "the server refused \(step.rawValue): \(reply)"
    case .noRecipient: "there is no recipient"
    case .lacks(let name): "the server does not offer \(name), which the message needs"
    case .tooLarge(let size, let largest):
      "the message of \(size) bytes is larger than the server takes (\(largest))"
    case .badAddress(let address): "\(address) cannot be written into an SMTP command"
    case .content(let why): why
    }
  }
}
