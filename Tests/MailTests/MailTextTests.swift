// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Mail
import Testing

struct MailTextTests {
  @Test(arguments: [
    "", "a@example.com", "a\nb", #"\"#, #"\x41"#, #"a\\x41\"#, "\u{202E}é", "\u{1B}[31m",
    MailText([0xE9, 0xFF, 0x5C, 0x78, 0x00]),
  ])
  func isReadBackFromWhatIsShown(_ text: MailText) {
    #expect(MailText(shown: text.description) == text)
  }

  @Test(arguments: [#"\"#, #"\x"#, #"\x4"#, #"\xZZ"#, #"\y"#])
  func leavesWhatIsNoEscape(_ text: String) {
    #expect(MailText(shown: text) == MailText(text))
  }
}
