// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc
internal import Milter

/// The listening socket that the service manager hands on: sd_listen_fds(3) without libsystemd.
enum HandedOnSocket {
  /// The first descriptor that is handed on.
  private static let firstDescriptor: Int32 = 3
  /// More are a mistake, whatever they are.
  private static let maximumCount: Int32 = 64
  /// `FileDescriptorName=` in `bmsd.socket`.
  private static let name = "milter"

  /// The descriptor handed to this process, or nil. Call it once, before there is a second thread:
  /// what this process starts itself shall not think that it was meant.
  static func take() -> Result<Int32?, ListenError> {
    let names = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]
    let values = names.map { name in getenv(name).map { String(cString: $0) } }
    for name in names { unsetenv(name) }
    return Result { () throws(ListenError) in
      let descriptor = try choose(
        process: values[0], count: values[1], names: values[2], ourselves: getpid())
      if let descriptor { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
      return descriptor
    }
  }

  /// Which of the descriptors is the milter's: the one named so, or the only one there is.
  static func choose(
    process: String?, count: String?, names: String?, ourselves: Int32
  ) throws(ListenError) -> Int32? {
    guard let process = process.flatMap({ Int32($0) }), process == ourselves,
      let count = count.flatMap({ Int32($0) }), count > 0
    else { return nil }
    guard count <= maximumCount else { throw tooMany(count) }
    let named = (names ?? "").split(separator: ":", omittingEmptySubsequences: false)
      .enumerated().filter { $0.element == name && $0.offset < count }
    switch (named.count, count) {
    case (1, _): return firstDescriptor &+ Int32(clamping: named.first?.offset ?? 0)
    case (0, 1): return firstDescriptor
    default: throw tooMany(named.isEmpty ? count : Int32(clamping: named.count))
    }
  }

  private static func tooMany(_ count: Int32) -> ListenError {
    ListenError(
      "the service manager hands on \(count) sockets, and bmsd listens on one: leave one "
        + "ListenStream= in bmsd.socket")
  }
}
