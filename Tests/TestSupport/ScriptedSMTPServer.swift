// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Dispatch
internal import Environment
internal import Glibc
internal import Synchronization

/// An SMTP server on a loopback port that says what a test wants, to one client.
package final class ScriptedSMTPServer: Sendable {
  /// What the server does at a step: the greeting, a command, or the content.
  package enum Action: Sendable {
    case say(String)
    /// Says so many bytes of `x` without a line end, then nothing more.
    case babble(Int)
    /// Says a line again and again until the client is gone.
    case repeated(String)
    case close
    /// Says nothing until the client is gone.
    case keepSilent
  }

  /// What the client sent: commands without line ends, content as it came, the final dot included.
  private let heard = Mutex<[String]>([])
  private let taken = Mutex<[UInt8]>([])
  private let listener: Int32
  private let isOver = DispatchSemaphore(value: 0)
  /// Where it listens on 127.0.0.1.
  package let port: UInt16

  package struct NoSocket: Error {}

  /// A server that does what `script` says: of `greeting`, of the first word of each command
  /// (`EHLO`, `RCPT` ...), and of `content`. Where it says nothing the server behaves well.
  package init(_ script: @escaping @Sendable (_ step: String, _ line: String) -> Action?) throws {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 1) == 0
          && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw NoSocket() }
    port = UInt16(bigEndian: address.sin_port)
    _ = startThread { [self] in
      let client = accept(listener, nil, nil)
      if client >= 0 { Dialogue(client, script, self).run() }
      close(client)
      isOver.signal()
    }
  }

  deinit { close(listener) }

  /// A client that never came is not waited for.
  private func waitForEnd() {
    if isOver.wait(timeout: .now() + .seconds(20)) == .timedOut {
      shutdown(listener, Int32(SHUT_RDWR))
      isOver.wait()
    }
    isOver.signal()
  }

  fileprivate func note(_ line: String) { heard.withLock { $0.append(line) } }
  fileprivate func note(content: [UInt8]) { taken.withLock { $0 = content } }

  /// The commands that came, once the client is gone.
  package var commands: [String] {
    waitForEnd()
    return heard.withLock { $0 }
  }

  /// The content as it came over the wire, once the client is gone.
  package var content: [UInt8] {
    waitForEnd()
    return taken.withLock { $0 }
  }
}

private struct Dialogue {
  let client: Int32
  let script: @Sendable (String, String) -> ScriptedSMTPServer.Action?
  let server: ScriptedSMTPServer

  init(
    _ client: Int32, _ script: @escaping @Sendable (String, String) -> ScriptedSMTPServer.Action?,
    _ server: ScriptedSMTPServer
  ) {
    self.client = client
    self.script = script
    self.server = server
  }

  func run() {
    guard perform(script("greeting", "") ?? .say("220 mx.example.org ESMTP")) else { return }
    while let line = readLine() {
      server.note(line)
      let word = String(line.prefix(4)).uppercased()
      guard perform(script(word, line) ?? .say(usual(word))) else { return }
      if word == "QUIT" { return }
      if word == "DATA", script(word, line) == nil {
        server.note(content: readContent())
        guard perform(script("content", "") ?? .say("250 2.0.0 Ok: queued as 4ZBC")) else { return }
      }
    }
  }

  private func usual(_ word: String) -> String {
    switch word {
    case "EHLO": "250-mx.example.org\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 SMTPUTF8"
    case "DATA": "354 End data with <CR><LF>.<CR><LF>"
    case "QUIT": "221 Bye"
    default: "250 2.0.0 Ok"
    }
  }

  /// - Returns: whether the dialogue goes on.
  private func perform(_ action: ScriptedSMTPServer.Action) -> Bool {
    switch action {
    case .say(let text): return say(text + "\r\n")
    case .babble(let count):
      _ = say(String(repeating: "x", count: count))
      waitForEnd()
      return false
    case .repeated(let text):
      while say(text + "\r\n") {}
      return false
    case .close: return false
    case .keepSilent:
      waitForEnd()
      return false
    }
  }

  private func say(_ text: String) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  private func waitForEnd() { while byte() != nil {} }

  private func byte() -> UInt8? {
    var byte: UInt8 = 0
    return recv(client, &byte, 1, 0) == 1 ? byte : nil
  }

  private func readLine() -> String? {
    var line: [UInt8] = []
    while let byte = byte() {
      if byte == 0x0A { return String(decoding: line.dropLast(), as: UTF8.self) }
      line.append(byte)
    }
    return nil
  }

  private func readContent() -> [UInt8] {
    var content: [UInt8] = []
    let end = Array("\r\n.\r\n".utf8)
    let empty = Array(".\r\n".utf8)
    while let byte = byte() {
      content.append(byte)
      if content == empty || content.count >= end.count && content.suffix(5).elementsEqual(end) {
        break
      }
    }
    return content
  }
}
