// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Foundation
package import MilterClient

/// The real `bmsd run` as a process of one test: a folder, a file and a socket of its own, killed
/// with the test.
package final class BMSDProcess: Sendable {
  /// How the process is started.
  package struct Setup: Sendable {
    /// Keys of `[milter]` beside the socket.
    package var milter = ""
    /// All other sections.
    package var sections = "[network]\nhostname = mail.example.org\n[helo]\nmode = enforce\n"
    /// Shell commands before the start: `ulimit -n 100`.
    package var prefix = ":"
    /// A descriptor that becomes 3 of the process.
    package var descriptor: Int32?
    /// Whether standard error is read; if not, the pipe fills up.
    package var readsLog = true
    /// Whether to wait until the process listens.
    package var awaitsReady = true
    /// Where it listens; nil for a unix socket in its folder.
    package var socket: String?

    package init() {}
  }

  /// What a test waited for in vain, with everything the process wrote.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
  }

  package let folder: URL
  package let pid: pid_t
  private let monitor: ProcessMonitor

  /// The socket's path, unless the set-up says otherwise.
  package var socketPath: String { Self.socketPath(in: folder) }
  /// The configuration file.
  package var configPath: String { folder.appending(path: "bms.conf").path }
  /// The lines of standard error so far.
  package var log: [String] { monitor.state.lines }
  /// What the service manager was told so far.
  package var notifications: [String] { monitor.state.notifications }

  /// Starts `bmsd run` and, if wanted, waits until it listens; `prepare` may put files into the
  /// folder before.
  package init(_ setup: Setup = Setup(), prepare: (URL) throws -> Void = { _ in }) throws {
    folder = URL(filePath: "/tmp/bms-wire-\(UUID().uuidString.prefix(13))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    do {
      try Self.write(setup, to: folder)
      try prepare(folder)
      monitor = ProcessMonitor()
      let notify = try monitor.listen(at: folder.appending(path: "notify").path)
      pid = try Self.spawn(setup, folder, monitor)
      try monitor.watch(pid, notify: notify)
    } catch {
      try? FileManager.default.removeItem(at: folder)
      throw error
    }
    if setup.awaitsReady {
      _ = try wait("READY=1") { $0.notifications.contains("READY=1") ? true : nil }
    }
  }

  deinit {
    monitor.signal(SIGKILL, pid)
    _ = monitor.wait(.seconds(30)) { $0.exitStatus }
    try? FileManager.default.removeItem(at: folder)
  }

  /// Writes the configuration file anew, in one step.
  package func configure(_ setup: Setup) throws { try Self.write(setup, to: folder) }

  package func signal(_ number: Int32) { monitor.signal(number, pid) }

  /// Waits until `event` finds what it looks for; `what` names it.
  @discardableResult
  package func wait<T>(
    _ what: String, _ limit: Duration = .seconds(60), for event: (ProcessState) -> T?
  ) throws -> T {
    if let found = monitor.wait(limit, for: event) { return found }
    let state = monitor.state
    throw Failure(
      description:
        "waited for \(what); exit status \(state.exitStatus.map(String.init) ?? "none"), "
        + "log:\n" + state.lines.suffix(40).joined(separator: "\n"))
  }

  /// Waits for a line of the log that has `text`.
  @discardableResult
  package func line(_ text: String, _ limit: Duration = .seconds(60)) throws -> String {
    try wait("a line with \(text)", limit) { state in
      state.lines.first { $0.contains(text) }
    }
  }

  /// The exit status; 128 and the number when a signal ended it.
  package func exitStatus(within limit: Duration = .seconds(60)) throws -> Int32 {
    try wait("the end", limit) { $0.isLogComplete ? $0.exitStatus : nil }
  }

  /// Asks the process to stop; gives its exit status.
  package func stop() throws -> Int32 {
    signal(SIGTERM)
    return try exitStatus()
  }

  /// Begins to read standard error, where that was not wanted at the start.
  package func readLogNow() { monitor.readKept() }

  // MARK: measuring

  /// Seconds of processor time so far.
  package func processorTime() throws -> Double {
    let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
    // The name in parentheses may have blanks; utime and stime are the 12th and 13th behind it.
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
      throw Failure(description: "cannot read \(text)")
    }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// A number of /proc/PID/status: `VmRSS` in KiB, `Threads`.
  package func status(_ key: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    let line = text.split(separator: "\n").first { $0.hasPrefix("\(key):") } ?? ""
    guard let number = line.split(whereSeparator: \.isWhitespace).dropFirst().first,
      let value = Int(number)
    else { throw Failure(description: "no \(key)") }
    return value
  }

  /// How many connections of the MTA are open, those that nobody accepted yet included.
  package func connectionCount() throws -> Int {
    // unix(4): accepted sockets have the path too; the listening one has the flag 0x10000.
    try String(contentsOfFile: "/proc/net/unix", encoding: .utf8).split(separator: "\n").count {
      $0.hasSuffix(" \(socketPath)") && !$0.contains(" 00010000 ")
    }
  }

  // MARK: the MTA's side

  /// A connection without negotiation.
  package func connect(timeout: Duration = .seconds(60)) throws -> MilterSession {
    try MilterSession(connectingTo: .unix(path: socketPath), timeout: timeout)
  }

  /// A connection that negotiated.
  package func session(
    version: UInt32 = 6, timeout: Duration = .seconds(60)
  ) throws -> MilterSession {
    let session = try connect(timeout: timeout)
    try session.negotiate(version: version)
    return session
  }

  // MARK: start

  private static func socketPath(in folder: URL) -> String { folder.appending(path: "s").path }

  private static func write(_ setup: Setup, to folder: URL) throws {
    let socket = setup.socket ?? "unix:\(socketPath(in: folder))"
    let text = "[milter]\nsocket = \(socket)\n\(setup.milter)\n\(setup.sections)"
    try Data(text.utf8).write(to: folder.appending(path: "bms.conf"), options: .atomic)
  }

  /// `bmsd` as it was built with the tests.
  package static func executable() throws -> String {
    let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let path = URL(filePath: bundle).deletingLastPathComponent().appending(path: "bmsd").path
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw Failure(description: "no bmsd beside the tests; run `swift build` first")
    }
    return path
  }

  private static func spawn(
    _ setup: Setup, _ folder: URL, _ monitor: ProcessMonitor
  ) throws -> pid_t {
    // As journald has it; and unlike a pipe it is closed on exec from its birth.
    let ends = try ProcessMonitor.socketPair()
    if setup.readsLog { monitor.readLog(ends[0]) } else { monitor.keep(ends[0]) }
    defer { close(ends[1]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    if let descriptor = setup.descriptor {
      posix_spawn_file_actions_adddup2(&actions, descriptor, 3)
    }
    // Whatever other tests have open at the moment must not count against the daemon's limit.
    for inherited in (setup.descriptor == nil ? 3 : 4)..<CInt(256) {
      posix_spawn_file_actions_addclose(&actions, inherited)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Libmilter in this very process ignores SIGPIPE; that would be inherited.
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))
    let arguments = [
      "/bin/sh", "-c", "\(setup.prefix); exec \"$0\" \"$@\"", try executable(), "run", "--config",
      folder.appending(path: "bms.conf").path,
    ]
    let environment =
      [
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SWIFT_BACKTRACE=enable=no",
        "NOTIFY_SOCKET=\(folder.appending(path: "notify").path)",
      ] + Sanitizer.environment.map { "\($0.key)=\($0.value)" }
    var pid: pid_t = 0
    let result = withCStrings(arguments) { arguments in
      withCStrings(environment) {
        posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, $0)
      }
    }
    guard result == 0 else { throw Failure(description: "cannot start: \(result)") }
    return pid
  }

  private static func withCStrings<R>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R
  ) -> R {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}
