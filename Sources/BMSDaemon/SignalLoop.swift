// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// Takes the process' signals one at a time in one thread: HUP and USR1 reload, TERM and INT stop.
///
/// libmilter would stop on HUP; the C shim keeps signals from it (`CMilter/shim.c`). A signal that
/// comes while one is handled stays pending, and any number of the same kind is one: a storm of
/// HUPs during a slow reload is one more reload.
struct SignalLoop {
  /// Waits for TERM or INT; true when one came.
  typealias Wait = (Duration) -> Bool

  private let onReload: () -> Void
  private let onStop: (@escaping Wait) -> Void

  init(onReload: @escaping () -> Void, onStop: @escaping (@escaping Wait) -> Void) {
    self.onReload = onReload
    self.onStop = onStop
  }

  private static let reloading = [SIGHUP, SIGUSR1]
  private static let stopping = [SIGTERM, SIGINT]

  /// Blocks the signals in the calling thread and all threads it makes. A write to a closed socket
  /// or pipe shall be an error, not the end.
  static func blockSignals() {
    var set = mask(reloading + stopping)
    pthread_sigmask(SIG_BLOCK, &set, nil)
    signal(SIGPIPE, SIG_IGN)
    // One letter beside the signal that reloads: it must not be the end.
    signal(SIGUSR2, SIG_IGN)
  }

  /// Serves signals until one stops the process.
  func run() {
    var set = Self.mask(Self.reloading + Self.stopping)
    while true {
      let number = sigwaitinfo(&set, nil)
      if Self.stopping.contains(number) {
        onStop(Self.wait)
      } else if Self.reloading.contains(number) {
        onReload()
      }
    }
  }

  private static func wait(_ limit: Duration) -> Bool {
    var set = mask(stopping)
    let (seconds, attoseconds) = limit.components
    var timeout = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    return stopping.contains(sigtimedwait(&set, nil, &timeout))
  }

  private static func mask(_ signals: [Int32]) -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    return set
  }
}
