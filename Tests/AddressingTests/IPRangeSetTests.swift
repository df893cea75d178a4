// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Testing

@Suite struct IPRangeSetTests {
  static func set(_ text: String) throws -> IPRangeSet {
    IPRangeSet(try text.split(separator: " ").map { try #require(IPNetwork($0)) })
  }

  @Test(
    "sets of networks are blocks",
    arguments: [
      ("", ""), ("192.0.2.1", "192.0.2.1"), ("192.0.2.0/30", "192.0.2.0-192.0.2.3"),
      ("192.0.2.4/30 192.0.2.0/30", "192.0.2.0-192.0.2.7"),
      ("192.0.2.0/24 192.0.2.7", "192.0.2.0-192.0.2.255"), ("0.0.0.0/0", "0.0.0.0-255.255.255.255"),
      ("192.0.2.1 192.0.2.3", "192.0.2.1, 192.0.2.3"),
      ("255.255.255.255 ::", "255.255.255.255, ::"),
      ("::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
      ("2001:db8::/64 2001:db8:0:1::/64", "2001:db8::-2001:db8:0:1:ffff:ffff:ffff:ffff"),
      (
        "2001:db8::ffff:ffff:ffff:ffff 2001:db8:0:1::",
        "2001:db8::ffff:ffff:ffff:ffff-2001:db8:0:1::"
      ),
    ])
  func blocks(_ networks: String, _ expected: String) throws {
    #expect(try Self.set(networks).description == expected)
  }

  @Test(
    "union, difference, intersection",
    arguments: [
      (
        "192.0.2.0/29", "192.0.2.4/30", "192.0.2.0-192.0.2.7", "192.0.2.0-192.0.2.3",
        "192.0.2.4-192.0.2.7"
      ),
      (
        "192.0.2.0/29", "192.0.2.3", "192.0.2.0-192.0.2.7",
        "192.0.2.0-192.0.2.2, 192.0.2.4-192.0.2.7", "192.0.2.3"
      ),
      ("192.0.2.1", "192.0.2.2", "192.0.2.1-192.0.2.2", "192.0.2.1", ""),
      ("", "192.0.2.1", "192.0.2.1", "", ""), ("192.0.2.1", "", "192.0.2.1", "192.0.2.1", ""),
      (
        "192.0.2.1 192.0.2.3 192.0.2.5", "192.0.2.0/24", "192.0.2.0-192.0.2.255", "",
        "192.0.2.1, 192.0.2.3, 192.0.2.5"
      ),
      (
        "0.0.0.0/0", "0.0.0.0 255.255.255.255", "0.0.0.0-255.255.255.255",
        "0.0.0.1-255.255.255.254", "0.0.0.0, 255.255.255.255"
      ),
      (
        "::/0", "192.0.2.1 ::", "192.0.2.1, ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::"
      ),
    ])
  func algebra(
    _ left: String, _ right: String, _ union: String, _ difference: String, _ both: String
  ) throws {
    let (left, right) = (try Self.set(left), try Self.set(right))
    #expect(left.union(right).description == union)
    #expect(right.union(left).description == union)
    #expect(left.subtracting(right).description == difference)
    #expect(left.intersection(right).description == both)
    #expect(right.intersection(left).description == both)
  }

  @Test("agrees with its networks on every address of a small space")
  func agreesWithNetworks() throws {
    // A generator of its own, so that the sets are the same in every run.
    var seed: UInt32 = 1
    func random(_ limit: UInt32) -> UInt32 {
      seed = seed &* 1_664_525 &+ 1_013_904_223
      return (seed >> 16) % limit
    }
    func networks() -> [IPNetwork] {
      (0..<Int(random(8))).map { _ in
        IPNetwork(IPAddress(v4: 0xC000_0200 | random(256)), prefixLength: 24 + Int(random(9)))
      }
    }
    for _ in 0..<200 {
      let (left, right) = (networks(), networks())
      let (first, second) = (IPRangeSet(left), IPRangeSet(right))
      let (union, difference, both) = (
        first.union(second), first.subtracting(second), first.intersection(second)
      )
      for value in UInt32(0xC000_01FE)...0xC000_0301 {
        let address = IPAddress(v4: value)
        let inFirst = left.contains { $0.contains(address) }
        let inSecond = right.contains { $0.contains(address) }
        #expect(first.contains(address) == inFirst)
        #expect(union.contains(address) == (inFirst || inSecond))
        #expect(difference.contains(address) == (inFirst && !inSecond))
        #expect(both.contains(address) == (inFirst && inSecond))
      }
    }
  }

  @Test func allHoldsEverything() throws {
    for text in ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
      #expect(IPRangeSet.all.contains(try #require(IPAddress(text))))
    }
    #expect(IPRangeSet.all.subtracting(.all).isEmpty)
    #expect(IPRangeSet.all.blockCount == 2)
  }
}
