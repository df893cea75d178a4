// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import TestSupport

@testable import Milter

/// A listening socket that a service manager holds for the daemon, until `end`.
struct HeldSocket {
  let path = "/tmp/bms-wire-\(UUID().uuidString.prefix(13))"
  let socket: ListeningSocket

  init() throws { socket = try ListeningSocket.open(.unix(path: path)) }

  func end() {
    socket.removePath()
    socket.closeDescriptor()
  }

  /// Hands the socket to the daemon that is set up.
  func handOn(to setup: inout BMSDProcess.Setup, names: String? = nil) {
    setup.descriptor = socket.descriptor
    setup.prefix =
      "export LISTEN_FDS=1 LISTEN_PID=$$" + (names.map { " LISTEN_FDNAMES=\($0)" } ?? "")
  }
}
