// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import Glibc
internal import Greylisting

/// Lines of a file of any size, read as they are wanted. A line is kept up to one byte more than an
/// import takes, so that no line can fill the memory.
final class LineReader {
  private let descriptor: Int32
  private let name: String
  private var buffer: [UInt8] = []
  private var place = 0
  private var isAtEnd = false

  /// Opens the file; `-` is standard input.
  ///
  /// - Throws: exit 66 when it cannot be opened.
  init(_ path: String) throws {
    name = path
    descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure(path) }
    try fill()
  }

  deinit { if descriptor > STDIN_FILENO { close(descriptor) } }

  /// Whether the file begins as SQLite's do.
  var startsLikeDatabase: Bool { buffer.starts(with: "SQLite format 3\u{0}".utf8) }

  /// The next line without its LF; nil at the end.
  func next() throws -> [UInt8]? {
    var line: [UInt8] = []
    var isBegun = false
    while true {
      if place == buffer.count {
        guard !isAtEnd else { return isBegun ? line : nil }
        try fill()
        continue
      }
      isBegun = true
      let rest = buffer.dropFirst(place)
      let end = rest.firstIndex(of: 0x0A)
      let part = rest[..<(end ?? rest.endIndex)]
      line += part.prefix(max(0, TripletCSV.maximumLine + 1 - line.count))
      if let end {
        place = end + 1
        return line
      }
      place = buffer.count
    }
  }

  /// Writes the rest of the file, from where `next` is, into `output`.
  ///
  /// - Returns: false when it could not be written.
  func copyRest(to output: Int32) throws -> Bool {
    while !isAtEnd {
      var rest = buffer[place...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(output, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
      }
      try fill()
    }
    return true
  }

  private func fill() throws {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    var count = read(descriptor, &bytes, bytes.count)
    while count < 0, errno == EINTR { count = read(descriptor, &bytes, bytes.count) }
    guard count >= 0 else { throw Self.failure(name) }
    buffer = Array(bytes.prefix(count))
    place = 0
    isAtEnd = count == 0
  }

  private static func failure(_ name: String) -> ExitCode {
    Terminal.error("bmsd: \(name): \(String(cString: strerror(errno)))")
    return ExitCode(EX_NOINPUT)
  }
}
