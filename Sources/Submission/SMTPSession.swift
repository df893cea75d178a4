// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
internal import Mail

extension SMTPClient {
  /// The commands of one connection.
  struct Session {
    let socket: SMTPSocket
    let limit: Duration
    let address: SMTPAddress

    private var end: Duration { socket.time.monotonic + limit }

    /// The greeting, then EHLO or, for a server that does not know it, HELO.
    func greet(_ hello: String) throws(SubmissionTrouble) -> SMTPExtensions {
      let greeting = try reply(to: .greeting, until: end)
      guard greeting.code == 220 else { throw .refused(.greeting, greeting) }
      let answer = try ask("EHLO \(hello)", .hello)
      if answer.isPositive { return SMTPExtensions(answer) }
      guard !answer.isTransient else { throw .refused(.hello, answer) }
      try expect("HELO \(hello)", .hello)
      return SMTPExtensions()
    }

    func ask(
      _ command: String, _ step: SubmissionTrouble.Step
    ) throws(SubmissionTrouble) -> SMTPServerReply {
      try ask(Array(command.utf8), step)
    }

    /// A command with an address, whose closing bracket is added.
    func ask(
      _ command: String, _ address: MailText, _ parameters: String, _ step: SubmissionTrouble.Step
    ) throws(SubmissionTrouble) -> SMTPServerReply {
      try ask(Array(command.utf8) + address.bytes + Array(">\(parameters)".utf8), step)
    }

    func expect(
      _ command: String, _ address: MailText, _ parameters: String, _ step: SubmissionTrouble.Step
    ) throws(SubmissionTrouble) {
      let answer = try ask(command, address, parameters, step)
      guard answer.isPositive else { throw .refused(step, answer) }
    }

    func expect(
      _ command: String, _ step: SubmissionTrouble.Step, code: Int? = nil
    ) throws(SubmissionTrouble) {
      let answer = try ask(command, step)
      guard answer.isPositive, code == nil || answer.code == code else {
        throw answer.isPositive ? .garbage(step) : .refused(step, answer)
      }
    }

    private func ask(
      _ command: [UInt8], _ step: SubmissionTrouble.Step
    ) throws(SubmissionTrouble) -> SMTPServerReply {
      let end = end
      do { try socket.write(command + [0x0D, 0x0A], until: end) } catch {
        throw SubmissionTrouble(error, at: step, address)
      }
      return try reply(to: step, until: end)
    }

    /// Sends the content and its end, and gives the answer to it.
    func sendContent(
      _ pieces: [ArraySlice<UInt8>], pieceSize: Int
    ) throws(SubmissionTrouble) -> SMTPServerReply {
      var stuffing = DotStuffing()
      var buffer: [UInt8] = []
      buffer.reserveCapacity(2 * pieceSize)
      do {
        for piece in pieces {
          var rest = piece
          while !rest.isEmpty {
            stuffing.take(rest.prefix(pieceSize), into: &buffer)
            rest = rest.dropFirst(pieceSize)
            try socket.write(buffer, until: end)
            buffer.removeAll(keepingCapacity: true)
          }
        }
        stuffing.finish(into: &buffer)
        try socket.write(buffer, until: end)
      } catch {
        throw SubmissionTrouble(error, at: .data, address)
      }
      return try reply(to: .content, until: end)
    }

    /// Says goodbye; nobody waits for the answer.
    func quit() {
      try? socket.write(Array("QUIT\r\n".utf8), until: socket.time.monotonic + .milliseconds(100))
    }

    private func reply(
      to step: SubmissionTrouble.Step, until end: Duration
    ) throws(SubmissionTrouble) -> SMTPServerReply {
      var reader = ReplyReader()
      while true {
        let line: [UInt8]
        do {
          line = try socket.readLine(maximum: ReplyReader.longestLine, until: end)
        } catch {
          throw SubmissionTrouble(error, at: step, address)
        }
        do {
          if let reply = try reader.take(line) { return reply }
        } catch {
          throw .garbage(step)
        }
      }
    }
  }
}

/// Content as it goes over the wire (RFC 5321 §4.5.2).
///
/// A dot is doubled at the start of what any server might take for a line: after CRLF, and after a
/// line feed alone, which becomes CRLF.
struct DotStuffing {
  private var isLineStart = true
  private var isAfterCR = false

  mutating func take(_ bytes: ArraySlice<UInt8>, into out: inout [UInt8]) {
    for byte in bytes {
      if byte == 0x0A {
        if !isAfterCR { out.append(0x0D) }
        out.append(byte)
        isLineStart = true
      } else {
        if isLineStart, byte == 0x2E { out.append(0x2E) }
        out.append(byte)
        isLineStart = false
      }
      isAfterCR = byte == 0x0D
    }
  }

  /// Ends the last line and the content.
  mutating func finish(into out: inout [UInt8]) {
    if !isLineStart { out += isAfterCR ? [0x0A] : [0x0D, 0x0A] }
    out += [0x2E, 0x0D, 0x0A]
  }
}
