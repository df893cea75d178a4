// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// Who gives a command.
package struct ControlCaller: Sendable, Equatable, CustomStringConvertible {
  /// Nil where nobody can tell.
  package let uid: UInt32?

  package init(uid: UInt32?) { self.uid = uid }

  /// Who runs this process.
  package static var ofThisProcess: ControlCaller { ControlCaller(uid: getuid()) }

  /// `ann (uid 1000)`.
  package var description: String {
    guard let uid else { return "somebody unknown" }
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16_384)
    guard getpwuid_r(uid, &entry, &buffer, buffer.count, &found) == 0, found != nil,
      let name = entry.pw_name
    else { return "uid \(uid)" }
    return "\(String(cString: name)) (uid \(uid))"
  }
}
