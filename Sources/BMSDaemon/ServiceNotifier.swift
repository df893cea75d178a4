// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// The service manager's side: sd_notify(3) without libsystemd.
struct ServiceNotifier: Sendable {
  private let path: [UInt8]?

  /// Reads the environment once, before there is a second thread.
  init() {
    path = getenv("NOTIFY_SOCKET").map { pointer in
      Array(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
    }
  }

  /// Tells the service manager; without one nothing happens.
  func notify(_ state: String) {
    guard var path, path.first == 0x2F || path.first == 0x40 else { return }
    // An abstract address begins with a NUL.
    if path.first == 0x40 { path = [0] + path.dropFirst() }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    guard path.count < capacity else { return }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let length = MemoryLayout<sockaddr_un>.size - capacity + path.count
    let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let message = Array(state.utf8)
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        _ = sendto(
          descriptor, message, message.count, Int32(MSG_NOSIGNAL), pointer,
          socklen_t(length))
      }
    }
  }
}
