// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
internal import Store
internal import Synchronization

/// Keeping the quarantine within its limits. One thread does it, no mail waits for it.
extension FileQuarantine {
  /// What was deleted.
  package struct Deleted: Sendable, Equatable {
    package var count = 0
    /// Of the files that were there.
    package var bytes = 0
    /// Messages of which only the index was left.
    package var missing = 0

    package init(count: Int = 0, bytes: Int = 0, missing: Int = 0) {
      self.count = count
      self.bytes = bytes
      self.missing = missing
    }

    static func += (all: inout Self, more: Self) {
      all.count += more.count
      all.bytes += more.bytes
      all.missing += more.missing
    }
  }

  /// How many messages are deleted between two looks at anything else.
  private static let batch = 200
  /// An unfinished file older than this is of a process that is gone, in milliseconds.
  private static let unfinishedLife: Int64 = 3_600_000

  /// Whether more is kept than may be, so that `care` is due at once.
  package var isOverfull: Bool { state.withLock { $0.total > $0.rules.maximumSize } }

  /// Deletes what is over, the oldest first, and looks whether the folder can be used.
  ///
  /// `pause` is called between batches.
  ///
  /// - Returns: sentences for the log.
  package func care(
    within limit: Duration, _ pause: () -> Void = {}
  ) throws(QuarantineTrouble) -> [String] {
    look()
    let rules = rules
    let cutoff = store.time.milliseconds &- rules.keep
    var words: [String] = []
    let old = try purge(before: cutoff, within: limit) { _ in pause() }
    if old.count > 0 {
      words.append(
        "quarantine: \(old.count) originals (\(old.bytes) bytes) deleted, older than "
          + "[quarantine] keep")
    }
    var files = try measure()
    let swept = try sweep(&files, before: cutoff, to: rules.maximumSize)
    if swept.old > 0 {
      words.append("quarantine: \(swept.old) files deleted that no index knows")
    }
    if swept.early.count > 0 {
      words.append(
        "quarantine: \(swept.early.count) files (\(swept.early.bytes) bytes) that no index knows "
          + "deleted before their time: [quarantine] max_size is \(rules.maximumSize) bytes")
    }
    let excess = try trim(files.total, to: rules.maximumSize, within: limit, pause)
    if excess.count > 0 {
      words.append(
        "quarantine: the \(excess.count) oldest originals (\(excess.bytes) bytes) deleted before "
          + "their time: [quarantine] max_size is \(rules.maximumSize) bytes")
    }
    // A token outlives a short `keep`.
    let tokens = min(cutoff, store.time.milliseconds &- Self.tokenLife)
    do { try store.forgetReleases(before: tokens, within: limit) } catch { throw .index(error) }
    return words
  }

  /// Removes what unfinished writing left behind; for the start of the only process that writes.
  ///
  /// - Returns: how many files there were.
  package func removeUnfinished() -> Int {
    guard let files = try? folder.files() else { return 0 }
    var count = 0
    for file in files where FileName.isUnfinished(file.name) {
      if (try? folder.remove(file.name)) != nil { count += 1 }
    }
    return count
  }

  /// Deletes what was kept before `end`.
  package func purge(
    before end: Int64, within limit: Duration, _ progress: (Int) throws -> Void = { _ in }
  ) throws(QuarantineTrouble) -> Deleted {
    var deleted = Deleted()
    while true {
      let old: [(reference: String, size: Int, time: Int64)]
      do { old = try store.oldestKept(before: end, limit: Self.batch) } catch {
        throw .index(error)
      }
      guard !old.isEmpty else { return deleted }
      deleted += try delete(old, within: limit)
      // Whoever no longer wants to know stops it.
      do { try progress(deleted.count) } catch { return deleted }
    }
  }

  /// What is wrong at the moment, a sentence each.
  package var faults: [String] {
    let now = store.time.milliseconds
    let (standing, failure) = state.withLock { ($0.standing, $0.failure) }
    if let standing { return [standing.description] }
    guard let failure, now < failure.until else { return [] }
    return ["mail could not be kept and was deferred: \(failure.trouble)"]
  }

  // MARK: parts

  /// Looks whether something could be kept now.
  private func look() {
    var trouble: QuarantineTrouble?
    do throws(FileTrouble) { try folder.check() } catch {
      trouble = QuarantineTrouble(error, path: folder.path)
    }
    if trouble == nil, let free = folder.freeBytes, free < rules.minFree / 10 {
      trouble = .full(path: folder.path)
    }
    let found = trouble
    state.withLock { $0.standing = found }
  }

  private func delete(
    _ old: [(reference: String, size: Int, time: Int64)], within limit: Duration
  ) throws(QuarantineTrouble) -> Deleted {
    var deleted = Deleted(count: old.count)
    for (reference, size, _) in old {
      if let name = FileName.message(reference), try removeFile(name) {
        deleted.bytes += size
      } else {
        deleted.missing += 1
      }
    }
    do { try store.forgetKept(old.map(\.reference), within: limit) } catch { throw .index(error) }
    return deleted
  }

  /// What is in the folder.
  private struct Files {
    /// The bytes of all whole files.
    var total = 0
    /// The files that the index does not know, the oldest first.
    var strange: [FolderFile] = []
  }

  private func measure() throws(QuarantineTrouble) -> Files {
    let files: [FolderFile]
    let known: Set<String>
    do throws(FileTrouble) { files = try folder.files() } catch {
      throw QuarantineTrouble(error, path: folder.path)
    }
    do { known = try store.keptReferences() } catch { throw .index(error) }
    var found = Files()
    for file in files {
      if let reference = FileName.reference(file.name) {
        found.total += file.size
        if !known.contains(reference) { found.strange.append(file) }
      } else if FileName.isUnfinished(file.name) {
        found.strange.append(file)
      }
    }
    found.strange.sort { ($0.modified, $0.name) < ($1.modified, $1.name) }
    return found
  }

  private func trim(
    _ total: Int, to maximum: Int, within limit: Duration, _ pause: () -> Void
  ) throws(QuarantineTrouble) -> Deleted {
    var total = total
    var deleted = Deleted()
    defer {
      let left = total
      state.withLock { $0.total = left }
    }
    while total > maximum {
      var excess: [(reference: String, size: Int, time: Int64)] = []
      do {
        for old in try store.oldestKept(limit: Self.batch) where total > maximum {
          excess.append(old)
          total -= old.size
        }
      } catch { throw .index(error) }
      guard !excess.isEmpty else { break }
      deleted += try delete(excess, within: limit)
      pause()
    }
    return deleted
  }

  /// Whole files that no index knows are kept as long as others, since the database may have been
  /// replaced, but none of them in the place of what the index knows.
  ///
  /// - Returns: how many were old, and what had to go for `maximum`.
  private func sweep(
    _ files: inout Files, before cutoff: Int64, to maximum: Int
  ) throws(QuarantineTrouble) -> (old: Int, early: Deleted) {
    let now = store.time.milliseconds
    var old = 0
    var early = Deleted()
    for file in files.strange {
      if let reference = FileName.reference(file.name) {
        let isOld = file.modified < cutoff
        guard isOld || files.total > maximum, try isForgotten(reference) else { continue }
        try remove(file)
        files.total -= file.size
        if isOld {
          old += 1
        } else {
          early.count += 1
          early.bytes += file.size
        }
      } else if file.modified < now &- Self.unfinishedLife {
        try remove(file)
        old += 1
      }
    }
    return (old, early)
  }

  /// Whether the index does not know a whole file, and is not about to.
  private func isForgotten(_ reference: String) throws(QuarantineTrouble) -> Bool {
    // In this order: what is no longer under way is indexed, or its file is gone.
    guard !state.withLock({ $0.underway.contains(reference) }) else { return false }
    return try entry(reference) == nil
  }

  private func remove(_ file: FolderFile) throws(QuarantineTrouble) {
    do throws(FileTrouble) { try folder.remove(file.name) } catch {
      throw QuarantineTrouble(error, path: folder.path)
    }
  }
}
