// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import GRDB

/// Runs `body` while another connection holds the write lock of the database at `path`.
func holdingLock(of path: String, _ body: () throws -> Void) throws {
  let other = try DatabaseQueue(path: path)
  try other.writeWithoutTransaction { db in
    try db.execute(sql: "BEGIN IMMEDIATE")
    try body()
    try db.execute(sql: "COMMIT")
  }
  try other.close()
}
