// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc
internal import Logging
internal import Milter

extension Daemon {
  /// As many sessions as there are descriptors and threads for: without descriptors libmilter spins
  /// without a pause, without threads it forgets sessions, so our limit must bite first.
  static func affordable(_ wanted: Int, _ log: Logger) -> Int {
    let files = raisedLimit(RLIMIT_NOFILE) - SessionGate.maximumLingering - 64
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
