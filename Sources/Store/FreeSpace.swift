// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// How much room a file system has for us.
package enum FreeSpace {
  /// Bytes that an ordinary user may still write where `path` lies; nil when that cannot be told.
  package static func bytes(at path: String) -> Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(
      by: UInt64(status.f_frsize))
    return overflow ? .max : Int(clamping: bytes)
  }
}
