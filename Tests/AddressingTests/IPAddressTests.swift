// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Testing

@Suite struct IPAddressTests {
  @Test(
    arguments: [
      ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
      ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::1", "2001:db8::1"),
      ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
      ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
      ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
      ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
      ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("::ffff:192.0.2.1", "192.0.2.1"),
      ("::FFFF:c000:201", "192.0.2.1"), ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
      ("::192.0.2.1", "::c000:201"), ("fe80::1:0:0", "fe80::1:0:0"),
    ])
  func readsAndPrints(_ text: String, _ canonical: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.description == canonical)
    #expect(IPAddress(canonical) == address)
    #expect(IPAddress(octets: address.octets) == address)
    #expect(address.octets.count == (address.isIPv4 ? 4 : 16))
  }

  @Test(
    arguments: [
      "", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "01.2.3.4", "1.2.3.256",
      "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4", "1.2.3.0x4", "1.2.3.٤", "1.2.3.4/32", "1.2.3.4:25",
      ":", ":::", "1:", ":1", "1::2::3", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::", "::1%eth0", "[::1]", "IPv6:::1",
      "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1.2.3.4\0",
      "localhost", String(repeating: "1", count: 5000), String(repeating: ":", count: 5000),
      "0000:0000:0000:0000:0000:0000:255.255.255.2550",
    ])
  func refuses(_ text: String) {
    #expect(IPAddress(text) == nil)
  }

  @Test(
    arguments: [
      ("127.0.0.1", true), ("127.255.0.9", true), ("128.0.0.1", false), ("::1", true),
      ("::2", false), ("::ffff:127.0.0.1", true), ("::127.0.0.1", false),
    ])
  func knowsLoopback(_ text: String, _ expected: Bool) throws {
    #expect(try #require(IPAddress(text)).isLoopback == expected)
  }

  @Test func makesAddressesFromNumbers() {
    #expect(IPAddress(v4: 0xC000_0201).description == "192.0.2.1")
    #expect(IPAddress(v6High: 0, low: 0xFFFF_C000_0201) == IPAddress(v4: 0xC000_0201))
    #expect(IPAddress(v6High: 0x2001_0DB8 << 32, low: 1).description == "2001:db8::1")
    #expect(IPAddress(octets: [1, 2, 3]) == nil)
  }

  @Test func ordersIPv4First() throws {
    let sorted = ["10.0.0.1", "192.0.2.1", "::", "2001:db8::1"]
    #expect(
      try sorted.reversed().map { try #require(IPAddress($0)) }.sorted().map(\.description)
        == sorted)
  }
}

@Suite struct IPNetworkTests {
  @Test(
    arguments: [
      ("192.0.2.7/24", "192.0.2.0/24"), ("192.0.2.7", "192.0.2.7"), ("192.0.2.7/32", "192.0.2.7"),
      ("1.2.3.4/0", "0.0.0.0/0"), ("2001:db8::1/32", "2001:db8::/32"), ("::/0", "::/0"),
      ("2001:db8::1/65", "2001:db8::/65"), ("2001:db8::8000:0:0:1/65", "2001:db8:0:0:8000::/65"),
      ("2001:db8::1/64", "2001:db8::/64"), ("::1/128", "::1"),
      ("::ffff:192.0.2.7/120", "192.0.2.0/24"), ("10.9.8.7/1", "0.0.0.0/1"),
    ])
  func readsAndPrints(_ text: String, _ canonical: String) throws {
    let network = try #require(IPNetwork(text))
    #expect(network.description == canonical)
    #expect(IPNetwork(canonical) == network)
  }

  @Test(
    arguments: [
      "", "/", "/8", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/+8", "1.2.3.4/ 8",
      "1.2.3.4/08", "1.2.3/8", "::/129", "::/1000", "1.2.3.4/8/8", "::ffff:1.2.3.4/24",
      "1.2.3.0/255.255.255.0", "1.2.3.4/٨",
    ])
  func refuses(_ text: String) {
    #expect(IPNetwork(text) == nil)
  }

  @Test(
    arguments: [
      ("192.0.2.0/24", "192.0.2.255", true), ("192.0.2.0/24", "192.0.3.0", false),
      ("192.0.2.0/24", "::ffff:192.0.2.5", true), ("0.0.0.0/0", "8.8.8.8", true),
      ("0.0.0.0/0", "::1", false), ("::/0", "8.8.8.8", false), ("::/0", "::1", true),
      ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
      ("2001:db8::/127", "2001:db8::1", true), ("2001:db8::/127", "2001:db8::2", false),
    ])
  func contains(_ network: String, _ address: String, _ expected: Bool) throws {
    let network = try #require(IPNetwork(network))
    #expect(network.contains(try #require(IPAddress(address))) == expected)
  }

  @Test func clampsTheLength() throws {
    let address = try #require(IPAddress("192.0.2.1"))
    #expect(IPNetwork(address, prefixLength: 99).description == "192.0.2.1")
    #expect(IPNetwork(address, prefixLength: -1).description == "0.0.0.0/0")
  }
}

@Suite struct NetworkListTests {
  @Test(
    arguments: [
      ("127.*", "127.0.0.1", true), ("127.*", "128.0.0.1", false), ("127.*", "::1", false),
      ("192.168.1.*", "192.168.1.77", true), ("192.168.1.*", "192.168.10.1", false),
      ("*", "8.8.8.8", true), ("*", "::", true), ("10.?.0.1", "10.5.0.1", true),
      ("10.?.0.1", "10.55.0.1", false), ("*.1", "10.5.0.1", true),
      ("2001:DB8:*", "2001:db8::1", true),
      ("1*.*.*1", "10.5.0.1", true), ("1*.*.*1", "10.5.0.2", false),
      ("192.0.2.1", "192.0.2.1", true),
      ("10.0.0.0/8", "::ffff:10.1.1.1", true),
    ])
  func contains(_ item: String, _ address: String, _ expected: Bool) throws {
    let list = try NetworkList(items: ["203.0.113.5", item])
    #expect(list.contains(try #require(IPAddress(address))) == expected)
    #expect(try NetworkList(items: list.items) == list)
  }

  @Test(
    arguments: [
      ("mail.example.org", "host name"), ("localhost", "host name"), ("*.example.org", "glob"),
      ("10.0.0.0/33", "prefix length"), ("300.1.1.1", "not an IP address"), ("[::1]", "brackets"),
      ("IPv6:::1", "tag"), ("", "missing"), ("fe80::1%eth0", "not an IP address"),
      ("mail.example.org/24", "host name"), ("127.[0-9]*", "glob"), ("1.2.3", "not an IP address"),
    ])
  func refusesWithReason(_ item: String, _ reason: String) {
    #expect {
      _ = try NetworkList(items: [item])
    } throws: { "\($0)".contains(reason) }
  }

  @Test("fault 52: a hostile glob is quick") func hostileGlobIsQuick() throws {
    let glob = String(repeating: "*1", count: 30) + "*2"
    let list = try NetworkList(items: [glob])
    #expect(!list.contains(try #require(IPAddress("111.111.111.111"))))
    #expect(throws: NetworkList.Fault.self) {
      _ = try NetworkList(items: [String(repeating: "*1", count: 50_000)])
    }
  }

  @Test func emptyHoldsNothing() throws {
    #expect(NetworkList().isEmpty)
    #expect(!NetworkList().contains(IPAddress(v4: 0)))
  }
}
