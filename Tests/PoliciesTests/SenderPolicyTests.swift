// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Policy
import TestSupport
import Testing

/// The ancestor's table in process; the tests of the wire hold the same conversations.
struct AncestorSenderTests {
  @Test("the ancestor's table", arguments: AncestorSenderTable.rows)
  func meetsTheTable(_ row: AncestorSenderTable.Row) throws {
    let result = try row.conversation.run(
      AncestorSenderTable.configuration(accessFile: "/access"),
      files: ["/access": AncestorSenderTable.map], zone: AncestorSenderTable.zone)
    let reply = result.records.last?.finalReply
    #expect(reply?.hasPrefix("\(row.reply ?? "none") ") ?? (row.reply == nil), "\(reply ?? "-")")
  }
}
