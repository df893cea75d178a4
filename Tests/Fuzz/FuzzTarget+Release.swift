// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
internal import Glibc
internal import Mail
internal import Quarantine
internal import Store
internal import Submission
internal import TestSupport

// A release: the token that anybody may write, and the server that it is handed to.

extension FuzzTarget {
  /// A quarantine that gave out one token, which nobody uses.
  private struct World: Sendable {
    let folder: TemporaryFolder
    let time: FakeTime
    let quarantine: FileQuarantine
    let message: EditedMessage
    let token: ReleaseToken
  }

  private static let world: World? = {
    let time = FakeTime()
    guard let folder = try? TemporaryFolder(),
      let store = try? StateStore(path: folder.path("bms.db"), time: time)
    else { return nil }
    let quarantine = FileQuarantine(
      folder: SystemFolder(folder.path), store: store, random: FakeRandom())
    let message = EditedMessage(parsing: "Subject: x\r\n\r\nx\r\n".utf8)
    let order = FileQuarantine.Order(
      reference: "K7Q2M9XA4T", form: "original", caller: "root", reason: "")
    guard
      let (_, token) = try? quarantine.authorise(
        order, message, to: ["b@example.org"], within: .seconds(1))
    else { return nil }
    return World(folder: folder, time: time, quarantine: quarantine, message: message, token: token)
  }()

  /// What is read is written as a field that reads as the same, and none but the one token that was
  /// given out is good.
  static func checkReleaseToken(_ bytes: [UInt8]) -> String? {
    guard let world else { return "no quarantine" }
    if let fault = tokenFault(MailText(bytes), world) { return fault }
    // The good one with some of its bytes changed: a place and a byte at a time.
    var forged = world.token.value.bytes
    var rest = bytes.prefix(32)
    while let place = rest.popFirst(), let byte = rest.popFirst() {
      let index = Int(place) % forged.count
      forged[index] = byte
    }
    return tokenFault(MailText(forged), world)
  }

  private static func tokenFault(_ value: MailText, _ world: World) -> String? {
    guard let token = ReleaseToken(value) else { return nil }
    guard ReleaseToken(token.value) == token else { return "\(token.value) does not read back" }
    let lines = token.value.bytes.split(separator: 0x0A)
    guard lines.allSatisfy({ $0.count < 998 }), lines.dropFirst().allSatisfy({ $0.first == 0x20 })
    else { return "no field: \(token.value)" }
    guard token != world.token else { return nil }
    do {
      _ = try world.quarantine.knows(token)
      let redemption = try world.quarantine.redeem(
        token, for: try FileQuarantine.digest(of: world.message), to: ["b@example.org"],
        by: "K7Q2M9XA4V", deadline: Deadline(.seconds(9), world.time))
      if case .good = redemption { return "\(token.value) is good" }
    } catch {
      return "\(error)"
    }
    return nil
  }

  /// Whatever a server says, it is handed the message after it asked for it and not otherwise, and
  /// there is an end that can be shown.
  static func checkSMTPServer(_ bytes: [UInt8]) -> String? {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
      return "no sockets"
    }
    let said = bytes.prefix(100_000)
    _ = said.withUnsafeBytes {
      send(ends[1], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
    shutdown(ends[1], Int32(SHUT_WR))
    defer { close(ends[1]) }
    let client = SMTPClient(
      .local, hello: "mx.example.org", limit: .seconds(5), time: SystemTime())
    let recipients: [MailText] = ["b@example.org", "\u{FC}@example.org"]
    let envelope = SMTPClient.Envelope(
      sender: "a@example.com", recipients: recipients, size: 20, isEightBit: true)
    var taken: [MailText] = []
    var fault: String?
    do throws(SubmissionTrouble) {
      let outcome = try client.send(envelope, overConnected: ends[0]) { accepted in
        taken = accepted
        return [Array(content.utf8)[...]]
      }
      if outcome.accepted.isEmpty || outcome.accepted != taken { fault = "\(outcome.accepted)" }
      if outcome.accepted.count + outcome.refused.count != recipients.count { fault = "lost one" }
      if !isOneLine(outcome.reply.description) { fault = "reply \(outcome.reply)" }
    } catch {
      if !isOneLine(error.description) || error.description.utf8.count > 4000 {
        fault = "trouble \(error)"
      }
    }
    return fault ?? heardFault(heard(ends[1]), said, wasAsked: !taken.isEmpty)
  }

  private static let content = "Subject: x\r\n\r\n.x\r\n"

  /// What the client wrote, which fits into the socket.
  private static func heard(_ descriptor: Int32) -> String {
    var heard: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(descriptor, &piece, piece.count, Int32(MSG_DONTWAIT))
      guard count > 0 else { return String(decoding: heard, as: UTF8.self) }
      heard += piece.prefix(count)
    }
  }

  private static func heardFault(
    _ heard: String, _ said: ArraySlice<UInt8>, wasAsked: Bool
  ) -> String? {
    let commands = ["EHLO ", "HELO ", "MAIL FROM:<a@", "RCPT TO:<", "DATA\r\n", "QUIT\r\n"]
    let (before, after) =
      heard.firstRange(of: "DATA\r\n").map {
        (heard[..<$0.upperBound], heard[$0.upperBound...])
      } ?? (heard[...], "")
    let lines = before.split(separator: "\r\n").map { "\($0)\r\n" }
    guard lines.allSatisfy({ line in commands.contains { line.hasPrefix($0) } }) else {
      return "a command \(before)"
    }
    let isSent = after.hasPrefix("Subject: x\r\n\r\n..x\r\n.\r\n")
    guard isSent || after.isEmpty || after == "QUIT\r\n" else { return "content \(after)" }
    let text = String(decoding: said, as: UTF8.self)
    guard !isSent || (wasAsked && text.contains("354")) else { return "sent unasked" }
    return nil
  }
}
