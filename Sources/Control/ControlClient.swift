// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import FoundationEssentials
internal import Glibc

/// A command's side of the control socket.
package final class ControlClient {
  /// Why the daemon cannot be asked.
  package enum Unreachable: Error, Equatable {
    /// Nothing listens there: no daemon runs.
    case notRunning
    /// The caller may not.
    case notAllowed
    /// It has too much to do at the moment.
    case busy(ControlEnd)
    /// Something listens but does not answer as bmsd does.
    case silent(String)
  }

  private let socket: LineSocket
  private let path: String

  /// How long the daemon may take to greet: it does so from a thread of its own.
  package static let greetingLimit = Duration.seconds(3)
  /// How long between two lines of an answer.
  package static let answerLimit = Duration.seconds(60)

  /// Connects to the daemon at `path`, which greets within `limit`.
  package init(path: String, within limit: Duration = greetingLimit) throws(Unreachable) {
    self.path = path
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = Glibc.socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { throw .silent(String(cString: strerror(errno))) }
    socket = LineSocket(descriptor)
    // A full backlog would make connect wait for ever.
    var time = timeval(tv_sec: Int(max(1, limit.components.seconds)), tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw .silent("the path \(path) is too long for a socket")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else { throw Self.reason(errno, path) }
    try expectGreeting(limit)
  }

  private static func reason(_ code: Int32, _ path: String) -> Unreachable {
    switch code {
    case ENOENT, ECONNREFUSED, ENOTDIR: .notRunning
    case EACCES, EPERM: .notAllowed
    case EAGAIN: .silent("the daemon at \(path) takes no more connections")
    default: .silent("\(path): \(String(cString: strerror(code)))")
    }
  }

  private func expectGreeting(_ limit: Duration) throws(Unreachable) {
    let line: [UInt8]
    do {
      line = try socket.readLine(maximum: 4096, within: limit)
    } catch {
      throw .silent("nobody answers at \(path)")
    }
    if let end = AnswerLine.end(in: line) {
      if end.isBusy == true { throw .busy(end) }
      throw .silent(end.messages.first ?? "the daemon does not answer")
    }
    guard let greeting = try? JSONDecoder().decode(Greeting.self, from: Data(line)) else {
      throw .silent("what listens at \(path) is not bmsd")
    }
    guard greeting.bmsd == Greeting.version else {
      throw .silent("the running daemon is of another version of bmsd; restart it")
    }
  }

  /// Sends a request and hands over each row of the answer, as JSON.
  ///
  /// - Returns: how it ended; status 69 when the connection broke.
  package func ask(_ request: some Encodable, row: (Data) throws -> Void) rethrows -> ControlEnd {
    guard let json = try? JSONEncoder().encode(request) else {
      return ControlEnd(EX_SOFTWARE, ["the request cannot be written"])
    }
    do {
      try socket.write(Array(json) + [0x0A], within: Self.greetingLimit)
    } catch {
      return ControlEnd(EX_UNAVAILABLE, ["the daemon at \(path) does not read"])
    }
    return try waitForEnd(row: row)
  }

  /// Takes the rows of an answer until it ends.
  package func waitForEnd(row: (Data) throws -> Void) rethrows -> ControlEnd {
    while true {
      let line: [UInt8]
      do {
        line = try socket.readLine(maximum: 1 << 20, within: Self.answerLimit)
      } catch {
        let why = error == .timeout ? "did not answer in time" : "broke off its answer"
        return ControlEnd(EX_UNAVAILABLE, ["the daemon at \(path) \(why)"])
      }
      if let json = AnswerLine.row(in: line) {
        try row(Data(json))
      } else if let end = AnswerLine.end(in: line) {
        return end
      } else {
        return ControlEnd(EX_PROTOCOL, ["what the daemon at \(path) says makes no sense"])
      }
    }
  }
}
