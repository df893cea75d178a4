// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Milter
import Testing

/// The spellings of libmilter and of Postfix.
@Suite struct SocketAddressTests {
  @Test(arguments: [
    ("unix:/run/bms/bms.sock", SocketAddress.unix(path: "/run/bms/bms.sock")),
    ("local:/s", .unix(path: "/s")), ("LOCAL:/s", .unix(path: "/s")), ("/s", .unix(path: "/s")),
    ("unix:/with:colon@x", .unix(path: "/with:colon@x")), ("/a:b", .unix(path: "/a:b")),
    ("inet:8891@127.0.0.1", .inet(host: "127.0.0.1", port: 8891)),
    ("inet:127.0.0.1:8891", .inet(host: "127.0.0.1", port: 8891)),
    ("inet:localhost:8891", .inet(host: "localhost", port: 8891)),
    ("inet:8891", .inet(host: nil, port: 8891)), ("inet:8891@*", .inet(host: nil, port: 8891)),
    ("Inet:8891", .inet(host: nil, port: 8891)),
    ("inet6:8891@::1", .inet6(host: "::1", port: 8891)),
    ("inet6:8891@[::1]", .inet6(host: "::1", port: 8891)),
    ("inet6:[::1]:8891", .inet6(host: "::1", port: 8891)),
    ("inet6:65535", .inet6(host: nil, port: 65535)),
  ])
  func readsEverySpelling(text: String, address: SocketAddress) {
    #expect(SocketAddress(text) == address)
    // What is printed reads back as the same.
    #expect(SocketAddress(address.description) == address)
  }

  @Test(arguments: [
    "", ":", "unix", "unix:", "unix:relative", "local:", "relative/path", "tcp:25", "fd:3",
    "inet:", "inet:0@h", "inet:65536@h", "inet:-1@h", "inet:port@h", "inet:h:", "inet:h", "inet:@h",
    "inet:1@h\u{0}x", "unix:/a\u{0}b", "unix:/" + String(repeating: "x", count: 107),
  ])
  func refusesTheRest(text: String) {
    #expect(SocketAddress(text) == nil)
  }

  @Test func takesThePathThatJustFits() {
    let path = "/" + String(repeating: "x", count: 106)
    #expect(SocketAddress("unix:\(path)") == .unix(path: path))
    // Bytes count, not characters.
    #expect(SocketAddress("unix:/" + String(repeating: "\u{E9}", count: 54)) == nil)
  }

  @Test(arguments: [
    (SocketAddress.unix(path: "/s"), "unix:/s"),
    (.inet(host: "192.0.2.1", port: 25), "inet:192.0.2.1:25"),
    (.inet(host: nil, port: 25), "inet:127.0.0.1:25"),
    (.inet6(host: "2001:db8::1", port: 25), "inet:[2001:db8::1]:25"),
    (.inet6(host: nil, port: 25), "inet:[::1]:25"),
  ])
  func speaksPostfix(address: SocketAddress, text: String) {
    #expect(address.postfixDescription == text)
  }
}
