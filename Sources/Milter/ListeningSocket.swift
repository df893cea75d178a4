// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Glibc
internal import Synchronization

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
  /// Why a unix socket does not have the group that was asked for; nil where it has.
  public private(set) var groupFault: String?
  private let inode: UInt64

  /// Binds and listens; `mode` and the numeric `group` (nil for the process' own) are those of a
  /// unix socket, `backlog` is how many connections may wait; errors name the options of `section`.
  /// Without `needsGroup` a group that cannot be had is no error, but `groupFault`.
  public static func open(
    _ address: SocketAddress, mode: UInt32 = 0o660, group: UInt32? = nil, backlog: Int32 = 1024,
    section: String = "milter", needsGroup: Bool = true
  ) throws(ListenError) -> ListeningSocket {
    switch address {
    case .unix(let path):
      return try openUnix(
        path, address, mode: mode, group: group, backlog: backlog, section: section,
        needsGroup: needsGroup)
    case .inet(let host, let port):
      let host = host ?? "0.0.0.0"
      return try openInternet(host, port, AF_INET, address, backlog: backlog)
    case .inet6(let host, let port):
      return try openInternet(host ?? "::", port, AF_INET6, address, backlog: backlog)
    }
  }

  /// Takes over a descriptor that already listens, as systemd hands it on (sd_listen_fds(3)).
  public static func inherit(_ descriptor: Int32) throws(ListenError) -> ListeningSocket {
    guard option(SO_ACCEPTCONN, of: descriptor) == 1,
      option(SO_TYPE, of: descriptor) == Int32(SOCK_STREAM.rawValue)
    else {
      throw ListenError(
        "descriptor \(descriptor), handed on by the service manager, is not a listening stream "
          + "socket; look at ListenStream= in the socket unit")
    }
    guard let address = address(of: descriptor) else {
      throw ListenError(
        "the socket handed on by the service manager is neither unix nor internet; look at "
          + "ListenStream= in the socket unit")
    }
    setNoDelay(descriptor)
    return ListeningSocket(descriptor: descriptor, address: address, isInherited: true, inode: 0)
  }

  /// Whether who is sent to `wanted` arrives here. A host by name is not looked up: its port and
  /// family decide.
  public func isReached(by wanted: SocketAddress) -> Bool {
    switch (address, wanted) {
    case (.unix(let ours), .unix(let theirs)):
      return ours == theirs || Self.isSameFile(ours, theirs)
    case (.inet(let ours, let port), .inet(let theirs, let wantedPort)),
      (.inet6(let ours, let port), .inet6(let theirs, let wantedPort)):
      guard port == wantedPort else { return false }
      if address.isWildcard || wanted.isWildcard { return address.isWildcard == wanted.isWildcard }
      guard let theirs = theirs.flatMap({ IPAddress($0) }) else { return true }
      return ours.flatMap { IPAddress($0) } == theirs
    default: return false
    }
  }

  /// By another path, such as /var/run.
  private static func isSameFile(_ one: String, _ other: String) -> Bool {
    var first = stat()
    var second = stat()
    return stat(one, &first) == 0 && stat(other, &second) == 0
      && first.st_dev == second.st_dev && first.st_ino == second.st_ino
  }

  private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
  }

  private static func address(of descriptor: Int32) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { pointer -> SocketAddress? in
      let raw = UnsafeMutableRawPointer(pointer)
      let known = raw.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(descriptor, $0, &length) == 0
      }
      guard known else { return nil }
      switch Int32(pointer.pointee.ss_family) {
      case AF_UNIX:
        let local = raw.loadUnaligned(as: sockaddr_un.self)
        let path = withUnsafeBytes(of: local.sun_path) { $0.prefix { $0 != 0 } }
        return .unix(path: String(decoding: path, as: UTF8.self))
      case AF_INET:
        let inet = raw.loadUnaligned(as: sockaddr_in.self)
        let ip = IPAddress(v4: UInt32(bigEndian: inet.sin_addr.s_addr))
        return .inet(host: "\(ip)", port: UInt16(bigEndian: inet.sin_port))
      case AF_INET6:
        let inet = raw.loadUnaligned(as: sockaddr_in6.self)
        let bytes = withUnsafeBytes(of: inet.sin6_addr) { Array($0) }
        let host = IPAddress(octets: bytes).map { "\($0)" }
        return .inet6(host: host, port: UInt16(bigEndian: inet.sin6_port))
      default: return nil
      }
    }
  }

  /// Removes the path of a unix socket, if it is still this socket's.
  public func removePath() {
    guard case .unix(let path) = address, !isInherited else { return }
    var status = stat()
    if lstat(path, &status) == 0, UInt64(status.st_ino) == inode { unlink(path) }
  }

  /// Closes the descriptor without touching the path.
  public func closeDescriptor() { Glibc.close(descriptor) }

  // MARK: unix

  /// The process has one umask for all its threads.
  private static let umaskInUse = Mutex(())

  private static func openUnix(
    _ path: String, _ address: SocketAddress, mode: UInt32, group: UInt32?, backlog: Int32,
    section: String, needsGroup: Bool
  ) throws(ListenError) -> ListeningSocket {
    // Cut short it would be another path.
    guard path.utf8.count <= SocketAddress.maximumPathLength else {
      throw ListenError(
        "cannot listen on \(path): a socket's path has at most "
          + "\(SocketAddress.maximumPathLength) bytes; change [\(section)] socket")
    }
    let folder = parent(of: path)
    // Two daemons that start at once must not both find a stale socket: the folder is the lock.
    let lock = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard lock >= 0 else {
      throw ListenError(
        "cannot listen on \(path): folder \(folder): \(reason(errno)); create it or change "
          + "[\(section)] socket")
    }
    defer { Glibc.close(lock) }
    try wait(for: lock, folder)
    try clear(path, section: section)

    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw failure("cannot make a socket", errno) }
    // The socket is made with its mode: a chmod by path could be led elsewhere by whoever else may
    // write to the folder. Until it listens nobody gets in.
    let (bound, bindError) = umaskInUse.withLock { _ in
      let oldMask = umask(~mode & 0o777)
      defer { umask(oldMask) }
      return (withUnixAddress(path) { bind(descriptor, $0, $1) }, errno)
    }
    guard bound == 0 else {
      Glibc.close(descriptor)
      throw failure("cannot bind \(path)", bindError)
    }
    func giveUp(_ what: String, _ code: Int32) -> ListenError {
      unlink(path)
      Glibc.close(descriptor)
      return failure(what, code)
    }
    var groupFault: String?
    if let group, !hasGroup(path, group), lchown(path, uid_t.max, group) != 0 {
      let what = "cannot give \(path) to group \(group) ([\(section)] socket_group)"
      let code = errno
      guard !needsGroup else { throw giveUp(what, code) }
      groupFault = "\(what): \(reason(code))"
    }
    guard listen(descriptor, backlog) == 0 else { throw giveUp("cannot listen on \(path)", errno) }
    var status = stat()
    lstat(path, &status)
    var made = ListeningSocket(
      descriptor: descriptor, address: address, isInherited: false, inode: UInt64(status.st_ino))
    made.groupFault = groupFault
    return made
  }

  /// Whether a socket came out of a setgid folder with the group already.
  private static func hasGroup(_ path: String, _ group: UInt32) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_gid == group
  }

  /// Takes the folder's lock. Another daemon holds it for an instant only; anybody who may open the
  /// folder can hold it for ever.
  private static func wait(for lock: Int32, _ folder: String) throws(ListenError) {
    for _ in 0..<100 {
      if flock(lock, LOCK_EX | LOCK_NB) == 0 { return }
      usleep(20_000)
    }
    throw ListenError(
      "another process holds a lock on \(folder) (`fuser -v \(folder)` names it); give the socket "
        + "a folder of its own")
  }

  /// Removes a stale socket; a living one, or anything that is no socket, is an error.
  private static func clear(_ path: String, section: String) throws(ListenError) {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw failure("cannot look at \(path)", errno)
    }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw ListenError(
        "\(path) exists and is not a socket; move it away or change [\(section)] socket")
    }
    let probe = socket(
      AF_UNIX,
      Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard probe >= 0 else { throw failure("cannot make a socket", errno) }
    defer { Glibc.close(probe) }
    let connected = withUnixAddress(path) { connect(probe, $0, $1) }
    // Nobody may tell whether a socket lives that he may not write to.
    if connected != 0, errno == EACCES {
      let owner = getpwuid(status.st_uid).map { String(cString: $0.pointee.pw_name) }
      throw ListenError(
        "the socket \(path) belongs to \(owner ?? "uid \(status.st_uid)"), and this process may not "
          + "connect to it: a bmsd of that user listens, or left it behind; when `ss -xlp` shows "
          + "none, remove the socket")
    }
    // EAGAIN is a full backlog: it may be alive.
    guard connected != 0, errno == ECONNREFUSED || errno == ENOENT else {
      throw ListenError(
        "another process listens on \(path); is bmsd already running? (see "
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
          "another process listens on \(address); is bmsd already running? (see "
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
