// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import DNS
import Foundation
import Mail
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

    // MARK: faults of DNS

    @Test(
      "fault 12: whatever a DNS server answers, nobody is refused for good",
      arguments: [
        ("SERVFAIL", LoopbackDNSServer.Manner.code(2)), ("REFUSED", .code(5)),
        ("another question", .wrongQuestion), ("garbage", .garbage), ("silence", .silent),
      ], ["native", "libspf2"])
    func faultyServer(_ fault: (name: String, manner: LoopbackDNSServer.Manner), engine: String)
      throws
    {
      let dns = try LoopbackDNSServer("fail.example TXT \"v=spf1 -all\"")
      defer { dns.stop() }
      dns.meet(try #require(DomainName("fail.example")), with: fault.manner)
      let bmsd = try daemon(asking: dns, engine)
      #expect(try reply(bmsd)?.hasPrefix("451 4.4.3 ") == true)
      #expect(try bmsd.stop() == 0)
    }

    @Test("fault 12: 65 KB of TXT, cut by UDP", arguments: ["native", "libspf2"])
    func longRecord(_ engine: String) throws {
      let dns = try LoopbackDNSServer(
        "fail.example TXT \"v=spf1 -all" + String(repeating: " ", count: 64_000) + "\"")
      defer { dns.stop() }
      let bmsd = try daemon(asking: dns, engine)
      #expect(try reply(bmsd)?.hasPrefix("550 5.7.23 ") == true)
      #expect(try bmsd.stop() == 0)
    }

    private func daemon(asking dns: LoopbackDNSServer, _ engine: String) throws -> BMSDProcess {
      var setup = BMSDProcess.Setup()
      setup.sections = """
        [dns]
        servers = \(dns.server)
        timeout = 1s
        deadline = 2s
        [spf]
        mode = enforce
        engine = \(engine)
        """
      return try BMSDProcess(setup)
    }

    private func reply(_ bmsd: BMSDProcess) throws -> String? {
      var target = WireTarget(try bmsd.session())
      let mail = Conversation().client("192.0.2.1", "mail.random.com").hello("mail.random.com")
        .from("<a@fail.example>").to()
      return try mail.play(on: &target).exchanges.compactMap(\.answer.reply).last
    }

    @Test("a reload keeps what is known of trusted forwarders, though DNS is silent now")
    func forwardersOutliveAReload() throws {
      let dns = try LoopbackDNSServer(
        """
        forwarder.example TXT "v=spf1 ip4:192.0.2.1 -all"
        fail.example TXT "v=spf1 -all"
        """)
      defer { dns.stop() }
      var setup = BMSDProcess.Setup()
      setup.sections = """
        [dns]
        servers = \(dns.server)
        timeout = 1s
        deadline = 2s
        [spf]
        mode = enforce
        trusted_forwarder = forwarder.example
        """
      let bmsd = try BMSDProcess(setup)
      // Deferred at most until it is known.
      while let said = try reply(bmsd) { try #require(said.hasPrefix("451 4.4.3 "), "\(said)") }
      dns.setMute(true)
      bmsd.signal(SIGHUP)
      try bmsd.line("<5>reloaded")
      #expect(try reply(bmsd) == nil)
      #expect(try bmsd.stop() == 0)
    }

    // MARK: DNSSEC

    /// Signs a zone of `example.com` with keys of its own; a record is changed behind its back.
    private func signedZone(_ folder: TemporaryFolder) throws -> (zone: String, anchor: String) {
      try Data(
        #"""
        $ORIGIN example.com.
        $TTL 300
        @ SOA ns host 1 3600 600 86400 300
        @ NS ns
        ns A 192.0.2.53
        @ TXT "v=spf1 ip4:192.0.2.1 -all"
        forged TXT "v=spf1 ip4:192.0.2.1 -all"

        """#.utf8
      ).write(to: URL(filePath: folder.path("zone")))
      let script = """
        cd "$0" && key=$(ldns-keygen -a ECDSAP256SHA256 -k example.com) &&
        ldns-signzone -f signed zone "$key" && mv "$key.key" anchor &&
        sed -i '/^forged.*TXT.*spf1/s/192.0.2.1/192.0.2.2/' signed
        """
      let made = Process()
      made.executableURL = URL(filePath: "/bin/sh")
      made.arguments = ["-c", script, folder.path]
      try made.run()
      made.waitUntilExit()
      try #require(made.terminationStatus == 0, "ldns-signzone: is ldnsutils installed?")
      return (folder.path("signed"), folder.path("anchor"))
    }

    @Test("a signed answer is secure, a forged one is bogus and a temporary error")
    func signedAndForged() throws {
      let folder = try TemporaryFolder()
      let (zone, anchor) = try signedZone(folder)
      let dns = try UnboundServer(
        "example.net TXT \"v=spf1 ip4:192.0.2.1 -all\"", signed: ["example.com": zone])
      let validation = "dnssec = validate\ntrust_anchor = \(anchor)\n[spf]\nmode = enforce\n"
      let (bmsd, _) = try daemon(dns, { _ in validation })
      func says(_ name: String) throws -> LiveDaemon.Outcome {
        try LookupCommandTests.run([
          "dns", "lookup", "--config", bmsd.configPath, "TXT", name,
        ])
      }
      let secure = try says("example.com")
      #expect(secure.output.contains("DNSSEC secure, from \(dns.server) "), "\(secure.output)")
      let insecure = try says("example.net")
      #expect(insecure.output.contains("DNSSEC insecure"), "\(insecure.output)")
      let bogus = try says("forged.example.com")
      #expect(bogus.status == 75)
      #expect(bogus.output.hasPrefix("bogus: "), "\(bogus.output)")
      // SPF by hand asks the same servers.
      let checked = try LookupCommandTests.run([
        "spf", "check", "--config", bmsd.configPath, "--ip", "192.0.2.1", "--from",
        "a@example.com",
      ])
      #expect(checked.output.hasPrefix("result        pass\n"), "\(checked.output)")
      for (domain, reply) in [
        ("example.com", nil), ("example.net", nil), ("forged.example.com", "451 4.4.3 "),
      ] {
        var target = WireTarget(try bmsd.session())
        let mail = Conversation().client("192.0.2.1", "mail.random.com").hello("mail.random.com")
          .from(.init("<a@\(domain)>")).to()
        let said = try mail.play(on: &target).exchanges.compactMap(\.answer.reply).last
        #expect(said.map { $0.hasPrefix(reply ?? "none") } ?? (reply == nil), "\(said ?? "-")")
      }
      #expect(try bmsd.stop() == 0)
    }

    @Test("a file that is not there, or has no such server, is said")
    func badConfiguration() throws {
      let folder = try TemporaryFolder()
      let path = folder.path("bms.conf")
      let missing = try LookupCommandTests.run([
        "dns", "lookup", "--config", path, "A", "a.example",
      ])
      #expect(missing.status == 78)
      try Data("[dns]\nservers = ns.example\n".utf8).write(to: URL(filePath: path))
      let wrong = try LookupCommandTests.run(["dns", "lookup", "--config", path, "A", "a.example"])
      #expect(wrong.status == 78)
      #expect(wrong.errors.contains("\"ns.example\" is no server"), "\(wrong.errors)")
    }
  }
}
