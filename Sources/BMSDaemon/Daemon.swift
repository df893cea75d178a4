// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Environment
internal import Glibc
internal import Logging
internal import Milter
internal import Policy
internal import Synchronization

/// `bmsd run`: the daemon's life from its file to its last line.
package final class Daemon: Sendable {
  /// Why the daemon did not start, and the exit status to end with (sysexits(3)).
  package struct StartFailure: Error {
    package let status: Int32
    package let lines: [String]
  }

  private let path: String
  private let writer: LogWriter
  private let gate: SessionGate
  private let references: ReferenceSource
  private let socket: ListeningSocket
  private let notifier: ServiceNotifier
  private let current: Mutex<Setup>
  private let trail: TrailWriter

  /// Reads the file, opens the socket and registers with libmilter; nothing is answered yet.
  ///
  /// Call it first thing in the process: it blocks the signals that the daemon takes itself, in
  /// every thread made later.
  package init(path: String) throws(StartFailure) {
    SignalLoop.blockSignals()
    self.path = path
    let writer = LogWriter(descriptor: STDERR_FILENO)
    self.writer = writer
    trail = TrailWriter(time: SystemTime())
    let setup = Self.setup(path, writer, trail, nil)
    guard let pipeline = setup.pipeline else {
      throw StartFailure(status: EX_CONFIG, lines: setup.faults.map(\.description))
    }
    references = pipeline.references
    trail.apply(setup.configuration, log: pipeline.services.log)
    // No reference of the trail is given out again, whatever the clock did meanwhile.
    if let newest = trail.newest { references.continue(after: newest) }
    for fault in setup.faults { pipeline.services.log.warning("\(fault)") }
    let options = setup.configuration.settings(MilterOptions.self)
    notifier = ServiceNotifier()
    do {
      gate = SessionGate(
        maximumSessions: Self.affordable(options.maximumSessions, pipeline.services.log))
      socket = try Self.listen(options, notifier)
      try MilterRuntime.register(
        name: "bmsd", socket: socket, timeout: options.timeout.seconds, gate: gate,
        factory: RunnerFactory(pipeline, over: socket.address))
    } catch {
      throw StartFailure(status: EX_UNAVAILABLE, lines: [error.description])
    }
    current = Mutex(setup)
  }

  /// Serves until a signal ends the process; returns only when libmilter fails.
  package func run() -> Int32 {
    let log = currentLog
    let isWaiting = startThread { [self] in
      SignalLoop(onReload: reload, onStop: stop).run()
    }
    guard isWaiting else {
      log.critical("cannot start the signal thread")
      return finish(EX_OSERR)
    }
    let modes = current.withLock { $0.pipeline?.modules.map { "\($0.name)=\($0.mode)" } ?? [] }
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

  // MARK: reload

  /// Builds and checks the new configuration first; a bad one leaves the running one as it is.
  private func reload() {
    notifier.notify("RELOADING=1")
    defer { notifier.notify("READY=1") }
    let new = Self.setup(path, writer, trail, references)
    guard let pipeline = new.pipeline else {
      let errors = new.faults.filter { $0.severity == .error }
      let more = errors.count > 1 ? " (and \(errors.count - 1) more: bmsd check)" : ""
      currentLog.error(
        "reload refused, the running configuration stays: \(errors.first?.description ?? "")\(more)"
      )
      return
    }
    let old = current.withLock { current in
      defer { current = new }
      return current.configuration
    }
    trail.apply(new.configuration, log: pipeline.services.log)
    MilterRuntime.replaceFactory(RunnerFactory(pipeline, over: socket.address))
    let options = new.configuration.settings(MilterOptions.self)
    gate.setMaximumSessions(Self.affordable(options.maximumSessions, pipeline.services.log))
    let log = pipeline.services.log
    for fault in new.faults { log.warning("\(fault)") }
    let restart = new.configuration.changes(since: old).filter(\.needsRestart).map(\.name)
    if !restart.isEmpty {
      log.warning("reloaded, but these keys need a restart: \(restart.joined(separator: ", "))")
    } else {
      log.notice("reloaded \(path)")
    }
  }

  // MARK: stop

  /// Lets running messages finish, begins no new ones, and ends the process.
  private func stop(_ wait: SignalLoop.Wait) {
    let setup = current.withLock { $0 }
    let limit = setup.configuration.settings(MilterOptions.self).drain
    notifier.notify("STOPPING=1")
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

  private static let settling = Duration.milliseconds(200)

  /// What must be done before the process ends, however it ends.
  private func finish(_ status: Int32) -> Int32 {
    socket.removePath()
    trail.close(.seconds(2))
    writer.flush(.seconds(2))
    return status
  }

  // MARK: parts

  private var currentLog: Logger {
    current.withLock { $0.pipeline?.services.log } ?? Self.logger(.text, .info, writer)
  }

  private static func setup(
    _ path: String, _ writer: LogWriter, _ trail: any DecisionTrail, _ references: ReferenceSource?
  ) -> Setup {
    Setup(path: path, files: SystemFiles(), references: references) { configuration in
      let log = configuration.settings(LogOptions.self)
      return .system(log: logger(log.format, log.level.loggerLevel, writer), trail: trail)
    }
  }

  private static func logger(
    _ format: LogOptions.Format, _ level: Logger.Level, _ writer: LogWriter
  ) -> Logger {
    Logger(label: "bmsd") { _ in
      LineHandler(format: format, level: level) { writer.write($0) }
    }
  }

  private static func listen(
    _ options: Settings<MilterOptions>, _ notifier: ServiceNotifier
  ) throws(ListenError) -> ListeningSocket {
    if let descriptor = notifier.inheritedDescriptor {
      return try .inherit(descriptor, for: options.socket)
    }
    let group = options.socketGroup.isEmpty ? nil : Setup.groupID(named: options.socketGroup)
    return try .open(options.socket, mode: options.socketMode.bits, group: group)
  }

  /// As many sessions as there are descriptors and threads for: without descriptors libmilter spins
  /// without a pause, without threads it forgets sessions, so our limit must bite first.
  private static func affordable(_ wanted: Int, _ log: Logger) -> Int {
    let files = raisedLimit(RLIMIT_NOFILE) - 64
    // The kernel holds root to no number of threads.
    let threads = geteuid() == 0 ? Int.max : raisedLimit(__RLIMIT_NPROC) - 32
    let affordable = max(1, min(files, threads))
    guard affordable < wanted else { return wanted }
    log.warning(
      """
      max_sessions is \(wanted), but the process' limits allow \(affordable): raise \
      \(files < threads ? "LimitNOFILE" : "LimitNPROC")
      """)
    return affordable
  }

  /// The process' limit of a resource, raised as far as it may be.
  private static func raisedLimit(_ resource: __rlimit_resource) -> Int {
    let resource = __rlimit_resource_t(resource.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return .max }
    if limit.rlim_cur < limit.rlim_max {
      var raised = limit
      raised.rlim_cur = limit.rlim_max
      if setrlimit(resource, &raised) == 0 { limit = raised }
    }
    return Int(clamping: limit.rlim_cur)
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
