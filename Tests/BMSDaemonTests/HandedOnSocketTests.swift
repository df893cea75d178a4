// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Milter
import Testing

@testable import BMSDaemon

/// Which descriptor of the service manager is taken, by sd_listen_fds(3).
@Suite struct HandedOnSocketTests {
  @Test(
    arguments: [
      // process, count, names, descriptor
      (nil, nil, nil, nil), ("42", nil, nil, nil), ("42", "0", nil, nil), ("42", "-1", nil, nil),
      ("42", "many", nil, nil), ("41", "1", "milter", nil), ("", "1", nil, nil),
      ("42", "1", nil, 3), ("42", "1", "milter", 3), ("42", "1", "bmsd.socket", 3),
      ("42", "2", "stored:milter", 4), ("42", "3", "a:milter:b", 4),
    ] as [(String?, String?, String?, Int32?)])
  func chosen(_ process: String?, _ count: String?, _ names: String?, _ descriptor: Int32?) throws {
    #expect(
      try HandedOnSocket.choose(process: process, count: count, names: names, ourselves: 42)
        == descriptor)
  }

  @Test(
    "more than one",
    arguments: [
      ("2", nil), ("2", "a:b"), ("2", "milter:milter"), ("65", "milter"), ("2147483647", nil),
      // A name for a descriptor that is not there.
      ("2", "a:b:milter"),
    ] as [(String, String?)])
  func refused(_ count: String, _ names: String?) {
    let error = #expect(throws: ListenError.self) {
      try HandedOnSocket.choose(process: "42", count: count, names: names, ourselves: 42)
    }
    #expect(error?.description.contains("ListenStream=") == true)
  }
}
