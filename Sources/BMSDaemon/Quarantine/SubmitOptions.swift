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
  /// The word for the manual.
  package static var kind: String { "SMTP address" }
  /// The spellings, for the manual.
  package static var syntax: String {
    "ADDRESS:PORT or ADDRESS@PORT, as 127.0.0.1:25, [::1]:25 or localhost:25; the port is 25 where "
      + "none is named. Other names are not looked up."
  }

  /// Reads one of the spellings.
  package init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    guard let address = SMTPAddress(text) else {
      throw ValueError(
        "\"\(text)\" is no address of an SMTP server: write an IP address, or localhost, and a port, "
          + "like 127.0.0.1:25")
    }
    self = address
  }

  /// `127.0.0.1:25`.
  package var text: String { description }
}
