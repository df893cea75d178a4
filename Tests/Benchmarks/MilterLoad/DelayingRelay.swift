// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Synchronization

/// A DNS server on a loopback port that asks another one and holds each answer back, as distance
/// does.
final class DelayingRelay {
  /// As `[dns] servers` names it.
  let address: String
  private let relay: Relay

  /// Stands before the server at `port` of loopback.
  init(to port: UInt16, delay: DispatchTimeInterval) throws {
    let front = try Self.socket(), back = try Self.socket()
    relay = Relay(front, back, delay)
    var own = Self.loopback(0), server = Self.loopback(port)
    guard Self.call(front, &own, bind), Self.call(back, &server, connect) else {
      throw BenchmarkError("no relay: \(String(cString: strerror(errno)))")
    }
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isKnown = withUnsafeMutablePointer(to: &own) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(front, $0, &length) == 0
      }
    }
    guard isKnown else { throw BenchmarkError("the relay has no port") }
    address = "127.0.0.1@\(UInt16(bigEndian: own.sin_port))"
    Thread { [relay] in relay.takeQuestions() }.start()
    Thread { [relay] in relay.takeAnswers() }.start()
  }

  deinit { relay.stop() }

  private static func socket() throws -> Int32 {
    let descriptor = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    // So often the threads look whether to end.
    var limit = timeval(tv_sec: 0, tv_usec: 200_000)
    let size = socklen_t(MemoryLayout<timeval>.size)
    guard descriptor >= 0, setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size) == 0 else {
      throw BenchmarkError("no socket")
    }
    return descriptor
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  private static func call(
    _ descriptor: Int32, _ address: inout sockaddr_in,
    _ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32
  ) -> Bool {
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        function(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}

/// The two threads of a relay.
private final class Relay: Sendable {
  /// Who asked, and the number that the question had from there.
  private struct Asker {
    var address: sockaddr_in
    var number: [UInt8]
  }

  private let front: Int32
  private let back: Int32
  private let delay: DispatchTimeInterval
  private let askers = Mutex<(next: UInt16, byNumber: [UInt16: Asker])>((0, [:]))
  private let isStopping = Atomic(false)

  init(_ front: Int32, _ back: Int32, _ delay: DispatchTimeInterval) {
    self.front = front
    self.back = back
    self.delay = delay
  }

  deinit {
    close(front)
    close(back)
  }

  func stop() { isStopping.store(true, ordering: .relaxed) }

  func takeQuestions() {
    receive(from: front) { message, asker in
      let number = askers.withLock { askers in
        askers.next &+= 1
        askers.byNumber[askers.next] = Asker(address: asker, number: Array(message.prefix(2)))
        return askers.next
      }
      let question = [UInt8(number >> 8), UInt8(number & 0xFF)] + message.dropFirst(2)
      _ = send(back, question, question.count, 0)
    }
  }

  func takeAnswers() {
    receive(from: back) { message, _ in
      let number = message.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
      guard let asker = askers.withLock({ $0.byNumber.removeValue(forKey: number) }) else { return }
      let answer = asker.number + message.dropFirst(2)
      DispatchQueue.global().asyncAfter(deadline: .now() + delay) { [self] in
        var address = asker.address
        withUnsafePointer(to: &address) { pointer in
          pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            _ = sendto(
              front, answer, answer.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
          }
        }
      }
    }
  }

  /// Hands over each message with its sender until `stop()`.
  private func receive(from descriptor: Int32, _ body: ([UInt8], sockaddr_in) -> Void) {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !isStopping.load(ordering: .relaxed) {
      var sender = sockaddr_in()
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let count = withUnsafeMutablePointer(to: &sender) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
        }
      }
      if count > 2 { body(Array(buffer.prefix(count)), sender) }
    }
  }
}
