// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Store
import TestSupport
import Testing

struct LostLockTests {
  /// Who removes `bms.db*` removes the lock too; a second daemon must still be refused.
  @Test func aRemovedFileIsMadeAnew() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("bms.db")
    let lock = try ProcessLock(path: path)
    try FileManager.default.removeItem(atPath: "\(path).lock")
    #expect(!ProcessLock.isHeld(path: path))
    lock.renew()
    #expect(ProcessLock.isHeld(path: path))
    #expect(throws: StoreTrouble.self) { try ProcessLock(path: path) }
    lock.renew()
    #expect(ProcessLock.isHeld(path: path))
  }
}
