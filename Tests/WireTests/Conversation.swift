// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import MilterClient
import TestSupport
import Testing

/// The wire tests start processes and count time and memory: one at a time.
@Suite(.serialized) struct WireTests {}

extension MilterSession {
  /// CONNECT of a stranger, and its HELO; a bare address there is refused at RCPT.
  func greet(helo: MailText = "mx.example.com") throws {
    _ = try connect("mx.example.com", .inet("192.0.2.7", port: 4321))
    _ = try self.helo(helo)
  }

  /// MAIL and RCPT; gives the answer to RCPT.
  func begin(from sender: MailText = "<a@example.com>") throws -> StepReply {
    _ = try mail([sender])
    return try rcpt(["<b@example.net>"])
  }

  /// A message from begin to end.
  func deliver(from sender: MailText = "<a@example.com>") throws -> StepReply {
    let reply = try begin(from: sender)
    guard reply == .proceed else { return reply }
    return try endOfMessage().reply
  }
}

extension StepReply {
  /// `550 5.7.1 text` as the client sees it, or the word of an answer without text.
  var shown: String {
    guard case .reply(let lines) = self else { return "\(self)" }
    return "\(lines.code) "
      + lines.shown.map { String(decoding: $0.bytes, as: UTF8.self) }
      .joined(separator: " / ")
  }
}

extension BMSDProcess {
  /// Whether a new connection is served: a clean client passes, a numeric HELO is refused.
  func serves() throws -> Bool {
    let clean = try session()
    try clean.greet()
    let passes = try clean.deliver() == .proceed
    try clean.quit(waiting: true)
    let numeric = try session()
    try numeric.greet(helo: "192.0.2.7")
    let refused = try numeric.deliver().code == 550
    try numeric.quit(waiting: true)
    return passes && refused
  }

  /// Waits until every connection is closed: that an MTA hung up is noticed by and by. Each look
  /// is a conversation of its own.
  func awaitIdle() throws { try awaitConnections(0) }

  /// Waits until no more than `count` connections are open.
  func awaitConnections(_ count: Int) throws {
    let end = ContinuousClock.now + .seconds(30)
    while try connectionCount() > count, ContinuousClock.now < end {
      let probe = try connect()
      try probe.negotiate()
      try probe.quit(waiting: true)
    }
  }

  /// Sessions and messages that were open when it was told to stop.
  func countsAtStop() throws -> String {
    try awaitIdle()
    guard try stop() == 0 else { return "exit status" }
    let line = try line("stopping: ")
    return String(line.split(separator: ": ").last ?? "")
  }
}
