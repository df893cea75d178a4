// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
package import Logging
package import Policy

extension Services {
  /// The real clocks, randomness and files of this machine.
  package static func system(log: Logger, trail: any DecisionTrail) -> Services {
    Services(
      time: SystemTime(), random: SystemRandom(), files: SystemFiles(), trail: trail, log: log)
  }
}
