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
    package var bytes = 0

    package init(count: Int = 0, bytes: Int = 0) {
      self.count = count
      self.bytes = bytes
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
    let files = try measure()
    let excess = try trim(files.total, to: rules.maximumSize, within: limit, pause)
    if excess.count > 0 {
      words.append(
        "quarantine: the \(excess.count) oldest originals (\(excess.bytes) bytes) deleted before "
          + "their time: [quarantine] max_size is \(rules.maximumSize) bytes")
    }
    let swept = try sweep(files.strange, before: cutoff)
    if swept > 0 {
      words.append("quarantine: \(swept) files deleted that no index knows")
    }
    do { try store.forgetReleases(before: cutoff, within: limit) } catch { throw .index(error) }
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
      try delete(old, within: limit)
      deleted.count += old.count
      deleted.bytes += old.reduce(0) { $0 + $1.size }
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
  ) throws(QuarantineTrouble) {
    for (reference, _, _) in old {
      guard let name = FileName.message(reference) else { continue }
      do throws(FileTrouble) { try folder.remove(name) } catch {
        throw QuarantineTrouble(error, path: folder.path)
      }
    }
    do { try store.forgetKept(old.map(\.reference), within: limit) } catch { throw .index(error) }
  }

  /// The bytes in the folder, and the files in it that the index does not know.
  private func measure() throws(QuarantineTrouble) -> (total: Int, strange: [FolderFile]) {
    let files: [FolderFile]
    let known: Set<String>
    do throws(FileTrouble) { files = try folder.files() } catch {
      throw QuarantineTrouble(error, path: folder.path)
    }
    do { known = try store.keptReferences() } catch { throw .index(error) }
    var total = 0
    var strange: [FolderFile] = []
    for file in files {
      let reference = FileName.reference(file.name)
      guard reference != nil || FileName.isUnfinished(file.name) else { continue }
      total += file.size
      if reference.map({ known.contains($0) }) != true { strange.append(file) }
    }
    return (total, strange)
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
      try delete(excess, within: limit)
      deleted.count += excess.count
      deleted.bytes += excess.reduce(0) { $0 + $1.size }
      pause()
    }
    return deleted
  }

  /// Whole files that no index knows are kept as long as others: the database may have been
  /// replaced. One written this moment is not indexed yet.
  private func sweep(
    _ strange: [FolderFile], before cutoff: Int64
  ) throws(QuarantineTrouble) -> Int {
    let now = store.time.milliseconds
    var count = 0
    for file in strange {
      let isOver =
        FileName.isUnfinished(file.name)
        ? file.modified < now &- Self.unfinishedLife : file.modified < cutoff
      guard isOver else { continue }
      do throws(FileTrouble) { try folder.remove(file.name) } catch {
        throw QuarantineTrouble(error, path: folder.path)
      }
      count += 1
    }
    return count
  }
}
