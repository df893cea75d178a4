// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// The clocks of this machine.
package struct SystemTime: TimeSource {
  package init() {}

  package var milliseconds: Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
  }

  package var monotonic: Duration {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
  }
}

/// The system's generator.
package struct SystemRandom: RandomSource {
  package init() {}

  package func next() -> UInt64 { UInt64.random(in: .min ... .max) }
}

/// Files of this machine, at most `limit` bytes of each.
package struct SystemFiles: FileSource {
  /// Larger than any list a site keeps, smaller than memory.
  static let limit = 64 << 20

  package init() {}

  package func read(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileTrouble(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileTrouble(errno) }
    // A FIFO or a device could keep a reader waiting for ever.
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw FileTrouble(EISDIR)
    default: throw FileTrouble(description: "not a regular file")
    }
    return try Self.read(descriptor)
  }

  package func paths(matching pattern: String) -> [String] {
    guard Self.isPattern(pattern) else { return [pattern] }
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(pattern, 0, nil, &found) == 0 else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { index in
      found.gl_pathv.advanced(by: index).pointee.map { String(cString: $0) }
    }
  }

  package func folder(at path: String) -> FolderStanding {
    var status = stat()
    guard stat(path, &status) == 0 else {
      switch errno {
      case ENOENT:
        let parent = path.lastIndex(of: "/").map { path[...$0] } ?? "."
        return .absent(hasParent: stat(String(parent), &status) == 0)
      case ENOTDIR: return .noFolder
      default: return .unknown
      }
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { return .noFolder }
    var system = statvfs()
    let isReadOnly = statvfs(path, &system) == 0 && system.f_flag & UInt(ST_RDONLY) != 0
    return .folder(
      FolderRights(owner: status.st_uid, mode: status.st_mode & 0o7777, isReadOnly: isReadOnly))
  }

  /// A message that a person named: any file that can be read, standard input for nil.
  package static func readMessage(_ path: String?) throws -> [UInt8] {
    guard let path else { return try read(STDIN_FILENO) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileTrouble(errno) }
    defer { close(descriptor) }
    return try read(descriptor)
  }

  static func read(
    _ descriptor: Int32, limit: Int = Self.limit
  ) throws(FileTrouble) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while bytes.count <= limit {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileTrouble(errno) }
      if count == 0 { return bytes }
      bytes += buffer.prefix(count)
    }
    throw FileTrouble(EFBIG, "larger than \(limit >> 20) MB")
  }
}

/// Why a file cannot be read, in the system's words.
package struct FileTrouble: Error, CustomStringConvertible {
  package let description: String
  /// The system's number for it; 0 where there is none.
  package let code: Int32

  package init(description: String) {
    self.description = description
    code = 0
  }

  package init(_ code: Int32, _ description: String) {
    self.description = description
    self.code = code
  }

  package init(_ code: Int32) {
    description = String(cString: strerror(code))
    self.code = code
  }
}
