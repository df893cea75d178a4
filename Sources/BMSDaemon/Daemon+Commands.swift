// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Control
internal import Environment
internal import Glibc
internal import Logging
internal import Milter
internal import Policies
internal import Policy
internal import Quarantine
package import Store
internal import Synchronization

extension Daemon: RunningDaemon {
  // MARK: reload

  /// Builds and checks the new configuration first; a bad one leaves the running one as it is.
  package func reload() -> ControlEnd {
    reloading.withLock { _ in
      notifier.notify("RELOADING=1")
      defer { notifier.notify("READY=1") }
      let new = readAgain()
      guard let pipeline = new.pipeline else { return refuse(new) }
      if let old = current.withLock({ $0.setup.pipeline }) { pipeline.takeOver(from: old) }
      current.withLock {
        $0 = Current(setup: new, since: SystemTime().monotonic, refusal: nil)
      }
      trail.apply(new.configuration, log: pipeline.services.log)
      memory.quarantine?.apply(QuarantineRules(new.configuration))
      MilterRuntime.replaceFactory(RunnerFactory(pipeline, over: socket.address))
      let options = new.configuration.settings(MilterOptions.self)
      let log = pipeline.services.log
      gate.setMaximumSessions(Self.affordable(options.maximumSessions, log))
      LastGoodFile.keep(new.source, at: LastGoodFile.path(started), log)
      for fault in new.faults { log.warning("\(fault)") }
      let restart = keysNeedingRestart(new.configuration)
      var messages = new.faults.map(\.description)
      if restart.isEmpty {
        log.notice("reloaded \(path)")
      } else {
        let text = "reloaded, but these keys need a restart: \(restart.joined(separator: ", "))"
        log.warning("\(text)")
        messages.append(text)
      }
      return ControlEnd(0, messages)
    }
  }

  private func refuse(_ new: Setup) -> ControlEnd {
    let errors = new.faults.filter { $0.severity == .error }
    let more = errors.count > 1 ? " (and \(errors.count - 1) more: bmsd check)" : ""
    let refusal =
      "reload refused, the running configuration stays: \(errors.first?.description ?? "")\(more)"
    currentLog.error("\(refusal)")
    current.withLock { $0.refusal = refusal }
    return ControlEnd(EX_CONFIG, errors.map(\.description))
  }

  /// The keys whose values in `new` are not those that the daemon began with and still goes by.
  private func keysNeedingRestart(_ new: Configuration) -> [String] {
    var keys = new.changes(since: started).filter(\.needsRestart).map(\.name)
    // A trail that the file has only since the start was opened where it says then.
    if trail.path == new.settings(TrailOptions.self).path.path {
      keys.removeAll { $0 == "trail.path" }
    }
    // The section alone brings the database or takes it away, without any key.
    let hasStore = new.settings(StoreOptions.self).isPresent
    if hasStore != (memory.store != nil), !keys.contains("store.path") { keys.append("store.path") }
    let hasQuarantine = hasStore && new.settings(QuarantineOptions.self).isPresent
    if hasQuarantine != (memory.quarantine != nil), !keys.contains("quarantine.dir") {
      keys.append("quarantine.dir")
    }
    return keys
  }

  private func restartFault(_ configuration: Configuration) -> String? {
    let keys = keysNeedingRestart(configuration)
    guard !keys.isEmpty else { return nil }
    return "these keys hold as they were at the start until a restart: "
      + keys.joined(separator: ", ")
  }

  // MARK: questions

  package func unwritten(_ name: String) -> TrailEntry? { trail.unwritten(name) }

  package func configDiff() -> (rows: [DifferenceRow], end: ControlEnd) {
    let file = readAgain()
    let held = keysNeedingRestart(file.configuration)
    let rows = DifferenceRow.between(
      configuration, and: file.configuration, begunWith: started
    ).filter { !$0.needsRestart || held.contains($0.option) }
    guard !file.configuration.hasErrors else {
      return (rows, ControlEnd(EX_CONFIG, file.faults.map(\.description)))
    }
    return (rows, ControlEnd(rows.isEmpty ? 0 : 1))
  }

  package var status: StatusRow {
    let now = SystemTime().monotonic
    let (setup, since, refusal) = current.withLock { ($0.setup, $0.since, $0.refusal) }
    let counts = gate.counts
    return StatusRow(
      version: version, pid: getpid(), configuration: path,
      uptime: (now - began).components.seconds, configured: (now - since).components.seconds,
      sessions: counts.sessions, messages: counts.messages, turnedAway: counts.turnedAway,
      isDraining: counts.isDraining,
      modules: setup.pipeline?.modules.map { .init(name: $0.name, mode: $0.mode.rawValue) } ?? [],
      bans: memory.bans?.count ?? 0, allowed: memory.allowed?.count ?? 0,
      faults: memory.faults + trail.faults
        + [refusal, restartFault(setup.configuration), socketFault, controlFault].compactMap { $0 }
        + (setup.pipeline?.standingFaults ?? []))
  }
}

extension DifferenceRow {
  /// The options whose values differ; secrets are masked, but compared. Those that need a restart
  /// are compared with what the daemon began with.
  package static func between(
    _ running: Configuration, and file: Configuration, begunWith started: Configuration? = nil
  ) -> [DifferenceRow] {
    let began = started ?? running
    let changes =
      file.changes(since: running).filter { !$0.needsRestart }
      + file.changes(since: began).filter(\.needsRestart)
    let order = Dictionary(
      file.entries.enumerated().map { ($0.element.name, $0.offset) },
      uniquingKeysWith: { first, _ in first })
    func values(_ configuration: Configuration) -> [String: String] {
      Dictionary(
        configuration.entries.map { ($0.name, $0.text) }, uniquingKeysWith: { first, _ in first })
    }
    let (now, before) = (values(running), values(began))
    return changes.sorted { order[$0.name, default: 0] < order[$1.name, default: 0] }.map {
      DifferenceRow(
        option: $0.name, running: ($0.needsRestart ? before : now)[$0.name] ?? "", file: $0.text,
        needsRestart: $0.needsRestart)
    }
  }
}
