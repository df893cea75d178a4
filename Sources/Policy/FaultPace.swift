// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import Synchronization

/// How often a failure of our own is logged: a full disk fails for every message, and a line for
/// each would drown the log of a night.
///
/// Shared by all connections of a configuration.
package final class FaultPace: Sendable {
  /// How long the same kind of failure is not said again.
  package static let interval = Duration.seconds(60)
  /// Kinds that are told apart; more share one.
  private static let maximumKinds = 64

  private struct Kind: Sendable {
    var last: Duration
    var leftOut = 0
  }

  private let time: any TimeSource
  private let kinds = Mutex<[String: Kind]>([:])

  package init(_ time: any TimeSource) { self.time = time }

  /// Whether a failure of this kind is to be said now.
  ///
  /// - Returns: how many of its kind were left out since the last one; nil when this one is, too.
  package func isDue(_ kind: String) -> Int? {
    let now = time.monotonic
    return kinds.withLock { kinds in
      let key = kinds[kind] != nil || kinds.count < Self.maximumKinds ? kind : "other"
      if let known = kinds[key], now - known.last < Self.interval {
        kinds[key]?.leftOut += 1
        return nil
      }
      let leftOut = kinds[key]?.leftOut ?? 0
      if kinds.count >= Self.maximumKinds {
        kinds = kinds.filter { now - $0.value.last < Self.interval }
      }
      kinds[key] = Kind(last: now)
      return leftOut
    }
  }
}
