// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// Why a filter cannot start to listen; the description says what to do.
public struct ListenError: Error, Equatable, CustomStringConvertible {
  /// What is wrong, where, and what to do.
  public let description: String
  /// A listen error with this text.
  public init(_ description: String) { self.description = description }
}

/// A listening socket of our own, to be handed to libmilter as `fd:N`.
///
/// libmilter's own `smfi_opensocket` steals the path of a living daemon, knows no mode or group and
/// leaves Nagle's algorithm on, which costs 44 ms a message. Here a stale socket is removed, a
/// living one never is, and anything else at the path is an error.
public struct ListeningSocket: Sendable {
  /// The descriptor, listening.
  public let descriptor: Int32
  /// What was asked for.
  public let address: SocketAddress
  /// Whether the descriptor was inherited: then its path is not ours to remove.
  public let isInherited: Bool
  private let inode: UInt64

  /// Binds and listens; `mode` and the numeric `group` (nil for the process' own) are those of a
  /// unix socket, `backlog` is how many connections may wait.
  public static func open(
    _ address: SocketAddress, mode: UInt32 = 0o660, group: UInt32? = nil, backlog: Int32 = 1024
  ) throws(ListenError) -> ListeningSocket {
    switch address {
    case .unix(let path):
      return try openUnix(path, address, mode: mode, group: group, backlog: backlog)
    case .inet(let host, let port):
      let host = host ?? "0.0.0.0"
      return try openInternet(host, port, AF_INET, address, backlog: backlog)
    case .inet6(let host, let port):
      return try openInternet(host ?? "::", port, AF_INET6, address, backlog: backlog)
    }
  }

  /// Takes over a descriptor that already listens, as systemd hands it on (sd_listen_fds(3)).
  public static func inherit(
    _ descriptor: Int32, for address: SocketAddress
  ) throws(ListenError) -> ListeningSocket {
    var listening: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0,
      listening != 0
    else {
      throw ListenError(
        "descriptor \(descriptor), handed on by the service manager, is not a listening socket; "
          + "look at ListenStream= in the socket unit")
    }
    setNoDelay(descriptor)
    return ListeningSocket(descriptor: descriptor, address: address, isInherited: true, inode: 0)
  }

  /// Removes the path of a unix socket, if it is still this socket's.
  public func removePath() {
    guard case .unix(let path) = address, !isInherited else { return }
    var status = stat()
    if lstat(path, &status) == 0, UInt64(status.st_ino) == inode { unlink(path) }
  }

  /// Closes the descriptor without touching the path.
  func closeDescriptor() { Glibc.close(descriptor) }

  // MARK: unix

  private static func openUnix(
    _ path: String, _ address: SocketAddress, mode: UInt32, group: UInt32?, backlog: Int32
  ) throws(ListenError) -> ListeningSocket {
    // Cut short it would be another path.
    guard path.utf8.count <= SocketAddress.maximumPathLength else {
      throw ListenError(
        "cannot listen on \(path): a socket's path has at most "
          + "\(SocketAddress.maximumPathLength) bytes; change [milter] socket")
    }
    let folder = parent(of: path)
    // Two daemons that start at once must not both find a stale socket: the folder is the lock.
    let lock = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard lock >= 0 else {
      throw ListenError(
        "cannot listen on \(path): folder \(folder): \(reason(errno)); create it or change "
          + "[milter] socket")
    }
    defer { Glibc.close(lock) }
    _ = flock(lock, LOCK_EX)
    try clear(path)

    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw failure("cannot make a socket", errno) }
    // Between bind and chmod nobody else may get in.
    let oldMask = umask(0o177)
    let bound = withUnixAddress(path) { bind(descriptor, $0, $1) }
    let bindError = errno
    umask(oldMask)
    guard bound == 0 else {
      Glibc.close(descriptor)
      throw failure("cannot bind \(path)", bindError)
    }
    func giveUp(_ what: String, _ code: Int32) -> ListenError {
      unlink(path)
      Glibc.close(descriptor)
      return failure(what, code)
    }
    if let group, chown(path, gid_t.max, group) != 0 {
      throw giveUp("cannot give \(path) to group \(group) ([milter] socket_group)", errno)
    }
    guard chmod(path, mode) == 0 else { throw giveUp("cannot set the mode of \(path)", errno) }
    guard listen(descriptor, backlog) == 0 else { throw giveUp("cannot listen on \(path)", errno) }
    var status = stat()
    lstat(path, &status)
    return ListeningSocket(
      descriptor: descriptor, address: address, isInherited: false, inode: UInt64(status.st_ino))
  }

  /// Removes a stale socket; a living one, or anything that is no socket, is an error.
  private static func clear(_ path: String) throws(ListenError) {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw failure("cannot look at \(path)", errno)
    }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw ListenError(
        "\(path) exists and is not a socket; move it away or change [milter] socket")
    }
    let probe = socket(
      AF_UNIX,
      Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard probe >= 0 else { throw failure("cannot make a socket", errno) }
    defer { Glibc.close(probe) }
    let connected = withUnixAddress(path) { connect(probe, $0, $1) }
    // EAGAIN is a full backlog and EACCES somebody else's socket: both may be alive.
    guard connected != 0, errno == ECONNREFUSED || errno == ENOENT else {
      throw ListenError(
        "another process listens on \(path); is bmsd already running? (`bmsd status`, "
          + "`ss -xlp`)")
    }
    guard unlink(path) == 0 || errno == ENOENT else {
      throw failure("cannot remove the stale socket \(path)", errno)
    }
  }

  private static func withUnixAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { buffer in
      // The path's length was checked by SocketAddress; the last byte stays NUL.
      buffer.copyBytes(from: path.utf8.prefix(SocketAddress.maximumPathLength))
    }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  // MARK: inet

  private static func openInternet(
    _ host: String, _ port: UInt16, _ family: Int32, _ address: SocketAddress, backlog: Int32
  ) throws(ListenError) -> ListeningSocket {
    var hints = addrinfo()
    hints.ai_family = family
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE
    var found: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(host, String(port), &hints, &found)
    guard result == 0, let info = found else {
      let why = gai_strerror(result).map { String(cString: $0) } ?? "unknown host"
      throw ListenError("cannot listen on \(address): \(host): \(why)")
    }
    defer { freeaddrinfo(found) }
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(info.pointee.ai_family, type, 0)
    guard descriptor >= 0 else { throw failure("cannot make a socket for \(address)", errno) }
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size)
    if family == AF_INET6 {
      setsockopt(descriptor, Int32(IPPROTO_IPV6), Int32(IPV6_V6ONLY), &on, size)
    }
    setNoDelay(descriptor)
    guard bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0 else {
      let code = errno
      Glibc.close(descriptor)
      if code == EADDRINUSE {
        throw ListenError(
          "another process listens on \(address); is bmsd already running? (`bmsd status`, "
            + "`ss -tlp`)")
      }
      throw failure("cannot bind \(address)", code)
    }
    guard listen(descriptor, backlog) == 0 else {
      let code = errno
      Glibc.close(descriptor)
      throw failure("cannot listen on \(address)", code)
    }
    return ListeningSocket(
      descriptor: descriptor, address: address, isInherited: false, inode: 0)
  }

  /// Accepted sockets inherit it. On a unix socket the call fails, which is harmless.
  private static func setNoDelay(_ descriptor: Int32) {
    var on: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  private static func failure(_ what: String, _ code: Int32) -> ListenError {
    ListenError("\(what): \(reason(code))")
  }

  private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
