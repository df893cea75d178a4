// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import Glibc
package import Policy
internal import Synchronization

/// A clock that stands still until a test moves it.
package final class FakeTime: TimeSource {
  private let elapsed = Mutex<Duration>(.zero)
  /// By how much the wall clock was set.
  private let shift = Mutex<Duration>(.zero)
  /// 2026-11-21 00:00 UTC.
  private static let start: Int64 = 1_795_219_200_000

  package init() {}

  package var milliseconds: Int64 {
    let wall = elapsed.withLock { $0 } + shift.withLock { $0 }
    return Self.start + wall.components.seconds * 1000
  }
  package var monotonic: Duration { elapsed.withLock { $0 } }

  /// Lets time pass.
  package func advance(by duration: Duration) { elapsed.withLock { $0 += duration } }

  /// Sets the wall clock forward or, by less than nothing, back; no time passes.
  package func set(by duration: Duration) { shift.withLock { $0 += duration } }
}

/// Numbers that are the same in every run.
package final class FakeRandom: RandomSource {
  private let state = Mutex<UInt64>(0)

  package init() {}

  package func next() -> UInt64 {
    state.withLock { state in
      state &+= 0x9E37_79B9_7F4A_7C15
      return state
    }
  }
}

/// Files that exist only here.
package struct FakeFiles: FileSource {
  private let contents: [String: [UInt8]]
  private let folders: [String: FolderStanding]

  package init(
    _ contents: [String: String] = [:], folders: [String: FolderStanding] = [:]
  ) {
    self.contents = contents.mapValues { Array($0.utf8) }
    self.folders = folders
  }

  /// Files that need not be text.
  package init(bytes contents: [String: [UInt8]]) {
    self.contents = contents
    folders = [:]
  }

  package func folder(at path: String) -> FolderStanding { folders[path] ?? .unknown }

  package struct Missing: Error, CustomStringConvertible {
    package let description = "No such file or directory"
  }

  package func read(_ path: String) throws -> [UInt8] {
    guard let bytes = contents[path] else { throw Missing() }
    return bytes
  }

  package func paths(matching pattern: String) -> [String] {
    guard Self.isPattern(pattern) else { return [pattern] }
    return contents.keys.filter { fnmatch(pattern, $0, FNM_PATHNAME) == 0 }.sorted()
  }
}

/// A quarantine in memory, which fails when a test says so.
package final class KeptOriginals: OriginalKeeper {
  /// One message as it came.
  package struct Kept: Sendable {
    package let reference: Reference
    package let message: [UInt8]
    package let original: KeptOriginal
  }

  package struct Full: Error, CustomStringConvertible {
    package let description = "No space left on device"
  }

  private let state = Mutex<(kept: [Kept], isFull: Bool)>(([], false))

  package init() {}

  /// What was kept, in order.
  package var kept: [Kept] { state.withLock { $0.kept } }

  /// From now on nothing more can be kept.
  package func fill() { state.withLock { $0.isFull = true } }

  package func keep(_ message: [UInt8], _ original: KeptOriginal, of t: Transaction) throws {
    try state.withLock { state in
      guard !state.isFull else { throw Full() }
      state.kept.append(Kept(reference: t.reference, message: message, original: original))
    }
  }

  package func forget(_ t: Transaction) {
    state.withLock { state in state.kept.removeAll { $0.reference == t.reference } }
  }
}

extension Services {
  /// A world of its own that stands still: no files but these, nothing written anywhere but to
  /// `trail` and `log`.
  package static func fake(
    files: [String: String] = [:], trail: any DecisionTrail = MemoryTrail(capacity: 100),
    log: LogCollector = LogCollector()
  ) -> Services {
    Services(
      time: FakeTime(), random: FakeRandom(), files: FakeFiles(files), trail: trail,
      log: log.logger())
  }
}
