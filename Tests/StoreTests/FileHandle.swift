// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Glibc

/// A file to be damaged, byte for byte, behind SQLite's back.
struct FileHandle {
  private let descriptor: Int32

  init?(forPath path: String) {
    descriptor = open(path, O_RDWR)
    guard descriptor >= 0 else { return nil }
  }

  var size: Int { Int(lseek(descriptor, 0, SEEK_END)) }

  func overwrite(at offset: Int) {
    let junk = [UInt8](repeating: 0xA5, count: 64)
    pwrite(descriptor, junk, junk.count, off_t(offset))
  }

  func close() { Glibc.close(descriptor) }
}
