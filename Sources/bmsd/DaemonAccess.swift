// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Control
internal import Dispatch
internal import Environment
internal import FoundationEssentials
internal import Glibc
internal import Policy
internal import Store

/// How a command reaches state: through the running daemon or, where none runs, on the files.
final class DaemonAccess {
  let configuration: Configuration
  /// The files, once it was found that no daemon runs, and whether they are ours alone.
  private var files: (administration: Administration, isAlone: Bool)?

  /// Reads the file for where things are; its faults matter only where it cannot be read at all.
  init(_ config: ConfigFile) throws {
    configuration = try config.setup().configuration
    guard configuration.faults.contains(where: { $0.line == nil && $0.severity == .error }) else {
      return
    }
    for fault in configuration.faults { Terminal.error(fault.description) }
    throw ExitCode(EX_CONFIG)
  }

  /// Performs a request, handing on each row of the answer, decoded.
  ///
  /// - Throws: the exit status after its messages are printed; status 1 is returned.
  @discardableResult
  func ask<Row: Codable>(
    _ request: AdministrationRequest, needsDaemon: Bool = false, rows: Row.Type,
    _ row: (Row) throws -> Void
  ) throws -> Int32 {
    func take(_ data: Data) throws { try row(try JSONDecoder().decode(Row.self, from: data)) }
    let end: ControlEnd
    do {
      end = try Self.busyWait.ask {
        do {
          return try connect().ask(request, row: take)
        } catch ControlClient.Unreachable.busy(let busy) {
          return busy
        }
      }
    } catch let unreachable as ControlClient.Unreachable {
      switch unreachable {
      case .silent(let why):
        throw Self.failure(EX_UNAVAILABLE, "\(why); see `systemctl status bmsd`")
      case .notAllowed:
        throw Self.failure(
          EX_NOPERM,
          "you may not talk to the daemon at \(socketPath): ask root, or the group of [control] "
            + "socket_group")
      case .busy(let busy): end = busy
      case .notRunning:
        end = needsDaemon ? Administration.notRunning : try withoutDaemon(request, take)
      }
    }
    for message in end.messages { Terminal.error("bmsd: \(message)") }
    if end.status > 1 { throw ExitCode(end.status) }
    return end.status
  }

  private static var busyWait: BusyWait {
    BusyWait(
      now: { SystemTime().monotonic },
      // Nobody signals it: it is only a wait that no signal cuts short.
      pause: { pause in
        _ = DispatchSemaphore(value: 0).wait(
          timeout: .now() + .microseconds(Int(pause / .microseconds(1))))
      })
  }

  /// Performs a request whose answer is its end.
  func ask(_ request: AdministrationRequest, needsDaemon: Bool = false) throws -> Int32 {
    try ask(request, needsDaemon: needsDaemon, rows: NoRow.self) { _ in }
  }

  /// What the running daemon knows of a message that is not in the trail yet; nil also where it
  /// cannot be asked.
  func unwritten(_ name: String) -> TrailEntry? {
    guard let client = try? connect() else { return nil }
    var entry: TrailEntry?
    _ = client.ask(AdministrationRequest.unwritten(name)) { data in
      entry = try? JSONDecoder().decode(TrailEntry.self, from: data)
    }
    return entry
  }

  /// What the quarantine knows of a message, of the running daemon or, where none runs, of the
  /// database; nothing where neither can be asked.
  func quarantined(_ reference: String) -> (KeptMail?, [Release]) {
    guard let client = try? connect() else {
      let path = configuration.settings(StoreOptions.self).path.path
      guard access(path, R_OK) == 0,
        let store = try? StateStore(path: path, time: SystemTime(), use: .command)
      else { return (nil, []) }
      defer { store.close() }
      return ((try? store.kept(reference)) ?? nil, (try? store.releases(of: reference)) ?? [])
    }
    var mail: KeptMail?
    var releases: [Release] = []
    _ = client.ask(AdministrationRequest.quarantine(.history(reference))) { data in
      switch try? JSONDecoder().decode(QuarantineRow.self, from: data) {
      case .mail(let found): mail = found
      case .release(let release): releases.append(release)
      default: break
      }
    }
    return (mail, releases)
  }

  private struct NoRow: Codable {}

  /// The running daemon listens where the file said that it began with, which may have been changed
  /// since, or spoilt.
  private func connect() throws(ControlClient.Unreachable) -> ControlClient {
    do {
      return try ControlClient(path: socketPath)
    } catch {
      guard error == .notRunning, let known = startedSocketPath, known != socketPath else {
        throw error
      }
      return try ControlClient(path: known)
    }
  }

  private var startedSocketPath: String? {
    let began =
      LastGoodFile.started(configuration) ?? LastGoodFile.load(configuration)?.configuration
    return began?.settings(ControlOptions.self).socket.path
  }

  private var socketPath: String { configuration.settings(ControlOptions.self).socket.path }

  private func withoutDaemon(
    _ request: AdministrationRequest, _ take: (Data) throws -> Void
  ) throws -> ControlEnd {
    if let files, !files.isAlone, !request.isReading { self.files = nil }
    if files == nil, let opened = try openFiles(for: request) {
      files = (opened, !request.isReading)
    }
    guard let files else { return Administration.noStore }
    var end = files.administration.perform(request) { row in try take(try JSONEncoder().encode(row))
    }
    if end.status == EX_NOPERM { end.messages = end.messages.map { $0 + Rights.hint } }
    return end
  }

  /// The files that the configuration names; nil when it names none.
  private func openFiles(for request: AdministrationRequest) throws -> Administration? {
    let options = configuration.settings(StoreOptions.self)
    guard options.isPresent else { return nil }
    let path = options.path.path
    if case .greylist = request {
      // The list means nothing without the rules that made it.
      try requireSoundFile()
      // Not made by who only asks.
      if access(path, F_OK) != 0 {
        let code = errno
        let hint = code == EACCES ? Rights.hint : "; it is made when the daemon starts"
        throw Self.failure(
          code == EACCES ? EX_NOPERM : EX_NOINPUT,
          "\(path): \(String(cString: strerror(code)))\(hint)")
      }
    }
    let time = SystemTime()
    try Rights.becomeOwner(ofFolderOf: path)
    do {
      // A daemon that starts meanwhile waits, or it would not know what is changed here; but not for
      // somebody who reads a long list.
      let memory = try Memory.open(
        configuration, time: time, isAlone: true, isBrief: request.isReading)
      return Administration(memory, time, configuration)
    } catch .inUse(_, let holder) {
      throw Self.failure(
        EX_UNAVAILABLE,
        "\(holder) uses \(path), but nothing listens at \(socketPath): is --config its file?")
    } catch {
      throw Self.failure(
        error == .readOnly ? EX_NOPERM : EX_UNAVAILABLE,
        "\(path): \(error)\(error == .readOnly ? Rights.hint : "")")
    }
  }

  /// - Throws: exit 78 after the faults are printed.
  func requireSoundFile() throws {
    guard configuration.hasErrors else { return }
    for fault in configuration.faults { Terminal.error(fault.description) }
    throw ExitCode(EX_CONFIG)
  }

  private static func failure(_ status: Int32, _ message: String) -> ExitCode {
    Terminal.error("bmsd: \(message)")
    return ExitCode(status)
  }
}

/// Whose rights a command has on the files of the daemon.
enum Rights {
  /// Lets a command of root go on as the owner of the folder of `path`, as the daemon does: what
  /// SQLite makes beside a database must be the daemon's. Call it after everything else is open.
  ///
  /// - Returns: whether it is another user now.
  @discardableResult
  static func becomeOwner(ofFolderOf path: String) throws -> Bool {
    do {
      if case .became = try Privileges.becomeOwner(ofFolderOf: path) { return true }
      return false
    } catch {
      Terminal.error("bmsd: \(error)")
      throw ExitCode(EX_NOPERM)
    }
  }

  /// Who may, for who may not.
  static var hint: String { getuid() == 0 ? "" : "; root and bmsd's user may" }
}
