// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Mail
import Milter
import Policy
import TestSupport
import Testing

/// What kind of client this is, seen from what the module notes.
@Suite struct ConnectionClassTests {
  /// The words at each stage at which the module said something.
  private func words(_ conversation: Conversation, _ config: String = "") throws -> [String] {
    try conversation.run(config).decisions.compactMap { $0.module == "network" ? $0.note : nil }
  }

  private func words(
    of address: String, _ name: MailText? = "mail.example.com", _ config: String = ""
  ) throws -> String {
    try words(Conversation().client(address, name).from().to(), config).joined(separator: "; ")
  }

  private static let config = """
    [network]
    internal_connect = 127.0.0.0/8, ::1, 10.0.0.0/8, 2001:db8:1::/48
    trusted_relay = 192.0.2.25, 10.0.0.25, 2001:db8:2::25
    """

  @Test(
    arguments: [
      ("192.0.2.1", "external ptr=present"), ("10.1.2.3", "internal ptr=present"),
      ("192.0.2.25", "external trusted ptr=present"), ("10.0.0.25", "internal trusted ptr=present"),
      ("127.0.0.1", "internal loopback ptr=present"), ("::1", "internal loopback ptr=present"),
      ("127.9.9.9", "internal loopback ptr=present"), ("2001:db8:3::1", "external ptr=present"),
      ("2001:db8:1::7", "internal ptr=present"),
      ("2001:db8:2::25", "external trusted ptr=present"),
      // An IPv4-mapped address is the IPv4 client.
      ("::ffff:10.1.2.3", "internal ptr=present"), ("::ffff:192.0.2.1", "external ptr=present"),
      ("::ffff:192.0.2.25", "external trusted ptr=present"),
      ("::ffff:127.0.0.1", "internal loopback ptr=present"),
    ])
  func byAddress(_ address: String, _ expected: String) throws {
    #expect(try words(of: address, "mail.example.com", Self.config) == expected)
  }

  @Test func onlyLoopbackIsInternalByDefault() throws {
    #expect(try words(of: "127.0.0.1") == "internal loopback ptr=present")
    #expect(try words(of: "10.0.0.1") == "external ptr=present")
  }

  @Test func loopbackNeedNotBeInternal() throws {
    #expect(
      try words(of: "127.0.0.1", "localhost", "[network]\ninternal_connect = 10.0.0.1")
        == "external loopback ptr=present")
  }

  @Test(
    "a peer without an IP address is this machine",
    arguments: [Peer.Address.unix(path: "/run/x"), .unknown, .unix(path: "")])
  func withoutAddress(_ address: Peer.Address) throws {
    let local = Peer(hostName: "localhost", address: address)
    #expect(
      try words(Conversation().client(local).from().to()) == ["internal loopback ptr=present"])
    let nameless = Peer(hostName: "", address: address)
    #expect(
      try words(Conversation().client(nameless).from().to()) == ["internal loopback ptr=absent"])
  }

  @Test func authenticatedIsInternalFromThenOn() throws {
    let mail = Conversation().from().to().end().auth("alice").from().to().end()
      .macro("{auth_authen}", nil, at: .sender).macro("{auth_type}", nil, at: .sender)
      .from().to()
    // Each record begins with what CONNECT said.
    #expect(
      try words(mail) == [
        "external ptr=present",
        "external ptr=present", "internal authenticated ptr=present",
        "external ptr=present", "internal authenticated ptr=present",
      ])
  }

  @Test func authenticatedTrustedStaysTrusted() throws {
    let mail = Conversation().client("192.0.2.25", "relay.example.com").auth("alice").from().to()
    #expect(
      try words(mail, Self.config).last == "internal trusted authenticated ptr=present")
  }

  @Test(
    "PTR name",
    arguments: [
      ("mail.example.com", "192.0.2.1", "present"), ("[192.0.2.1]", "192.0.2.1", "absent"),
      ("unknown", "192.0.2.1", "absent"), ("UNKNOWN", "192.0.2.1", "absent"),
      ("", "192.0.2.1", "absent"), ("[2001:db8::1]", "2001:db8::1", "absent"),
      ("unknown.example.com", "192.0.2.1", "present"),
      // The ancestor's vectors.
      ("post3.fabulousdealz.com", "69.60.99.112", "present"),
      ("adsl-69-208-201-177.dsl.emhril.ameritech.net", "69.208.201.177", "dynamic"),
      ("[1.2.3.4]", "1.2.3.4", "absent"),
      ("c-71-63-151-151.hsd1.mn.comcast.net", "71.63.151.151", "dynamic"),
      ("host-4-3-2-1.isp.net", "1.2.3.4", "dynamic"), ("mail1.dsl.x.net", "9.8.7.6", "present"),
      ("h6.x.net", "9.8.7.6", "dynamic"), ("H6.X.NET", "::ffff:9.8.7.6", "dynamic"),
      ("x-2001-db8--17.isp.net", "2001:db8::17", "dynamic"),
      ("mx1.example.org", "2001:db8::17", "present"),
      // This machine's names are its own business.
      ("localhost", "127.0.0.1", "present"), ("h1.x.net", "127.0.0.1", "present"),
      ("\u{E9}\r\n", "192.0.2.1", "present"),
    ])
  func reverseName(_ name: MailText, _ address: String, _ expected: String) throws {
    #expect(try words(of: address, name).hasSuffix("ptr=\(expected)"))
  }

  @Test func decidesNothing() throws {
    let result = try Conversation().client("192.0.2.1").from().to().run(Self.config)
    #expect(result.reasons == [])
    #expect(result.replies == [])
  }

  @Test func worksWithoutSMTP() throws {
    // Postfix's non_smtpd_milters: localhost, port 0, addresses without brackets.
    let mail = Conversation().localClient().port(0).from("root").to("admin")
    let result = try mail.run("[helo]\nmode = enforce\nhello_blacklist = client.example.com")
    #expect(result.message.codes == ["ok"])
    #expect(result.record?.ending == .accepted)
  }
}
