// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import DNS
internal import Dispatch
package import Configuration
internal import Control
internal import Environment
internal import FoundationEssentials
internal import Glibc
internal import Greylisting
internal import Logging
internal import Milter
internal import Policies
internal import Policy
internal import Synchronization

/// `bmsd run`: the daemon's life from its file to its last line.
package final class Daemon: Sendable {
  /// Why the daemon did not start, and the exit status to end with (sysexits(3)).
  package struct StartFailure: Error {
    package let status: Int32
    package let lines: [String]
  }

  let path: String
  let gate: SessionGate
  let references: ReferenceSource
  private let resolver: any Resolver
  let current: Mutex<Current>
  let memory: Memory
  let began = SystemTime().monotonic
  /// One reload at a time, from whichever thread.
  let reloading = Mutex(())
  let notifier: ServiceNotifier
  private let writer: LogWriter
  let socket: ListeningSocket
  /// Why the service manager's socket is not the one that is listened on.
  let socketFault: String?
  private let control: ListeningSocket?
  /// Why the group of `[control]` cannot give commands.
  let controlFault: String?
  /// What the daemon began with: keys that need a restart hold as they stand here.
  let started: Configuration
  let trail: TrailWriter

  /// What a reload replaces.
  struct Current: Sendable {
    var setup: Setup
    /// Monotonic.
    var since: Duration
    /// Why the file could not be taken at the last reload; nil when it was.
    var refusal: String?
  }

  /// Reads the file, opens the sockets and the database and registers with libmilter; nothing is
  /// answered yet.
  ///
  /// Call it first thing in the process: it blocks the signals that the daemon takes itself, in
  /// every thread made later.
  package init(path: String) throws(StartFailure) {
    // While there is one thread: nobody else may look at the environment when it is changed.
    let handedOn = HandedOnSocket.take()
    notifier = ServiceNotifier()
    SignalLoop.blockSignals()
    Self.occupyStandardDescriptors()
    // Database, trail and kept files are for bmsd's user and group only.
    umask(0o027)
    self.path = path
    let writer = LogWriter(descriptor: STDERR_FILENO)
    self.writer = writer
    // Proved without memory first: a broken file shall touch nothing.
    let proved = Self.setup(path, writer, .none, nil, NoResolver())
    guard let pipeline = proved.pipeline else {
      throw StartFailure(status: EX_CONFIG, lines: proved.faults.map(\.description))
    }
    references = pipeline.references
    let log = pipeline.services.log
    for fault in proved.faults { log.warning("\(fault)") }
    let configuration = proved.configuration
    started = configuration
    resolver = ConfiguredResolver(configuration)
    let options = configuration.settings(MilterOptions.self)
    let trail = TrailWriter(time: SystemTime())
    self.trail = trail
    Self.limitArenas()
    var opened: [ListeningSocket] = []
    do {
      (socket, socketFault) = try Self.listen(options, handedOn)
      if let socketFault { log.warning("\(socketFault)") }
      opened.append(socket)
      control = try Self.listenForCommands(configuration, log)
      controlFault = Self.controlFault(
        control, configuration.settings(ControlOptions.self).socketGroup)
      if let control { opened.append(control) }
      try Self.giveUpRoot(configuration, opened, log)
      // After that, since the kernel holds root to no number of threads.
      gate = SessionGate(maximumSessions: Self.affordable(options.maximumSessions, log))
      memory = try Memory.open(configuration, time: SystemTime(), isDaemon: true, trail: trail)
      // A trail that cannot be opened is a fault, not a failure.
      trail.apply(configuration, log: log)
      // No reference of the trail is given out again, whatever the clock did meanwhile.
      if let newest = trail.newest { references.continue(after: newest) }
      let setup = Setup(
        configuration, source: proved.source,
        services: Self.services(configuration, writer, memory, resolver), references: references)
      guard let pipeline = setup.pipeline else {
        throw StartFailure(status: EX_CONFIG, lines: setup.faults.map(\.description))
      }
      try MilterRuntime.register(
        name: "bmsd", socket: socket, timeout: options.timeout.seconds, gate: gate,
        factory: RunnerFactory(pipeline, over: socket.address))
      current = Mutex(Current(setup: setup, since: began, refusal: nil))
    } catch {
      for socket in opened { socket.removePath() }
      writer.flush(.seconds(2))
      throw StartFailure(error, configuration)
    }
    for path in [LastGoodFile.path(started), LastGoodFile.startedPath(started)] {
      LastGoodFile.keep(proved.source, at: path, log)
    }
  }

  /// Serves until a signal ends the process; returns only when libmilter fails.
  package func run() -> Int32 {
    let log = currentLog
    let isWaiting = startThread { [self] in
      SignalLoop(onReload: { _ = self.reload() }, onStop: stop).run()
    }
    let housekeeper = Housekeeper(
      memory, SystemTime(),
      minFree: { [self] in configuration.settings(StoreOptions.self).minFree.bytes },
      greylist: { [self] in
        let settings = configuration.settings(GreylistOptions.self)
        return settings.mode == .off ? nil : TripletRule(settings)
      },
      log: { [self] in currentLog })
    let isRefreshing = startThread { [self] in
      // Nobody signals it: it is only a wait that no signal cuts short.
      let pause = DispatchSemaphore(value: 0)
      while true {
        let pipeline = current.withLock { $0.setup.pipeline }
        pipeline?.refresh(by: Deadline(.seconds(20), SystemTime()))
        _ = pause.wait(timeout: .now() + .seconds(1))
      }
    }
    guard isWaiting, isRefreshing, housekeeper.start(), serveCommands() else {
      log.critical("cannot start a thread")
      return finish(EX_OSERR)
    }
    let modules = current.withLock { $0.setup.pipeline?.modules ?? [] }
    let modes = modules.map { "\($0.name)=\($0.mode)" }
    log.notice(
      "bmsd listens",
      metadata: [
        "socket": "\(socket.address)", "inherited": socket.isInherited ? "yes" : "no",
        "modules": "\(modes.joined(separator: " "))",
      ])
    notifier.notify("READY=1")
    if MilterRuntime.run() {
      log.critical("libmilter's loop ended by itself")
    } else {
      log.critical("libmilter's loop failed; its own message is in the system log")
    }
    return finish(EX_SOFTWARE)
  }

  /// Started with standard input, output or error closed, the first socket would become one of
  /// them, and the log be written into it.
  private static func occupyStandardDescriptors() {
    var descriptor: Int32 = 0
    repeat { descriptor = open("/dev/null", O_RDWR) } while (0...STDERR_FILENO).contains(descriptor)
    if descriptor > STDERR_FILENO { close(descriptor) }
  }

  // MARK: stop

  /// Lets running messages finish, begins no new ones, and ends the process.
  private func stop(_ wait: SignalLoop.Wait) {
    let limit = configuration.settings(MilterOptions.self).drain
    notifier.notify("STOPPING=1")
    if limit.seconds > Self.ordinaryDrain {
      // The unit's TimeoutStopSec= fits the default.
      notifier.notify("EXTEND_TIMEOUT_USEC=\((limit.seconds &+ 15) &* 1_000_000)")
    }
    // The service manager keeps its socket: who comes now waits for the next process.
    if socket.isInherited { MilterRuntime.endAccepting() }
    gate.beginDraining()
    let before = gate.counts
    currentLog.notice(
      "stopping",
      metadata: ["sessions": "\(before.sessions)", "messages": "\(before.messages)"])
    let time = SystemTime()
    let end = time.monotonic + .seconds(limit.seconds)
    // The last answer is written by libmilter after the callback returned: quiet must have lasted.
    var quietSince: Duration? = gate.counts.messages == 0 ? time.monotonic - Self.settling : nil
    while time.monotonic < end {
      if gate.counts.messages > 0 {
        quietSince = nil
      } else if let since = quietSince {
        if time.monotonic - since >= Self.settling { break }
      } else {
        quietSince = time.monotonic
      }
      // A second signal means now.
      if wait(.milliseconds(20)) { break }
    }
    let left = gate.counts.messages
    if left > 0 {
      currentLog.warning("stopped with \(left) messages unfinished; the MTA defers them")
    }
    currentLog.notice("bmsd stopped")
    _exit(finish(EX_OK))
  }

  /// Seconds.
  private static let ordinaryDrain = 30
  /// What SQLite did not copy by then, it copies at the next start.
  private static let closing = DispatchTimeInterval.seconds(5)
  private static let settling = Duration.milliseconds(200)

  /// What must be done before the process ends, however it ends.
  private func finish(_ status: Int32) -> Int32 {
    socket.removePath()
    control?.removePath()
    // First of all, since nobody reads in it for long.
    trail.close(.seconds(2))
    // What was banned in the last second; for more there is no time. A command that reads for long
    // is cut off, but to copy the log into the file may take its time on a slow disk.
    let isClosed = DispatchSemaphore(value: 0)
    let closes = startThread { [memory] in
      memory.close(within: .seconds(1))
      isClosed.signal()
    }
    if closes { _ = isClosed.wait(timeout: .now() + Self.closing) }
    writer.flush(.seconds(2))
    return status
  }

  // MARK: parts

  package var configuration: Configuration { current.withLock { $0.setup.configuration } }

  var currentLog: Logger {
    current.withLock { $0.setup.pipeline?.services.log } ?? Self.logger(.text, .info, writer)
  }

  /// The file as it is now, proved with the daemon's memory.
  func readAgain() -> Setup { Self.setup(path, writer, memory, references, resolver) }

  private static func setup(
    _ path: String, _ writer: LogWriter, _ memory: Memory, _ references: ReferenceSource?,
    _ resolver: any Resolver
  ) -> Setup {
    Setup(path: path, files: SystemFiles(), references: references) {
      services($0, writer, memory, resolver)
    }
  }

  private static func services(
    _ configuration: Configuration, _ writer: LogWriter, _ memory: Memory,
    _ resolver: any Resolver
  ) -> Services {
    let log = configuration.settings(LogOptions.self)
    return .system(
      log: logger(log.format, log.level.loggerLevel, writer), memory: memory, resolver: resolver)
  }

  private static func logger(
    _ format: LogOptions.Format, _ level: Logger.Level, _ writer: LogWriter
  ) -> Logger {
    Logger(label: "bmsd") { _ in
      LineHandler(format: format, level: level) { writer.write($0) }
    }
  }

  /// The socket for the MTA: what the service manager hands on if it is what the file says, or our
  /// own. The file has the last word, since the MTA's lines are made from it.
  private static func listen(
    _ options: Settings<MilterOptions>, _ handedOn: Result<Int32?, ListenError>
  ) throws(ListenError) -> (ListeningSocket, fault: String?) {
    var fault: String?
    if let descriptor = try handedOn.get() {
      let inherited = try ListeningSocket.inherit(descriptor)
      if inherited.isReached(by: options.socket) { return (inherited, nil) }
      inherited.closeDescriptor()
      fault =
        "bmsd listens on \(options.socket), as [milter] socket says, but bmsd.socket on "
        + "\(inherited.address): change its ListenStream= (`systemctl edit bmsd.socket`), or do "
        + "without (`systemctl disable --now bmsd.socket`)"
    }
    let group = options.socketGroup.isEmpty ? nil : Setup.groupID(named: options.socketGroup)
    return (try .open(options.socket, mode: options.socketMode.bits, group: group), fault)
  }

  /// The control socket; nil where the file does not ask for one and the default cannot be had.
  private static func listenForCommands(
    _ configuration: Configuration, _ log: Logger
  ) throws(ListenError) -> ListeningSocket? {
    let options = configuration.settings(ControlOptions.self)
    let group = options.socketGroup.isEmpty ? nil : Setup.groupID(named: options.socketGroup)
    let path = options.socket.path
    guard case .unix? = SocketAddress("unix:\(path)") else {
      throw ListenError(
        "control.socket: \"\(path)\" must be an absolute path of at most "
          + "\(SocketAddress.maximumPathLength) bytes")
    }
    do {
      let socket = try ListeningSocket.open(
        .unix(path: path), mode: 0o660, group: group, backlog: 64, section: "control",
        needsGroup: false)
      if let fault = controlFault(socket, options.socketGroup) { log.error("\(fault)") }
      return socket
    } catch {
      guard !options.isPresent else { throw error }
      log.notice("no commands reach this daemon: \(error)")
      return nil
    }
  }

  /// Why the group of `[control]` cannot give commands, and what helps.
  private static func controlFault(_ socket: ListeningSocket?, _ group: String) -> String? {
    socket?.groupFault.map {
      "\($0); only root and bmsd's user can give commands: give the daemon that group, under systemd "
        + "by `systemctl edit bmsd` with [Service], SupplementaryGroups=\(group), PrivateUsers=no and "
        + "SystemCallFilter=@chown, and see SECURITY in bmsd(8)"
    }
  }

  private static func giveUpRoot(
    _ configuration: Configuration, _ sockets: [ListeningSocket], _ log: Logger
  ) throws {
    let store = configuration.settings(StoreOptions.self)
    guard store.isPresent else {
      if geteuid() == 0 {
        log.notice(
          "bmsd stays root: without [store] there is no folder whose owner it could become")
      }
      return
    }
    if let owner = Privileges.owner(ofFolderOf: store.path.path), owner != 0, geteuid() == 0 {
      for case .unix(let path) in sockets.filter({ !$0.isInherited }).map(\.address) {
        // By name, but never through a link: the folder may be the new owner's already.
        lchown(path, owner, gid_t.max)
      }
    }
    if try Privileges.becomeOwner(ofFolderOf: store.path.path) == .staysRoot {
      log.warning(
        "bmsd stays root, because the folder of [store] path is root's; give it to a user of its own"
      )
    }
  }

  private func serveCommands() -> Bool {
    guard let control else { return true }
    let administration = Administration(memory, SystemTime(), configuration, daemon: self)
    let isShort = { @Sendable (request: Data) in
      (try? JSONDecoder().decode(AdministrationRequest.self, from: request))?.isShort ?? true
    }
    return ControlServer(control, isShort: isShort, spawn: { startThread($0) }) {
      request, caller, row in
      guard let request = try? JSONDecoder().decode(AdministrationRequest.self, from: request)
      else { return ControlEnd(EX_PROTOCOL, ["the daemon does not know this command"]) }
      return administration.perform(request, by: caller, row)
    }.start()
  }
}

extension LogOptions.Level {
  var loggerLevel: Logger.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .notice: .notice
    case .warning: .warning
    case .error: .error
    }
  }
}
