// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import DNS
internal import Environment
package import Logging
package import Policy

extension Services {
  /// The real clocks, randomness and files of this machine.
  package static func system(
    log: Logger, trail: any DecisionTrail, resolver: any Resolver
  ) -> Services {
    system(log: log, memory: Memory(store: nil, trail: trail), resolver: resolver)
  }

  /// The same with what the daemon remembers, and whom it asks.
  package static func system(
    log: Logger, memory: Memory, resolver: any Resolver
  ) -> Services {
    var services = Services(
      time: SystemTime(), random: SystemRandom(), files: SystemFiles(), trail: memory.trail,
      log: log)
    memory.lend(to: &services)
    services.resolver = resolver
    return services
  }
}
