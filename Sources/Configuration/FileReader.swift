// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Glibc

/// Reads whole files with a bound on their size.
public enum FileReader {
  /// Why a file could not be read.
  public struct Failure: Error, Equatable, CustomStringConvertible {
    /// The reason, without the path.
    public let description: String

    /// A failure for this reason.
    public init(_ description: String) { self.description = description }
  }

  /// The most bytes that a file may have: 64 MB.
  public static let limit = 64 << 20

  /// The bytes of the file at `path`; throws a `Failure` that says why it cannot be read.
  public static let read: @Sendable (String) throws -> [UInt8] = { path throws in
    try contents(of: path)
  }

  private static func contents(of path: String) throws(Failure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(errno) }
    if status.st_mode & S_IFMT == S_IFDIR { throw Failure("is a directory, not a file") }
    guard status.st_size <= limit else { throw tooLarge }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(status.st_size))
    let size = 65_536
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
    defer { chunk.deallocate() }
    while true {
      let count = Glibc.read(descriptor, chunk.baseAddress, size)
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw failure(errno)
      }
      // A device or a pipe has no size beforehand.
      guard bytes.count + count <= limit else { throw tooLarge }
      bytes.append(contentsOf: chunk.prefix(count))
    }
  }

  private static var tooLarge: Failure { Failure("is larger than \(limit >> 20) MB") }

  private static func failure(_ code: Int32) -> Failure {
    switch code {
    case ENOENT: Failure("no such file")
    case EACCES: Failure("permission denied")
    default: Failure(strerror(code).map { String(cString: $0) } ?? "error \(code)")
    }
  }
}
