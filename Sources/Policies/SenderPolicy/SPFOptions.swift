// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration

/// `[spf]`: what is done about the result of SPF, and with senders that have none.
package struct SPFOptions: PolicySection {
  package static let name = "spf"
  package static let summary = "Refuse forged senders, and those with nothing to show"
  package static var shippedMode: Mode? { .observe }

  /// Who evaluates.
  package enum Engine: String, OptionValue, CaseIterable { case native, libspf2 }
  /// At which stage.
  package enum Moment: String, OptionValue, CaseIterable { case mail, rcpt }

  package let engine = ConfigOption(
    "engine", default: Engine.native,
    help: """
      native: bmsd's own evaluator. libspf2: Debian's library, which gives another result in some \
      cases of the standard's test suite.
      """)
  package let when = ConfigOption(
    "when", default: Moment.mail,
    help: """
      mail: evaluate at MAIL. rcpt: at the first recipient that the MTA does not refuse, which \
      saves DNS work for dictionary attacks.
      """)
  package let bestGuess = ConfigOption(
    "best_guess", default: false,
    help: """
      Guess a record for domains without one (a/24 mx/24 ptr), so that hosts of the domain need no \
      other credentials. Never part of the official result.
      """)
  package let delegate = ConfigOption(
    "delegate", default: "",
    help:
      "A domain below which records for others stand: of example.com, example.com._spf.DELEGATE.")
  package let trustedForwarder = ConfigOption(
    "trusted_forwarder", default: [] as TextList,
    help: """
      Domains whose mail servers forward mail to us with its sender unchanged. Mail from a client \
      that SPF authorises for one of these is let in.
      """)
  package let rejectNoptr = ConfigOption(
    "reject_noptr", default: false,
    help: """
      Refuse a sender without any credentials: no SPF record, no PTR name but a dynamic one, no \
      HELO name that SPF passes. Without it such mail is greylisted.
      """)
  package let rejectNeutral = ConfigOption(
    "reject_neutral", default: [] as TextList,
    help: "Domains whose mail must pass SPF: neutral and softfail are refused.")
  package let acceptSoftfail = ConfigOption(
    "accept_softfail", default: [] as TextList,
    help: "Domains of which a softfail is let in as it is.")
  package let acceptFail = ConfigOption(
    "accept_fail", default: [] as TextList,
    help: "Domains of which a fail is greylisted instead of refused.")
  package let accessFile = ConfigOption(
    "access_file", default: "",
    help: """
      The access map: exceptions by sender, HELO name and result, as `SPF-Fail:example.com OK`. A \
      text file, or hash:, cdb: or lmdb: and the path of a map of Postfix or Sendmail. Read again \
      when it changes.
      """)
  package let receivedSPF = ConfigOption(
    "received_spf", default: false,
    help: "Add a Received-SPF field (RFC 7208 section 9.1) beside Authentication-Results.")

  package init() {}
}
