// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Glibc

extension MilterSocket {
  /// Connects to a filter; gives up after `timeout`.
  static func connect(
    to address: MilterAddress, timeout: Duration
  ) throws(MilterClientError) -> MilterSocket {
    switch address {
    case .unix(let path):
      return try connect(toPath: path, timeout: timeout)
    case .inet(let host, let port):
      return try connect(toHost: host, port: port, family: AF_INET, timeout: timeout)
    case .inet6(let host, let port):
      return try connect(toHost: host, port: port, family: AF_INET6, timeout: timeout)
    }
  }

  private static func connect(
    toPath path: String, timeout: Duration
  ) throws(MilterClientError) -> MilterSocket {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { place in
      guard bytes.count < place.count else { return false }
      place.copyBytes(from: bytes)
      return true
    }
    guard fits else { throw .badAddress("unix:\(path)") }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let descriptor = try makeSocket(AF_UNIX, timeout: timeout)
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connectRepeatedly(descriptor, $0, size)
      }
    }
    return try connected(descriptor, result)
  }

  private static func connect(
    toHost host: String, port: UInt16, family: CInt, timeout: Duration
  ) throws(MilterClientError) -> MilterSocket {
    var hints = addrinfo()
    hints.ai_family = family
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &list) == 0, let list else {
      throw .unknownHost(host)
    }
    defer { freeaddrinfo(list) }
    let descriptor = try makeSocket(family, timeout: timeout)
    // As MTAs do not wait for more before they send, neither does the kernel.
    var on: CInt = 1
    setsockopt(
      descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    let result = connectRepeatedly(descriptor, list.pointee.ai_addr, list.pointee.ai_addrlen)
    return try connected(descriptor, result)
  }

  private static func makeSocket(
    _ family: CInt, timeout: Duration
  ) throws(MilterClientError) -> CInt {
    let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else { throw .system(call: "socket", code: errno) }
    // Linux bounds connect(2) by the send timeout, also while a unix socket's backlog is full.
    let (seconds, attoseconds) = timeout.components
    var limit = timeval(
      tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
    setsockopt(
      descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    return descriptor
  }

  /// 0, or the errno of connect(2).
  private static func connectRepeatedly(
    _ descriptor: CInt, _ address: UnsafePointer<sockaddr>?, _ size: socklen_t
  ) -> CInt {
    while Glibc.connect(descriptor, address, size) != 0 {
      switch errno {
      case EINTR: continue
      case EISCONN: return 0  // an interrupted call went on in the background
      default: return errno
      }
    }
    return 0
  }

  private static func connected(
    _ descriptor: CInt, _ result: CInt
  ) throws(MilterClientError) -> MilterSocket {
    switch result {
    case 0: return MilterSocket(taking: descriptor)
    case EAGAIN, EINPROGRESS, EALREADY, ETIMEDOUT:
      _ = Glibc.close(descriptor)
      throw .timedOut
    default:
      _ = Glibc.close(descriptor)
      throw .system(call: "connect", code: result)
    }
  }
}
