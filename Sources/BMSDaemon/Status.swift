// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The version of this program.
package let version = "0.1.0"

/// The state of the running daemon.
package struct StatusRow: Codable, Sendable {
  /// A module that is not off.
  package struct Module: Codable, Sendable {
    package var name: String
    package var mode: String
  }

  package var version: String
  package var pid: Int32
  /// The configuration file that it runs.
  package var configuration: String
  /// Seconds since the start.
  package var uptime: Int64
  /// Seconds since the configuration was read.
  package var configured: Int64
  /// Open sessions.
  package var sessions: Int
  /// Messages under way.
  package var messages: Int
  /// Sessions sent away since the start, because too many were open or the daemon was stopping.
  package var turnedAway: Int
  package var isDraining: Bool
  package var modules: [Module]
  /// Parties that are banned.
  package var bans: Int
  /// Entries of the allow-list.
  package var allowed: Int
  /// What is wrong, a sentence each.
  package var faults: [String]
}

/// An option whose running value is not what the file says.
package struct DifferenceRow: Codable, Sendable, Equatable {
  package var option: String
  package var running: String
  package var file: String
  package var needsRestart: Bool
}
