// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// What a program asks of the world besides its input: clocks, randomness, files. Libraries and
// modules take these as protocols, so that tests own all of them.

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
  /// The paths that a pattern with `*`, `?` and `[...]` stands for, sorted; the pattern itself
  /// when it has none of these.
  func paths(matching pattern: String) -> [String]
  /// What stands at a path where a folder is to be.
  func folder(at path: String) -> FolderStanding
}

/// What stands at a path where a folder is to be, as far as it can be told.
package enum FolderStanding: Sendable, Equatable {
  /// Nothing; whether the folder is there that it would lie in.
  case absent(hasParent: Bool)
  case folder(FolderRights)
  /// Something else, such as a file.
  case noFolder
  case unknown
}

/// Who may do what in a folder.
package struct FolderRights: Sendable, Equatable {
  package var owner: UInt32
  /// Permission bits.
  package var mode: UInt32
  /// Whether its file system is mounted for reading only.
  package var isReadOnly: Bool

  package init(owner: UInt32, mode: UInt32, isReadOnly: Bool = false) {
    self.owner = owner
    self.mode = mode
    self.isReadOnly = isReadOnly
  }

  /// Whether a user that is not root cannot make files in it, whatever groups it has.
  package func isClosed(to user: UInt32) -> Bool {
    let wanted: UInt32 = 0o3
    if user == owner { return mode >> 6 & wanted != wanted }
    return mode >> 3 & wanted != wanted && mode & wanted != wanted
  }
}

extension FileSource {
  /// Whether a path is a pattern.
  package static func isPattern(_ path: String) -> Bool { path.contains { "*?[".contains($0) } }
  package func paths(matching pattern: String) -> [String] { [pattern] }
  package func folder(at path: String) -> FolderStanding { .unknown }
}

/// The moment by which a stage must have answered. Every service that can block takes one.
package struct Deadline: Sendable {
  private let time: any TimeSource
  private let end: Duration

  package init(_ limit: Duration, _ time: any TimeSource) {
    self.time = time
    end = time.monotonic + limit
  }

  private init(end: Duration, _ time: any TimeSource) {
    self.time = time
    self.end = end
  }

  /// This one, or `limit` from now on where that is sooner.
  package func limited(to limit: Duration) -> Deadline {
    Deadline(end: min(end, time.monotonic + limit), time)
  }

  /// What is left, never negative.
  package var remaining: Duration { max(.zero, end - time.monotonic) }
  /// Whether nothing is left.
  package var isOver: Bool { time.monotonic >= end }
}
