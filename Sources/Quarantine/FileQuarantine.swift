// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Digests
package import Environment
internal import Glibc
internal import Mail
package import Store
internal import Synchronization

/// Originals of messages that were changed or kept away, each in a file of its own, with an index in
/// the database.
///
/// A file is written under a passing name, brought to the disk, renamed, and then indexed: what the
/// index names is whole. Files are named by their references, which nobody outside can influence.
/// What a crash leaves behind is swept: unfinished files at once, whole ones that the index does not
/// know after `keep`, since their senders were not told that the mail was taken and try again. When
/// there is too much, those go before anything that the index knows.
package final class FileQuarantine: QuarantineStore {
  package let folder: any Folder
  package let store: StateStore
  package let random: any RandomSource
  let state = Mutex(State())

  /// What changes while it works.
  struct State: Sendable {
    var rules = QuarantineRules()
    /// Bytes in the folder, as far as is known.
    var total = 0
    /// What the last attempt to keep something failed with, and until when that is told.
    var failure: (trouble: QuarantineTrouble, until: Int64)?
    /// What is wrong with the folder now.
    var standing: QuarantineTrouble?
    var key: [UInt8]?
    /// What is being kept: its file may be whole already and not indexed yet.
    var underway: Set<String> = []
  }

  package init(
    folder: any Folder, store: StateStore, random: any RandomSource,
    rules: QuarantineRules = QuarantineRules()
  ) {
    self.folder = folder
    self.store = store
    self.random = random
    state.withLock { $0.rules = rules }
  }

  /// Takes what a configuration says from now on.
  package func apply(_ rules: QuarantineRules) { state.withLock { $0.rules = rules } }

  var rules: QuarantineRules { state.withLock { $0.rules } }

  /// The longest that a message waits for the index.
  static let indexLimit = Duration.seconds(2)
  /// How long a failure is told of after it, in milliseconds.
  private static let failureLife: Int64 = 3_600_000

  // MARK: keeping

  package func keep(
    _ content: [ArraySlice<UInt8>], as mail: KeptMail, by deadline: Deadline
  ) throws(QuarantineTrouble) {
    do throws(QuarantineTrouble) {
      try keepWhole(content, mail, deadline)
      state.withLock { $0.failure = nil }
    } catch {
      let end = store.time.milliseconds &+ Self.failureLife
      state.withLock { $0.failure = (error, end) }
      throw error
    }
  }

  private func keepWhole(
    _ content: [ArraySlice<UInt8>], _ mail: KeptMail, _ deadline: Deadline
  ) throws(QuarantineTrouble) {
    guard let name = FileName.message(mail.reference) else {
      throw .badReference(mail.reference)
    }
    var mail = mail
    mail.time = store.time.milliseconds
    mail.size = content.reduce(0) { $0 + $1.count }
    mail.digest = try Self.digest(of: content).description
    if let known = try entry(mail.reference) {
      guard known.digest == mail.digest else { throw .badReference(mail.reference) }
      return
    }
    try checkRoom(for: mail.size)
    let passing = FileName.unfinished(mail.reference, random.next())
    state.withLock { _ = $0.underway.insert(mail.reference) }
    defer { state.withLock { _ = $0.underway.remove(mail.reference) } }
    do throws(QuarantineTrouble) {
      try write(content, passing, name)
      do { try store.keep(mail, within: min(Self.indexLimit, deadline.remaining)) } catch {
        throw .index(error)
      }
    } catch {
      // Whichever of the two it is called now.
      _ = try? folder.remove(passing)
      _ = try? folder.remove(name)
      throw error
    }
    state.withLock { $0.total += mail.size }
  }

  /// First the index: what it does not know any more is nobody's original, and is swept where its
  /// file stays.
  package func forget(
    _ reference: String, by deadline: Deadline
  ) throws(QuarantineTrouble) {
    guard let mail = try entry(reference), let name = FileName.message(reference) else { return }
    let limit = min(Self.indexLimit, deadline.remaining)
    do { try store.forgetKept([reference], within: limit) } catch { throw .index(error) }
    _ = try removeFile(name)
    state.withLock { $0.total = max(0, $0.total - mail.size) }
  }

  private func checkRoom(for size: Int) throws(QuarantineTrouble) {
    let rules = rules
    guard size <= rules.maximumSize else {
      throw .tooLarge(size: size, limit: rules.maximumSize)
    }
    // What cannot be told is found out by writing.
    guard let free = folder.freeBytes else { return }
    guard free - min(size, free) >= rules.minFree / 10 else { throw .full(path: folder.path) }
  }

  private func write(
    _ content: [ArraySlice<UInt8>], _ passing: String, _ name: String
  ) throws(QuarantineTrouble) {
    do throws(FileTrouble) {
      let file = try folder.create(passing)
      for piece in content {
        let result: Result<Void, FileTrouble> = piece.withUnsafeBytes { bytes in
          do throws(FileTrouble) { return .success(try file.write(bytes)) } catch {
            return .failure(error)
          }
        }
        try result.get()
      }
      try file.synchronize()
      try folder.rename(passing, to: name)
      try folder.synchronize()
    } catch {
      throw QuarantineTrouble(error, path: folder.path)
    }
  }

  private static func digest(
    of content: [ArraySlice<UInt8>]
  ) throws(QuarantineTrouble) -> SHA256Digest {
    let digest = SHA256()
    for piece in content { digest.update(piece) }
    do { return try digest.finish() } catch { throw .digest(error.description) }
  }

  // MARK: giving back

  /// What is known of a kept message; nil when there is none of that reference.
  package func entry(_ reference: String) throws(QuarantineTrouble) -> KeptMail? {
    do { return try store.kept(reference) } catch { throw .index(error) }
  }

  /// The bytes of a kept message, proved to be those that were kept.
  package func content(of mail: KeptMail) throws(QuarantineTrouble) -> [UInt8] {
    guard let name = FileName.message(mail.reference) else {
      throw .badReference(mail.reference)
    }
    let bytes: [UInt8]
    do throws(FileTrouble) {
      bytes = try folder.read(name, limit: mail.size)
    } catch {
      if let what = missing(of: mail) { throw .gone(reference: mail.reference, what: what) }
      // More bytes than were kept: it is another file, whatever its first ones are.
      if error.code == EFBIG { throw .damaged(reference: mail.reference) }
      throw QuarantineTrouble(error, path: folder.path)
    }
    guard try Self.digest(of: [bytes[...]]).description == mail.digest else {
      throw .damaged(reference: mail.reference)
    }
    return bytes
  }

  /// What is not there of a kept message, file or folder; nil when it is there, or when that cannot
  /// be told.
  package func missing(of mail: KeptMail) -> String? {
    guard let name = FileName.message(mail.reference) else { return nil }
    do throws(FileTrouble) {
      return try folder.contains(name) ? nil : "\(folder.path)/\(name)"
    } catch {
      guard case .missing = QuarantineTrouble(error, path: folder.path) else { return nil }
      return "the folder \(folder.path)"
    }
  }

  /// Deletes a kept message, first its file; where that is gone, what is known of it.
  ///
  /// - Returns: nil when there is none of that reference.
  package func delete(
    _ reference: String, within limit: Duration
  ) throws(QuarantineTrouble) -> Deleted? {
    guard let mail = try entry(reference), let name = FileName.message(reference) else {
      return nil
    }
    let wasThere = try removeFile(name)
    do { try store.forgetKept([reference], within: limit) } catch { throw .index(error) }
    state.withLock { $0.total = max(0, $0.total - mail.size) }
    return Deleted(count: 1, bytes: wasThere ? mail.size : 0, missing: wasThere ? 0 : 1)
  }

  /// Removes a file of a kept message.
  ///
  /// - Returns: whether it was there; in a folder that is gone nothing is.
  func removeFile(_ name: String) throws(QuarantineTrouble) -> Bool {
    do throws(FileTrouble) { return try folder.remove(name) } catch {
      let trouble = QuarantineTrouble(error, path: folder.path)
      if case .missing = trouble { return false }
      throw trouble
    }
  }
}

/// What a configuration says of the quarantine.
package struct QuarantineRules: Sendable, Equatable {
  /// How long originals are kept, in milliseconds.
  package var keep: Int64
  /// The bytes that they may have together.
  package var maximumSize: Int
  /// `[store] min_free`: with less than a tenth of it free nothing is kept.
  package var minFree: Int

  package init(keep: Int64 = 60 * 86_400_000, maximumSize: Int = 5 << 30, minFree: Int = 0) {
    self.keep = keep
    self.maximumSize = maximumSize
    self.minFree = minFree
  }
}

/// The names of files in the folder.
enum FileName {
  /// The length of a reference.
  private static let length = 10
  private static let ending = ".eml"

  /// The name of a kept message's file; nil for what cannot be a reference.
  static func message(_ reference: String) -> String? {
    isReference(reference) ? reference + ending : nil
  }

  /// The passing name of a file that is being written.
  static func unfinished(_ reference: String, _ number: UInt64) -> String {
    ".\(reference).\(String(number, radix: 16)).part"
  }

  static func isUnfinished(_ name: String) -> Bool {
    name.hasPrefix(".") && name.hasSuffix(".part")
  }

  /// The reference that a file is named by; nil for a file that is not ours.
  static func reference(_ name: String) -> String? {
    guard name.hasSuffix(ending) else { return nil }
    let reference = String(name.dropLast(ending.count))
    return isReference(reference) ? reference : nil
  }

  private static func isReference(_ text: String) -> Bool {
    text.utf8.count == length
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) }
  }
}
