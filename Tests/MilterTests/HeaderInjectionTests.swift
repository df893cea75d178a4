// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Testing

@testable import Milter

/// What may stand in a header field that we add.
@Suite struct HeaderInjectionTests {
  @Test(
    "fault 28: a value cannot end its field",
    arguments: [
      ("plain", "plain"), ("", ""), ("a\r\nX-Evil: 1", "a X-Evil: 1"), ("a\nb", "a b"),
      ("a\rb", "ab"), ("a\u{0}b", "ab"), ("fold\n b", "fold\n b"), ("fold\n\tb", "fold\n\tb"),
      ("fold\r\n b", "fold\n b"), ("a\n\r b", "a\n b"), ("a\n\u{0}\r b", "a\n b"),
      ("a\n\rb", "a b"), ("end\n", "end "), ("end\r\n", "end "), ("a\n\nX: y", "a  X: y"),
      ("a\n\n b", "a \n b"), ("caf\u{E9}", "caf\u{E9}"),
    ])
  func valueCannotEndItsField(value: String, expected: String) {
    #expect(MailText(MTA.fieldValue(Array(value.utf8))) == MailText(expected))
  }

  @Test("fault 32: 8-bit bytes stay") func eightBitBytesStay() {
    let bytes = [UInt8](1...255).filter { $0 != 0x0A && $0 != 0x0D }
    #expect(MTA.fieldValue(bytes) == bytes)
  }

  @Test(arguments: ["X-A", "a", "Subject", "!#$%&'*+-.^_`|~09", "[x]", ";"])
  func fieldName(name: String) {
    #expect(MTA.isFieldName(name))
  }

  @Test(arguments: ["", "A:", ":", "A B", "A\tB", "A\r\nB", "A\u{0}", "caf\u{E9}", " A", "A\u{7F}"])
  func noFieldName(name: String) {
    #expect(!MTA.isFieldName(name))
  }
}
