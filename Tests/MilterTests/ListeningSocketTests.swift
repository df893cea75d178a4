// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Glibc
import MilterClient
import Synchronization
import Testing

@testable import Milter

/// Our own listening sockets: what is in the way, and whose it is.
@Suite struct ListeningSocketTests {
  private let folder: TemporaryFolder
  private let path: String
  private var address: SocketAddress { .unix(path: path) }

  init() throws {
    folder = try TemporaryFolder()
    path = folder.path + "/s"
  }

  private func status(_ path: String) -> stat {
    var status = stat()
    #expect(lstat(path, &status) == 0)
    return status
  }

  private func exists() -> Bool { access(path, F_OK) == 0 }

  private func connects() -> Bool {
    (try? ClientSession(connectingTo: .unix(path: path), timeout: .seconds(5))) != nil
  }

  // MARK: what is in the way

  @Test func listens() throws {
    let socket = try ListeningSocket.open(address)
    defer { socket.closeDescriptor() }
    #expect(connects() && !socket.isInherited && socket.address == address)
    #expect(fcntl(socket.descriptor, F_GETFD) & FD_CLOEXEC != 0)
  }

  @Test func removesAStaleSocket() throws {
    try ListeningSocket.open(address).closeDescriptor()
    #expect(exists() && !connects())
    let socket = try ListeningSocket.open(address)
    defer { socket.closeDescriptor() }
    #expect(connects())
  }

  @Test("fault 9: a living socket is never stolen") func neverStealsALivingOne() throws {
    let socket = try ListeningSocket.open(address)
    defer { socket.closeDescriptor() }
    let before = status(path).st_ino
    let error = #expect(throws: ListenError.self) { try ListeningSocket.open(address) }
    #expect(error?.description.contains("another process listens on \(path)") == true)
    #expect(status(path).st_ino == before && connects())
  }

  @Test func neverStealsOneWhoseBacklogIsFull() throws {
    let socket = try ListeningSocket.open(address, backlog: 0)
    defer { socket.closeDescriptor() }
    var waiting: [ClientSession] = []
    while let session = try? ClientSession(
      connectingTo: .unix(path: path), timeout: .milliseconds(50))
    {
      waiting.append(session)
    }
    #expect(throws: ListenError.self) { try ListeningSocket.open(address) }
    #expect(exists())
  }

  @Test(arguments: [S_IFREG, S_IFDIR, S_IFIFO, S_IFLNK])
  func anythingElseIsAnError(kind: mode_t) throws {
    switch kind {
    case S_IFREG: close(creat(path, 0o600))
    case S_IFDIR: mkdir(path, 0o700)
    case S_IFIFO: mkfifo(path, 0o600)
    default: symlink("/nowhere/at/all", path)
    }
    let error = #expect(throws: ListenError.self) { try ListeningSocket.open(address) }
    #expect(
      error?.description
        == "\(path) exists and is not a socket; move it away or change [milter] socket")
    #expect(status(path).st_mode & S_IFMT == kind)
    rmdir(path)
  }

  @Test func namesAMissingFolder() throws {
    let missing = folder.path + "/none/s"
    let error = #expect(throws: ListenError.self) {
      try ListeningSocket.open(.unix(path: missing))
    }
    #expect(error?.description.contains("folder \(folder.path)/none: No such file") == true)
    close(creat(folder.path + "/file", 0o600))
    #expect(throws: ListenError.self) {
      try ListeningSocket.open(.unix(path: folder.path + "/file/s"))
    }
  }

  @Test func aPathThatDoesNotFitIsNeverCut() throws {
    // `SocketAddress` refuses to read it; made by hand it must not become another path.
    let long = folder.path + "/" + String(repeating: "x", count: 107)
    #expect(throws: ListenError.self) { try ListeningSocket.open(.unix(path: long)) }
    #expect(folder.entries.isEmpty)
  }

  @Test func oneOfManyOpenersWins() throws {
    for round in 0..<20 {
      // Half of the rounds begin with a stale socket.
      if round % 2 == 0 { try ListeningSocket.open(address).closeDescriptor() }
      let won = Mutex<[ListeningSocket]>([])
      let lost = Mutex<[String]>([])
      onThreads(8) {
        do {
          let socket = try ListeningSocket.open(.unix(path: path))
          won.withLock { $0.append(socket) }
        } catch {
          lost.withLock { $0.append("\(error)") }
        }
      }
      let winners = won.withLock { $0 }
      #expect(winners.count == 1)
      #expect(lost.withLock { $0 }.count { $0.contains("another process listens") } == 7)
      #expect(connects())
      for socket in winners {
        socket.removePath()
        socket.closeDescriptor()
      }
      #expect(!exists())
    }
  }

  // MARK: mode and group

  @Test(arguments: [0o600, 0o660, 0o666, 0o700] as [UInt32])
  func modeIsWhatWasAskedFor(mode: UInt32) throws {
    let socket = try ListeningSocket.open(address, mode: mode)
    defer { socket.closeDescriptor() }
    #expect(status(path).st_mode & 0o7777 == mode)
  }

  @Test func groupIsWhatWasAskedFor() throws {
    // Root may give to any group, others to one of their own.
    let group = geteuid() == 0 ? 65_534 : getegid()
    let socket = try ListeningSocket.open(address, group: group)
    defer { socket.closeDescriptor() }
    #expect(status(path).st_gid == group && status(path).st_uid == geteuid())
    #expect(status(path).st_mode & 0o7777 == 0o660)
  }

  // MARK: whose path it is

  @Test func removesItsOwnPath() throws {
    let socket = try ListeningSocket.open(address)
    socket.removePath()
    socket.closeDescriptor()
    #expect(!exists())
    socket.removePath()
  }

  @Test func leavesAnothersPath() throws {
    let old = try ListeningSocket.open(address)
    unlink(path)
    let new = try ListeningSocket.open(address)
    defer { new.closeDescriptor() }
    old.removePath()
    old.closeDescriptor()
    #expect(exists() && connects())
  }

  // MARK: inherited

  @Test func takesOverAListeningDescriptor() throws {
    let parent = try ListeningSocket.open(address)
    defer { parent.closeDescriptor() }
    let socket = try ListeningSocket.inherit(parent.descriptor)
    #expect(socket.isInherited && socket.descriptor == parent.descriptor)
    #expect(socket.address == address && socket.isReached(by: address))
    #expect(!socket.isReached(by: .unix(path: "/run/bms/other.sock")))
    #expect(!socket.isReached(by: .inet(host: "127.0.0.1", port: 8890)))
    socket.removePath()
    #expect(exists())
  }

  @Test func anInheritedDescriptorMustListen() throws {
    let null = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
    let idle = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer {
      close(null)
      close(idle)
    }
    for descriptor in [null, idle, -1, 1_000_000] {
      let error = #expect(throws: ListenError.self) {
        try ListeningSocket.inherit(descriptor)
      }
      #expect(error?.description.contains("not a listening stream socket") == true)
    }
  }

  @Test func anInheritedSocketIsAStream() throws {
    let packets = Glibc.socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0)
    defer { close(packets) }
    // Without a name the kernel gives it one.
    var family = sa_family_t(AF_UNIX)
    let bound = withUnsafePointer(to: &family) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(packets, $0, socklen_t(MemoryLayout<sa_family_t>.size))
      }
    }
    try #require(bound == 0 && listen(packets, 1) == 0)
    #expect(throws: ListenError.self) { try ListeningSocket.inherit(packets) }
  }

  @Test(
    "the file's address is the inherited socket's",
    arguments: [
      ("127.0.0.1", "127.0.0.1", true), ("127.0.0.1", "localhost", true),
      ("127.0.0.1", "127.0.0.2", false), ("127.0.0.1", nil, false), ("0.0.0.0", nil, true),
      ("0.0.0.0", "127.0.0.1", false),
    ])
  func reached(_ host: String, _ wanted: String?, _ isReached: Bool) throws {
    let parent = try openInternet(host: host)
    defer { parent.closeDescriptor() }
    let socket = try ListeningSocket.inherit(parent.descriptor)
    guard case .inet(_, let port) = socket.address else { return }
    #expect(socket.isReached(by: .inet(host: wanted, port: port)) == isReached)
    #expect(!socket.isReached(by: .inet(host: wanted, port: port ^ 1)))
    #expect(!socket.isReached(by: .inet6(host: "::1", port: port)))
  }

  // MARK: inet

  @Test func acceptedSocketsHaveNoDelay() throws {
    let socket = try openInternet(host: "127.0.0.1")
    defer { socket.closeDescriptor() }
    guard case .inet(_, let port) = socket.address else { return }
    let session = try ClientSession(connectingTo: .inet(host: "127.0.0.1", port: port))
    let accepted = accept(socket.descriptor, nil, nil)
    defer { close(accepted) }
    var on: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    #expect(getsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &on, &length) == 0)
    #expect(on != 0)
    session.closeAbruptly()
  }

  @Test func portIsNeverShared() throws {
    let socket = try openInternet(host: "127.0.0.1")
    defer { socket.closeDescriptor() }
    let error = #expect(throws: ListenError.self) { try ListeningSocket.open(socket.address) }
    #expect(error?.description.contains("another process listens on inet:") == true)
  }

  @Test func namesAHostThatIsNone() {
    for address in [
      SocketAddress.inet(host: "no.such.host.invalid", port: 1), .inet(host: "::1", port: 1),
      .inet6(host: "127.0.0.1", port: 1), .inet(host: "192.0.2.1", port: 1),
    ] {
      #expect(throws: ListenError.self) { try ListeningSocket.open(address) }
    }
  }

  /// A free port is found by trying: nobody tells which one is free, and stays so.
  private func openInternet(host: String) throws -> ListeningSocket {
    for port in UInt16(20_000)..<20_400 {
      if let socket = try? ListeningSocket.open(.inet(host: host, port: port)) { return socket }
    }
    return try .open(.inet(host: host, port: 20_400))
  }
}
