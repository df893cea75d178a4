// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Glibc
import Mail
import MilterClient
import TestSupport
import Testing

/// The built executable, as a daemon with a folder of its own and as commands against it.
final class LiveDaemon {
  struct Outcome: Equatable {
    var status: Int32
    var output: String
    var errors: String
  }

  let folder: TemporaryFolder
  private(set) var process = Process()
  var configuration: String { folder.path("bms.conf") }

  /// Writes the configuration; `sections` come after the daemon's own.
  init(_ sections: String) throws {
    folder = try TemporaryFolder()
    try write(sections)
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  func write(_ sections: String) throws {
    let text = """
      [milter]
      socket = unix:\(folder.path("bms.sock"))
      drain = 0s
      [control]
      socket = \(folder.path("control.sock"))
      [store]
      path = \(folder.path("bms.db"))
      min_free = 0
      \(sections)
      """
    try Data(text.utf8).write(to: URL(filePath: configuration))
  }

  static func executable() throws -> URL {
    let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(filePath: tests).deletingLastPathComponent().appending(path: "bmsd")
  }

  /// Starts the daemon and waits until it says that it is ready; `prefix` is what stands before it.
  func start(prefix: [String] = []) throws {
    let ready = folder.path("notify")
    unlink(ready)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: ready.utf8) }
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0)
    // The daemon may be another user by then.
    chmod(ready, 0o666)
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    process = Process()
    let line = prefix + [try Self.executable().path, "run", "--config", configuration]
    process.executableURL = URL(filePath: line[0])
    process.arguments = Array(line.dropFirst())
    process.environment = Sanitizer.environment.merging(["NOTIFY_SOCKET": ready]) { $1 }
    process.standardError = FileHandle.nullDevice
    try process.run()
    var buffer = [UInt8](repeating: 0, count: 100)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    try #require(count > 0, "the daemon did not become ready")
    #expect(String(decoding: buffer.prefix(count), as: UTF8.self) == "READY=1")
  }

  /// Ends the daemon by a signal and waits for its end.
  func end(_ signal: Int32) {
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
  }

  /// Runs a command with this configuration to its end.
  func command(_ arguments: String...) throws -> Outcome { try run(arguments) }

  /// Runs a command; `prefix` is what stands before it, such as setpriv with its arguments.
  func run(_ arguments: [String], prefix: [String] = []) throws -> Outcome {
    try Self.run(prefix + [Self.executable().path] + arguments + ["--config", configuration])
  }

  /// Runs a program with its arguments to its end.
  static func run(_ line: [String]) throws -> Outcome {
    let command = Process()
    command.executableURL = URL(filePath: try #require(line.first))
    command.arguments = Array(line.dropFirst())
    let output = Pipe()
    let errors = Pipe()
    command.standardOutput = output
    command.standardError = errors
    try command.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    command.waitUntilExit()
    return Outcome(
      status: command.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: complaint, as: UTF8.self))
  }

  /// Runs a command as a shell takes it, from behind `bmsd`.
  func shell(_ line: some StringProtocol) throws -> Outcome {
    let script = #"exe=$1; conf=$4; bmsd() { "$exe" "$@" --config "$conf"; }; eval "$2""#
    return try run(["bmsd \(line)"], prefix: ["/bin/sh", "-c", script, "sh"])
  }

  /// A connection of a stranger that has said HELO.
  func client(_ ip: String = "192.0.2.1") throws -> MilterSession {
    let session = try MilterSession(connectingTo: .unix(path: folder.path("bms.sock")))
    try session.negotiate()
    session.macros[.connect] = ["j": "mx.example.net", "{daemon_port}": "25"]
    session.macros[.rcpt] = ["{rcpt_mailer}": "local"]
    _ = try session.connect("client.example.com", .inet(MailText(ip), port: 2500))
    _ = try session.helo("client.example.com")
    return session
  }

  /// The answer to one recipient, as the MTA gets it from libmilter; `unknown` recipients that the
  /// MTA itself refuses come first.
  func answer(
    from ip: String, sender: MailText = "<a@example.com>", unknown: Int = 0
  ) throws -> StepReply {
    let session = try client(ip)
    _ = try session.mail([sender])
    session.macros[.rcpt] = ["{rcpt_mailer}": "error"]
    for _ in 0..<unknown { _ = try session.rcpt(["<nobody@local.test>"]) }
    session.macros[.rcpt] = ["{rcpt_mailer}": "local"]
    return try session.rcpt(["<b@local.test>"])
  }
}
