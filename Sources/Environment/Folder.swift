// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// A folder that files are written to, step by step, so that a test can let each step fail.
///
/// Names are single path components that the caller made, never a stranger's.
package protocol Folder: Sendable {
  var path: String { get }
  /// Makes a file that is not there yet, for writing.
  func create(_ name: String) throws(FileTrouble) -> any NewFile
  /// Gives a file another name; what had that name is gone.
  func rename(_ old: String, to new: String) throws(FileTrouble)
  /// Brings names to the disk: after that a crash does not undo a rename.
  func synchronize() throws(FileTrouble)
  /// - Returns: whether it was there.
  @discardableResult
  func remove(_ name: String) throws(FileTrouble) -> Bool
  /// Whether it has a file of that name.
  func contains(_ name: String) throws(FileTrouble) -> Bool
  /// Its plain files, in no order.
  func files() throws(FileTrouble) -> [FolderFile]
  /// A file whole, at most `limit` bytes.
  func read(_ name: String, limit: Int) throws(FileTrouble) -> [UInt8]
  /// Whether files can be made in it: it is there and may be written.
  func check() throws(FileTrouble)
  /// Bytes that may still be written where it lies; nil when that cannot be told.
  var freeBytes: Int? { get }
}

/// A file that is being written; closed with the value.
package protocol NewFile {
  func write(_ bytes: UnsafeRawBufferPointer) throws(FileTrouble)
  /// Brings what was written to the disk.
  func synchronize() throws(FileTrouble)
}

/// A file as its folder lists it.
package struct FolderFile: Sendable, Equatable {
  package let name: String
  /// In bytes.
  package let size: Int
  /// Milliseconds since 1970.
  package let modified: Int64

  package init(name: String, size: Int, modified: Int64) {
    self.name = name
    self.size = size
    self.modified = modified
  }
}

/// A folder of this machine. Each step opens it anew: what is mounted over it or moved away counts
/// at once.
package struct SystemFolder: Folder {
  package let path: String
  /// The permissions of new files.
  private let mode: mode_t

  package init(_ path: String, mode: UInt32 = 0o640) {
    self.path = path
    self.mode = mode
  }

  /// Makes the folder, but not the one it lies in; one that is there stays as it is.
  package func make(mode: UInt32) throws(FileTrouble) {
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw FileTrouble(errno) }
  }

  /// Runs `body` with the folder's descriptor.
  private func opened<T>(
    _ body: (Int32) throws(FileTrouble) -> T
  ) throws(FileTrouble) -> T {
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw FileTrouble(errno) }
    defer { close(folder) }
    return try body(folder)
  }

  package func create(_ name: String) throws(FileTrouble) -> any NewFile {
    try opened { folder throws(FileTrouble) in
      let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
      let descriptor = openat(folder, name, flags, mode)
      guard descriptor >= 0 else { throw FileTrouble(errno) }
      return SystemFile(descriptor)
    }
  }

  package func rename(_ old: String, to new: String) throws(FileTrouble) {
    try opened { folder throws(FileTrouble) in
      guard renameat(folder, old, folder, new) == 0 else { throw FileTrouble(errno) }
    }
  }

  package func synchronize() throws(FileTrouble) {
    try opened { folder throws(FileTrouble) in
      guard fsync(folder) == 0 else { throw FileTrouble(errno) }
    }
  }

  @discardableResult
  package func remove(_ name: String) throws(FileTrouble) -> Bool {
    try opened { folder throws(FileTrouble) in
      if unlinkat(folder, name, 0) == 0 { return true }
      guard errno == ENOENT else { throw FileTrouble(errno) }
      return false
    }
  }

  package func contains(_ name: String) throws(FileTrouble) -> Bool {
    try opened { folder throws(FileTrouble) in
      var status = stat()
      if fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return true }
      guard errno == ENOENT else { throw FileTrouble(errno) }
      return false
    }
  }

  package func files() throws(FileTrouble) -> [FolderFile] {
    guard let directory = opendir(path) else { throw FileTrouble(errno) }
    defer { closedir(directory) }
    var files: [FolderFile] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
        String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
      }
      var status = stat()
      guard fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) == 0,
        status.st_mode & S_IFMT == S_IFREG
      else { continue }
      let modified = Int64(status.st_mtim.tv_sec) * 1000
      files.append(FolderFile(name: name, size: Int(status.st_size), modified: modified))
    }
    return files
  }

  package func read(_ name: String, limit: Int) throws(FileTrouble) -> [UInt8] {
    try opened { folder throws(FileTrouble) in
      let descriptor = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
      guard descriptor >= 0 else { throw FileTrouble(errno) }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { throw FileTrouble(errno) }
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw FileTrouble(description: "not a regular file")
      }
      return try SystemFiles.read(descriptor, limit: limit)
    }
  }

  package func check() throws(FileTrouble) {
    try opened { folder throws(FileTrouble) in
      guard faccessat(folder, ".", W_OK | X_OK, Int32(AT_EACCESS)) == 0 else {
        throw FileTrouble(errno)
      }
    }
  }

  package var freeBytes: Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(
      by: UInt64(status.f_frsize))
    return overflow ? .max : Int(clamping: bytes)
  }
}

private final class SystemFile: NewFile {
  private let descriptor: Int32

  init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  func write(_ bytes: UnsafeRawBufferPointer) throws(FileTrouble) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      let count = Glibc.write(descriptor, piece.baseAddress, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw FileTrouble(count < 0 ? errno : ENOSPC) }
      rest = rest.dropFirst(count)
    }
  }

  func synchronize() throws(FileTrouble) {
    guard fsync(descriptor) == 0 else { throw FileTrouble(errno) }
  }
}
