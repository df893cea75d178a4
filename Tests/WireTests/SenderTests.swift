// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import TestSupport
import Testing

extension WireTests {
  /// Who sent it: through real libmilter, with a real DNS server.
  @Suite struct Senders {
    /// A daemon that asks `dns`, with an access map beside its file.
    private func daemon(
      _ dns: UnboundServer, _ sections: (_ accessFile: String) -> String, map: String = ""
    ) throws -> (BMSDProcess, TemporaryFolder) {
      let folder = try TemporaryFolder()
      let access = folder.path("access")
      try Data(map.utf8).write(to: URL(filePath: access))
      var setup = BMSDProcess.Setup()
      setup.sections = """
        [network]
        hostname = mx.example.org
        [dns]
        servers = \(dns.server)
        \(sections(access))
        """
      return (try BMSDProcess(setup), folder)
    }

    @Test("the ancestor's table, over a unix socket and with DNS from Unbound")
    func meetsTheTable() throws {
      let dns = try UnboundServer(AncestorSenderTable.zone)
      let (bmsd, _) = try daemon(
        dns, AncestorSenderTable.configuration(accessFile:), map: AncestorSenderTable.map)
      for row in AncestorSenderTable.rows {
        var target = WireTarget(try bmsd.session())
        let (exchanges, _) = try row.conversation.play(on: &target)
        let reply = exchanges.compactMap(\.answer.reply).last
        #expect(
          reply?.hasPrefix("\(row.reply ?? "none") ") ?? (row.reply == nil),
          "\(row): \(reply ?? "-")")
        #expect(reply?.contains("(ref ") ?? true)
      }
      #expect(try bmsd.stop() == 0)
    }
  }
}
