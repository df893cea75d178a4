// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Control
package import Configuration
internal import Glibc
package import Environment
internal import Policy
package import Store

/// What a command asks for. Served by the running daemon or, where it needs none, on the files.
package enum AdministrationRequest: Codable, Sendable {
  /// A `StatusRow`.
  case status
  /// Nothing but its end.
  case reload
  /// `DifferenceRow`s.
  case configDiff
  /// `BanRow`s.
  case banList
  /// `BanRow`s of addresses for other programs, without those that no ban holds for.
  case banExport
  case banAdd(BanAddition)
  case banRemove(String)
  /// `AllowRow`s.
  case allowList
  case allowAdd(AllowAddition)
  case allowRemove(String)
  /// The `TrailEntry` of a message that is not written to the trail yet, by reference, queue id or
  /// Message-ID; status 1 when there is none.
  case unwritten(String)
  /// `GreylistRow`s.
  case greylist(GreylistRequest)
  /// `QuarantineRow`s.
  case quarantine(QuarantineRequest)
}

extension AdministrationRequest {
  /// Whether it changes nothing.
  package var isReading: Bool {
    switch self {
    case .status, .configDiff, .banList, .banExport, .allowList, .unwritten: true
    case .reload, .banAdd, .banRemove, .allowAdd, .allowRemove: false
    case .greylist(let request):
      switch request {
      case .list, .show, .stats, .export: true
      case .pass, .drop, .purge, .take: false
      }
    case .quarantine(let request):
      switch request {
      case .list, .show, .history, .content: true
      case .delete, .purge, .release: false
      }
    }
  }

  /// Whether its answer is a few lines that come at once, so that nobody can hold it up.
  var isShort: Bool {
    switch self {
    case .status, .reload, .configDiff, .unwritten: true
    case .banAdd, .banRemove, .allowAdd, .allowRemove: true
    case .banList, .banExport, .allowList: false
    case .greylist(let request):
      switch request {
      case .pass: true
      case .list, .show, .stats, .export, .drop, .purge, .take: false
      }
    case .quarantine(let request):
      switch request {
      case .show, .history, .delete: true
      case .list, .content, .purge, .release: false
      }
    }
  }
}

/// The part of a running daemon that commands may reach.
package protocol RunningDaemon: Sendable {
  var status: StatusRow { get }
  /// The configuration that connections begin with now.
  var configuration: Configuration { get }
  func reload() -> ControlEnd
  /// What the trail will have of a message.
  func unwritten(_ name: String) -> TrailEntry?
  /// What differs between the running configuration and the file.
  func configDiff() -> (rows: [DifferenceRow], end: ControlEnd)
}

/// Every operation of the command line that looks at or changes state, in one place: the control
/// socket calls it in the daemon, and a command calls it itself where no daemon runs.
package struct Administration: Sendable {
  let memory: Memory
  let time: any TimeSource
  let daemon: (any RunningDaemon)?
  /// Takes parts out of kept messages.
  let parts: any PartReader
  private let file: Configuration

  /// How long a command's write may wait for the database.
  static let writeLimit = Duration.seconds(3)

  /// Operations on `memory`; nil for `daemon` where none runs, whose configuration is `file` then.
  package init(
    _ memory: Memory, _ time: any TimeSource, _ file: Configuration,
    daemon: (any RunningDaemon)? = nil, parts: any PartReader = MIMEPartReader()
  ) {
    self.parts = parts
    self.memory = memory
    self.time = time
    self.file = file
    self.daemon = daemon
  }

  /// The rules that hold now.
  var configuration: Configuration { daemon?.configuration ?? file }

  /// Performs `request` of `caller`, handing each row of its answer to `row`.
  package func perform(
    _ request: AdministrationRequest, by caller: ControlCaller = .ofThisProcess,
    _ row: ControlRows
  ) -> ControlEnd {
    do {
      switch request {
      case .status:
        guard let daemon else { return Self.notRunning }
        let status = daemon.status
        try row(status)
        return ControlEnd(status.faults.isEmpty ? 0 : 1)
      case .reload: return daemon?.reload() ?? Self.notRunning
      case .configDiff:
        guard let daemon else { return Self.notRunning }
        let (rows, end) = daemon.configDiff()
        for difference in rows { try row(difference) }
        return end
      case .banList:
        for ban in try bans.bans { try row(BanRow(ban)) }
        return .well
      case .banExport:
        for ban in try exportedBans() { try row(ban) }
        return .well
      case .banAdd(let addition): return try add(addition)
      case .banRemove(let text): return try removeBan(text)
      case .allowList:
        for entry in try allowed.entries { try row(AllowRow(entry)) }
        return .well
      case .allowAdd(let addition): return try add(addition)
      case .allowRemove(let text): return try removeAllowed(text)
      case .unwritten(let name):
        guard let entry = daemon?.unwritten(name) else {
          return ControlEnd(1)
        }
        try row(entry)
        return .well
      case .greylist(let request): return try perform(request) { try row($0) }
      case .quarantine(let request): return try perform(request, by: caller) { try row($0) }
      }
    } catch let end as ControlEnd {
      return end
    } catch {
      return ControlEnd(EX_IOERR, ["\(error)"])
    }
  }

  /// No daemon runs.
  package static let notRunning = ControlEnd(EX_UNAVAILABLE, ["bmsd is not running"])

  /// There is nowhere to keep state.
  package static let noStore = ControlEnd(
    EX_CONFIG, ["there is no database: add the section [store] to the configuration file"])

  /// What a command named, if it is a party.
  static func party(_ text: String) throws(ControlEnd) -> ListedParty {
    // A local part may hold an asterisk, but nobody has it alone.
    if text.hasPrefix("*@") || text.drop(while: { $0 != "@" }).contains("*") {
      let domain = text.hasPrefix("*@") ? "; for a whole domain write @example.org" : ""
      throw ControlEnd(
        EX_USAGE, ["\"\(text.prefix(100))\": entries have no wildcards\(domain)"])
    }
    guard let party = ListedParty(text) else {
      throw ControlEnd(
        EX_USAGE,
        [
          "\"\(text.prefix(100))\" is neither an address or network (192.0.2.1, 2001:db8::/32) nor "
            + "a domain (@example.org) nor a mailbox (user@example.org)"
        ])
    }
    return party
  }

  /// Writes what was changed; where that fails it holds nevertheless, and the housekeeper goes on
  /// trying, if there is one.
  func settle(_ flush: () throws(StoreTrouble) -> Void) -> ControlEnd {
    do {
      try flush()
      return .well
    } catch {
      guard daemon != nil else { return ControlEnd(EX_UNAVAILABLE, ["nothing changed: \(error)"]) }
      return ControlEnd(
        1, ["it holds from now on, but is not in the database yet: \(error)"])
    }
  }
}
