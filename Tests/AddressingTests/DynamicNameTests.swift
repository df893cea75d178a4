// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Testing

@Suite struct DynamicNameTests {
  @Test(
    arguments: [
      // The ancestor's vectors.
      ("post3.fabulousdealz.com", "69.60.99.112", false),
      ("adsl-69-208-201-177.dsl.emhril.ameritech.net", "69.208.201.177", true),
      ("[1.2.3.4]", "1.2.3.4", true),
      ("c-71-63-151-151.hsd1.mn.comcast.net", "71.63.151.151", true),
      ("host-4-3-2-1.isp.net", "1.2.3.4", true),
      ("mail1.dsl.x.net", "9.8.7.6", false),
      ("h6.x.net", "9.8.7.6", true),
      // The address itself; runs of digits in each order.
      ("x.9.8.7.6.isp.net", "9.8.7.6", true),
      ("a-8-7-6.isp.net", "9.8.7.6", true), ("a-9-8-7.isp.net", "9.8.7.6", true),
      ("a6-9-8.isp.net", "9.8.7.6", true), ("a7b6.isp.net", "9.8.7.6", true),
      ("a6x7x8.isp.net", "9.8.7.6", true), ("a7x8x9.isp.net", "9.8.7.6", true),
      ("a6x7.isp.net", "9.8.7.6", true), ("a7x6x1.isp.net", "9.8.7.6", false),
      ("a1x2x3.isp.net", "9.8.7.6", false), ("c7-6x1x2x3.isp.net", "9.8.7.6", false),
      // Shapes.
      ("h0123456789ab.ne.isp.com", "9.8.7.6", true), ("h0123456789a.ne.isp.com", "9.8.7.6", false),
      ("h69n1c1o1000.bredband.net", "9.8.7.6", true), ("pcp0123456pcs.isp.net", "9.8.7.6", true),
      ("pcp012345678901pcs.isp.net", "9.8.7.6", false), ("no-reverse.isp.net", "9.8.7.6", true),
      ("S0106000c4152c3f1.cg.shawcable.net", "9.8.7.6", true), ("user6.isp.net", "9.8.7.6", true),
      ("user5.isp.net", "9.8.7.6", false), ("Cust6.isp.net", "9.8.7.6", true),
      ("cust6.isp.net", "9.8.7.6", true), ("6.isp.net", "9.8.7.6", true),
      ("5.isp.net", "9.8.7.6", false), ("ppp-a-6.isp.net", "9.8.7.6", true),
      ("ppp-a.6.isp.net", "9.8.7.6", false), ("x-ppp33.isp.net", "9.8.7.6", true),
      ("a22-6.isp.net", "9.8.7.6", true), ("xbf-6.isp.net", "9.8.7.6", true),
      ("p6.pool.isp.net", "9.8.7.6", true), ("xdsl-33.isp.net", "9.8.7.6", true),
      ("a-33-44.isp.net", "9.8.7.6", true), ("x.adsl.isp.net", "9.8.7.6", true),
      ("x.cable.isp.net", "9.8.7.6", true), ("cable.isp.net", "9.8.7.6", false),
      // Octets run together; hexadecimal.
      ("x192244.isp.net", "192.2.44.1", true), ("m6960990.isp.net", "69.60.99.112", true),
      ("x6099112.isp.net", "69.60.99.112", true), ("xC0000201.isp.net", "192.0.2.1", true),
      ("c0000202.isp.net", "192.0.2.1", false),
      // Servers.
      ("mail.example.org", "192.0.2.1", false), ("mx2.example.org", "203.0.113.77", false),
      ("smtp-out-01.example.org", "203.0.113.77", false), ("", "203.0.113.77", false),
    ])
  func judgesIPv4(_ name: String, _ address: String, _ expected: Bool) throws {
    let address = try #require(IPAddress(address))
    #expect(DynamicName.looksDynamic(name, address: address) == expected)
    #expect(DynamicName.looksDynamic(name.uppercased(), address: address) == expected)
  }

  private static let client = "2001:db8:12:34ab:0:5efe:c000:201"

  @Test(
    arguments: [
      // All groups, padded, plain, compressed, joined in each way; bare digits.
      ("2001-0db8-0012-34ab-0000-5efe-c000-0201.isp.net", true),
      ("h2001.db8.12.34ab.0.5efe.c000.201.isp.net", true),
      ("2001.db8.12.34ab.0.5efe.c000.201.isp.net", true),
      ("x-2001-db8-12-34ab-0-5efe-c000-201.isp.net", true),
      ("x.2001-db8-12-34ab-0-5efe-c000-201.isp.net", true),
      ("20010db8001234ab00005efec0000201.isp.net", true),
      ("h20010DB8001234AB00005EFEC0000201.isp.net", true),
      ("2001:db8:12:34ab:0:5efe:c000:201.isp.net", true),
      // The interface identifier.
      ("x-0000-5efe-c000-0201.isp.net", true), ("x00005efec0000201.isp.net", true),
      ("0-5efe-c000-201.isp.net", true), ("10-5efe-c000-201.isp.net", false),
      ("0-5efe-c000-2012.isp.net", false),
      // Nibbles in reverse, as in ip6.arpa.
      ("1.0.2.0.0.0.0.c.e.f.e.5.0.0.0.0.b.a.4.3.2.1.0.0.8.b.d.0.1.0.0.2.isp.net", true),
      ("1.0.2.0.0.0.0.c.e.f.e.5.0.0.0.0.isp.net", true), ("1020000cefe50000.isp.net", true),
      // Words and shapes.
      ("x.dynamic.isp.net", true), ("dyn-17.isp.net", true), ("dhcp12.isp.net", true),
      ("pool-9.isp.net", true), ("x.pool.isp.net", true), ("x.adsl.isp.net", true),
      ("a.b-cpe-c.isp.net", true), ("mail.dynamic.net", false), ("poolside.example.org", false),
      ("[unknown]", true), ("mail.example.org", false), ("mx1.example.org", false),
      ("2001-db8-12.isp.net", false), ("", false),
    ])
  func judgesIPv6(_ name: String, _ expected: Bool) throws {
    let address = try #require(IPAddress(Self.client))
    #expect(DynamicName.looksDynamic(name, address: address) == expected)
  }

  @Test func findsCompressedAddress() throws {
    let address = try #require(IPAddress("2001:db8::17"))
    #expect(DynamicName.looksDynamic("2001-db8--17.isp.net", address: address))
    #expect(!DynamicName.looksDynamic("2001-db8--170.isp.net", address: address))
    #expect(!DynamicName.looksDynamic("mx17.isp.net", address: address))
  }

  @Test func withoutAddressOnlyBracketsCount() {
    #expect(!DynamicName.looksDynamic("x.adsl.isp.net", address: nil))
    #expect(DynamicName.looksDynamic("[1.2.3.4]", address: nil))
  }

  /// Only the first 255 bytes are looked at; with all of them these would hardly end.
  @Test(arguments: ["ppp", "h1n1c1o", "-1", "é", "\u{1}.", "["])
  func hostileNamesEnd(_ piece: String) throws {
    let name = String(repeating: piece, count: 300_000)
    for address in [try #require(IPAddress("9.8.7.6")), try #require(IPAddress("2001:db8::1"))] {
      let looksDynamic = DynamicName.looksDynamic(name, address: address)
      #expect(!looksDynamic)
    }
  }

  @Test func looksAt255BytesOnly() throws {
    let address = try #require(IPAddress("9.8.7.6"))
    let padding = String(repeating: "x", count: 250)
    #expect(!DynamicName.looksDynamic(padding + ".9.8.7.6.net", address: address))
  }
}
