// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Glibc
import Mail
import MilterClient
import TestSupport

/// A connection that knows no protocol: it sends what it is told, and may stop at any byte.
final class RawConnection {
  private let descriptor: Int32

  init(to path: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) {
      $0.copyBytes(from: path.utf8.prefix($0.count - 1))
    }
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else { throw BMSDProcess.Failure(description: "cannot connect: \(errno)") }
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
  }

  deinit { close(descriptor) }

  /// A session of an MTA over this connection.
  func session() -> MilterSession { MilterSession(connectedSocket: dup(descriptor)) }

  /// Says that nothing is read any more: whatever the other side writes from now on fails.
  func stopListening() { shutdown(descriptor, Int32(SHUT_RD)) }

  /// Sends all of it, unless the other side is gone.
  func send(_ bytes: some Collection<UInt8>) {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  /// Sends a byte unless there is no room for it now; gives whether it went.
  func offer(_ byte: UInt8) -> Bool {
    var byte = byte
    return Glibc.send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) == 1
  }

  /// Waits until something was answered, and leaves it to be read.
  func awaitAnswer() {
    var byte: UInt8 = 0
    recv(descriptor, &byte, 1, Int32(MSG_PEEK))
  }

  /// Says that nothing more comes, and gives the packets of the other side until it hangs up, too;
  /// nil when it does not.
  func packetsToTheEnd() throws -> [WirePacket]? {
    shutdown(descriptor, Int32(SHUT_WR))
    var decoder = WireDecoder()
    var packets: [WirePacket] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count < 0, errno != ECONNRESET { return nil }
      guard count > 0 else { return packets }
      decoder.append(buffer.prefix(count))
      while let packet = try decoder.next() { packets.append(packet) }
    }
  }
}

/// A whole session as an MTA sends it that leaves out nothing: two messages with macros, header and
/// body, and where in its bytes things happen.
struct RecordedSession {
  private(set) var bytes: [UInt8] = []
  /// Behind the recipient of each message.
  private(set) var recipients: [Int] = []
  /// Behind the end of each message.
  private(set) var ends: [Int] = []

  init(helo: MailText = "mx.example.com") {
    // An offer of no steps at all would be taken for one of protocol 1.
    add(.negotiate, WireData(6, 0x1FF, WireSteps.leadingSpace.rawValue))
    add(macros: .connect, ["j", "mail.example.org", "{daemon_port}", "25"])
    var peer = WireData(strings: ["mx.example.com"]).bytes + [0x34, 0x10, 0xE1]
    peer += WireData(strings: ["192.0.2.7"]).bytes
    add(.connect, peer)
    add(.helo, WireData(strings: [helo]))
    for number in 1...2 {
      add(macros: .mail, ["{mail_mailer}", "esmtp"])
      add(.mail, WireData(strings: [MailText("<a\(number)@example.com>"), "SIZE=9"]))
      add(macros: .rcpt, ["{rcpt_mailer}", "local"])
      add(.rcpt, WireData(strings: ["<b@example.net>"]))
      recipients.append(bytes.count)
      add(.data, WireData())
      add(.header, WireData(strings: ["Subject", " x"]))
      add(.endOfHeaders, WireData())
      add(.body, Array("Hello.\r\n".utf8))
      add(macros: .endOfMessage, ["i", MailText("4ZQ\(number)")])
      add(.endOfMessage, WireData())
      ends.append(bytes.count)
    }
    add(.quit, WireData())
  }

  private mutating func add(_ command: WireCommand, _ data: WireData) { add(command, data.bytes) }

  private mutating func add(_ command: WireCommand, _ payload: [UInt8]) {
    bytes += WirePacket(command, payload).encoded
  }

  private mutating func add(macros command: WireCommand, _ pairs: [MailText]) {
    add(.macro, [command.rawValue] + WireData(strings: pairs).bytes)
  }
}
