// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Submission

/// `[submit]`: how mail that bmsd itself sends is handed in.
package struct SubmitOptions: Section {
  package static let name = "submit"
  package static let summary = "Mail that bmsd itself sends, such as releases"

  package let smtp = ConfigOption(
    "smtp", default: SMTPAddress.local, shipped: SMTPAddress.local,
    help: """
      The MTA. It must be a listener that has bmsd as its milter, or what is released from the \
      quarantine keeps the field that lets it pass.
      """)
  package let timeout = ConfigOption(
    "timeout", default: TimeSpan.minutes(5), in: .seconds(1) ... .minutes(30), unit: "s",
    help: "How long it may take for each answer.")

  package init() {}
}

extension SMTPAddress: OptionValue {
  /// Where an MTA of this machine listens.
  static let local = SMTPAddress(host: "127.0.0.1", port: 25)

  /// The word for the manual.
  package static var kind: String { "SMTP address" }
  /// The spellings, for the manual.
  package static var syntax: String {
    "HOST:PORT or HOST@PORT, as 127.0.0.1:25 or [::1]:25; the port is 25 where none is named."
  }

  /// Reads one of the spellings.
  package init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    guard let address = SMTPAddress(text) else {
      throw ValueError("\"\(text)\" is no address of a server; write it like 127.0.0.1:25")
    }
    self = address
  }

  /// `127.0.0.1:25`.
  package var text: String { description }
}
