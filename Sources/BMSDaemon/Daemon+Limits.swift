// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import Milter

extension Daemon {
  /// Arenas of glibc's malloc. Its own limit, eight a processor, is one for nearly each of
  /// libmilter's threads, and every arena keeps what the largest message left in it.
  private static let arenas = 2 * max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

  /// Holds malloc to them; before libmilter makes threads.
  static func limitArenas() {
    // malloc that knows no arenas has nothing to limit.
    _ = MilterRuntime.limitArenas(arenas)
  }

  /// As many sessions as there are descriptors and threads for: without descriptors libmilter spins
  /// without a pause, without threads it forgets sessions, so our limit must bite first.
  static func affordable(_ wanted: Int, _ log: Logger) -> Int {
    let files = raisedLimit(RLIMIT_NOFILE) - SessionGate.maximumLingering - 64
    // The kernel holds root to no number of threads.
    let threads = geteuid() == 0 ? Int.max : raisedLimit(__RLIMIT_NPROC) - 32
    let limits = [
      ("LimitNOFILE", files), ("LimitNPROC", threads), ("LimitAS", threadsInAddressSpace()),
    ]
    guard let (name, tightest) = limits.min(by: { $0.1 < $1.1 }), tightest < wanted else {
      return wanted
    }
    let affordable = max(1, tightest)
    log.warning(
      """
      max_sessions is \(wanted), but the process' limits allow \(affordable): raise \(name)
      """)
    return affordable
  }

  /// How many threads fit into what is left of the address space, should it be limited: each takes
  /// a stack, and the first ones an arena of glibc's malloc, too.
  private static func threadsInAddressSpace() -> Int {
    // Not raised: who set it means to bound memory.
    var set = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &set) == 0 else { return .max }
    let limit = Int(clamping: set.rlim_cur)
    guard limit < Int.max else { return .max }
    let megabyte = 1 << 20
    // For the daemon's own eight threads, which come later, and for what mail needs.
    let reserve = 640 * megabyte
    let room = limit - addressSpaceInUse() - reserve
    let (stack, arena) = (8 * megabyte, 64 * megabyte)
    let first = min(arenas, room / (stack + arena))
    return first < arenas ? first : first + (room - arenas * (stack + arena)) / stack
  }

  /// In bytes, by proc(5); nothing where it cannot be read.
  private static func addressSpaceInUse() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
      let pages = text.split(separator: " ").first.flatMap({ Int($0) })
    else { return 0 }
    return pages &* sysconf(Int32(_SC_PAGESIZE))
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
