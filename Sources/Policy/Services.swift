// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Logging

/// Everything a module may ask of the world outside the message in hand. Tests own all of it.
package struct Services: Sendable {
  /// Clocks.
  package var time: any TimeSource
  /// Randomness for references.
  package var random: any RandomSource
  /// Files that options name.
  package var files: any FileSource
  /// The decision trail.
  package var trail: any DecisionTrail
  /// The log. Modules do not log: the runner writes a line for each verdict.
  package var log: Logger

  package init(
    time: any TimeSource, random: any RandomSource, files: any FileSource,
    trail: any DecisionTrail, log: Logger
  ) {
    self.time = time
    self.random = random
    self.files = files
    self.trail = trail
    self.log = log
  }
}

/// Two clocks: one for people, which may jump, and one for waits, which never goes back.
package protocol TimeSource: Sendable {
  /// Milliseconds since 1970-01-01 00:00 UTC.
  var milliseconds: Int64 { get }
  /// Time since an arbitrary moment; never goes back.
  var monotonic: Duration { get }
}

/// Unpredictable numbers.
package protocol RandomSource: Sendable {
  func next() -> UInt64
}

/// Reads files whole.
package protocol FileSource: Sendable {
  /// - Throws: what the system says, in words.
  func read(_ path: String) throws -> [UInt8]
}

/// The moment by which a stage must have answered. Every service that can block takes one.
package struct Deadline: Sendable {
  private let time: any TimeSource
  private let end: Duration

  package init(_ limit: Duration, _ time: any TimeSource) {
    self.time = time
    end = time.monotonic + limit
  }

  /// What is left, never negative.
  package var remaining: Duration { max(.zero, end - time.monotonic) }
  /// Whether nothing is left.
  package var isOver: Bool { time.monotonic >= end }
}
