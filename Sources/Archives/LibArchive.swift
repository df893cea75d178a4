// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import CArchive
internal import Glibc

/// libarchive's reader. This is the one file of the target that touches raw memory.
enum LibArchive {
  /// What is believed of an archive.
  enum Source {
    /// The directory at the end.
    case directory
    /// The headers of the members, one after the other.
    case streamed
  }

  /// A member while the reader stands at it.
  struct Member {
    fileprivate let archive: OpaquePointer
    /// The path, nil where libarchive cannot read it.
    let path: [UInt8]?
    let isEncrypted: Bool
    /// Whether it is a file that may have bytes.
    let hasContent: Bool
    /// An upper bound of the bytes that it takes in the archive.
    let packedSize: Int

    /// Calls `take` with the content piece by piece until it returns false; true when that was all
    /// and nothing was wrong with it.
    func read(_ take: (ArraySlice<UInt8>) -> Bool) -> Bool {
      var buffer = [UInt8](repeating: 0, count: 32 * 1024)
      while true {
        let count = buffer.withUnsafeMutableBytes {
          archive_read_data(archive, $0.baseAddress, $0.count)
        }
        guard count > 0 else { return count == 0 }
        guard take(buffer.prefix(count)) else { return false }
      }
    }
  }

  /// Calls `take` with each member of the archive in a range of `data` until it returns false; false
  /// when the archive cannot be opened or breaks off.
  static func read(
    _ data: [UInt8], _ range: Range<Int>, _ source: Source, _ take: (Member) -> Bool
  ) -> Bool {
    let range = range.clamped(to: 0..<data.count)
    return withUTF8Names {
      data.withUnsafeBytes { memory in
        guard let base = memory.baseAddress, let archive = archive_read_new() else { return false }
        defer { archive_read_free(archive) }
        let support =
          source == .directory
          ? archive_read_support_format_zip_seekable(archive)
          : archive_read_support_format_zip_streamable(archive)
        guard support == ARCHIVE_OK || support == ARCHIVE_WARN,
          archive_read_open_memory(archive, base + range.lowerBound, range.count) == ARCHIVE_OK
        else { return false }
        return members(of: archive, size: range.count, take)
      }
    }
  }

  /// AE_IFREG, a macro that Swift does not import.
  private static let regularFile: UInt32 = 0o100_000

  private static func members(
    of archive: OpaquePointer, size: Int, _ take: (Member) -> Bool
  ) -> Bool {
    var entry: OpaquePointer?
    while true {
      let result = archive_read_next_header(archive, &entry)
      if result == ARCHIVE_EOF { return true }
      // A warning is about the name or a date; the member is there.
      guard result == ARCHIVE_OK || result == ARCHIVE_WARN, let entry else { return false }
      let path = archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry)
      let member = Member(
        archive: archive,
        path: path.map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) },
        isEncrypted: archive_entry_is_encrypted(entry) != 0,
        hasContent: archive_entry_filetype(entry) == Self.regularFile
          && (archive_entry_size_is_set(entry) == 0 || archive_entry_size(entry) > 0),
        packedSize: size)
      guard take(member) else { return true }
    }
  }

  /// Runs `body` in a locale in which libarchive can give names that are not ASCII: in a daemon's C
  /// locale it gives none. Only this thread's locale changes, and only for the call.
  private static func withUTF8Names<T>(_ body: () -> T) -> T {
    guard let locale = newlocale(1 << LC_CTYPE, "C.UTF-8", nil) else { return body() }
    let before = uselocale(locale)
    defer {
      uselocale(before)
      freelocale(locale)
    }
    return body()
  }
}

/// Searches bytes for what archives begin with.
package enum ByteSearch {
  /// The first place at or behind `start` where `PK` stands, the mark of zip structures.
  package static func firstPK(in bytes: ArraySlice<UInt8>, from start: Int) -> Int? {
    let offset = start &- bytes.startIndex
    return bytes.withUnsafeBytes { memory in
      guard offset >= 0 else { return nil }
      var at = offset
      // Eight bytes at a time: a byte of `both` is zero where P stands and K follows.
      while at &+ 9 <= memory.count {
        let first = memory.loadUnaligned(fromByteOffset: at, as: UInt64.self)
        let next = memory.loadUnaligned(fromByteOffset: at &+ 1, as: UInt64.self)
        let both = (first ^ 0x5050_5050_5050_5050) | (next ^ 0x4B4B_4B4B_4B4B_4B4B)
        if (both &- 0x0101_0101_0101_0101) & ~both & 0x8080_8080_8080_8080 != 0 { break }
        at &+= 8
      }
      while at &+ 2 <= memory.count {
        if memory[at] == 0x50, memory[at &+ 1] == 0x4B { return bytes.startIndex &+ at }
        at &+= 1
      }
      return nil
    }
  }
}
