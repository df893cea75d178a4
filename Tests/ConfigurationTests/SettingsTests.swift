// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Configuration
import Mail
import Testing

@Suite struct SettingsTests {
  @Test func readsValuesOfEachKind() throws {
    let configuration = parse(
      """
      # a comment
      [server]
      Socket = inet:8891@localhost
      socket_mode=0600
      timeout = 30
      KEEP = 7
      max_sessions = 50
      max_size = 2 G
      words = one, two three ,, four
      networks = 10.0.0.0/8,
        192.168.1.*,
        # between
        ; two

      \t2001:db8::/32
      ports = 25
      always =
      key_file = keys/a.pem
      secret = s3cr3t = # no
      verbose = ON

      [helo]
      reject_numeric = 0
      """)
    #expect(configuration.shortFaults.count == 1)
    let server = configuration.settings(Server.self)
    #expect(server.socket == "inet:8891@localhost")
    #expect(server.socketMode == 0o600)
    #expect(server.timeout == .seconds(30))
    #expect(server.keep == .days(7))
    #expect(server.maxSessions == 50)
    #expect(server.maxSize == .gigabytes(2))
    #expect(server.words.items == ["one", "two three", "four"])
    #expect(server.networks.list.items == ["10.0.0.0/8", "192.168.1.*", "2001:db8::/32"])
    #expect(server.networks.contains(try #require(IPAddress("192.168.1.9"))))
    #expect(server.ports == [25])
    #expect(server.always.isEmpty)
    #expect(server.keyFile.path == "/etc/mail/keys/a.pem")
    #expect(server.keyFile.text == "keys/a.pem")
    #expect(server.secret.value == "s3cr3t = # no")
    #expect(server.verbose)
    #expect(!configuration.settings(Helo.self).rejectNumeric)
  }

  @Test func defaultsStandWithoutFile() {
    let server = parse("").settings(Server.self)
    #expect(server.timeout == .seconds(600))
    #expect(server.words == ["a", "b c"])
    #expect(!server.isPresent)
    #expect(server.origin(of: \.timeout) == .default)
    #expect(Settings<Helo>().mode == .off)
    #expect(Settings<Server>().maxSessions == 1000)
  }

  @Test func knowsOrigins() {
    let configuration = parse("[server]\n\ntimeout = 5m\n[helo]\nmode = enforce\n")
    let server = configuration.settings(Server.self)
    #expect(server.origin(of: \.timeout) == .file(name: "/etc/mail/bms.conf", line: 3))
    #expect("\(server.origin(of: \.timeout))" == "bms.conf:3")
    #expect("\(server.origin(of: \.keep))" == "default")
    #expect(server.optionName(of: \.timeout) == "server.timeout")
    #expect(configuration.location(of: "server.timeout").map { "\($0)" } == "bms.conf:3")
    #expect(configuration.location(of: "helo.mode").map { "\($0)" } == "bms.conf:5")
    #expect(configuration.location(of: "helo.require") == .default)
    #expect(configuration.location(of: "helo.nonsense") == nil)
    #expect(configuration.location(of: "nonsense") == nil)
    #expect(configuration.settings(Helo.self).origin(ofKey: "mode") != .default)
  }

  @Test(
    arguments: [
      ("", Mode.off), ("[helo]", .observe), ("[helo]\nmode = Enforce", .enforce),
      ("[helo]\nmode = off", .off),
    ])
  func modeDependsOnTheSection(_ text: String, _ mode: Mode) {
    let configuration = parse(text)
    #expect(configuration.shortFaults == [])
    #expect(configuration.settings(Helo.self).mode == mode)
    #expect(configuration.entries.first { $0.name == "helo.mode" }?.text == mode.rawValue)
  }

  @Test func commonOptions() {
    let text = "[helo]\nonly_to = @test.example\non_error = tempfail\n[defang]\n"
    let configuration = parse(text)
    let helo = configuration.settings(Helo.self)
    #expect(helo.onlyTo.contains(Mailbox(envelope: "<a@Test.example>")))
    #expect(helo.onError == .tempfail)
    #expect(configuration.settings(Defang.self).onError == .tempfail)
    #expect(Settings<Helo>().onError == .skip)
    #expect(configuration.settings(Defang.self).onlyTo.isEmpty)
  }

  @Test func listsEffectiveValuesWithSecretsMasked() {
    let configuration = parse("[server]\nsecret = hunter2\n")
    let entries = configuration.entries
    #expect(entries.first { $0.name == "server.secret" }?.text == "********")
    #expect(entries.first { $0.name == "server.secret" }?.origin.description == "bms.conf:2")
    #expect(entries.first { $0.name == "server.timeout" }?.text == "10m")
    #expect(entries.first { $0.name == "server.socket" }?.needsRestart == true)
    #expect(!"\(entries) \(configuration.settings(Server.self).secret)".contains("hunter2"))
    var dumped = ""
    dump(configuration.settings(Server.self).secret, to: &dumped)
    #expect(!dumped.contains("hunter2"))
  }

  @Test func findsChanges() {
    let old = parse(
      "[server]\nsocket = a\nsecret = x\nalways = file:l\n", files: ["/etc/mail/l": "a@b"])
    let new = parse(
      "[server]\nsecret = y\ntimeout = 10m\nalways = file:l\n[helo]\n",
      files: ["/etc/mail/l": "c@d"])
    #expect(old.shortFaults == [] && new.shortFaults == [])
    #expect(
      new.changes(since: old).map(\.name)
        == ["server.socket", "server.always", "server.secret", "helo.mode"])
    #expect(new.changes(since: old).filter(\.needsRestart).map(\.key) == ["socket"])
    #expect(new.changes(since: new).isEmpty)
    #expect(parse("[server]\nsecret = x").changes(since: parse("")).map(\.key) == ["secret"])
  }
}
