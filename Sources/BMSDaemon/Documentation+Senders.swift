// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension Documentation {
  /// A chapter of bms.conf(5), in mdoc: what is decided about a sender, in which order, and how the
  /// access map changes it.
  static var senderPolicy: [String] {
    steps + items(defaults) + accessMap + items(keys) + lookUps
      + items(values.map { ("Ic \($0.word)", $0.meaning) }) + [".El"]
  }

  private static func items(_ list: [(word: String, meaning: String)]) -> [String] {
    list.flatMap { [".It \($0.word)"] + $0.meaning.split(separator: "\n").map(String.init) }
  }

  private static let steps: [String] = [
    ".Sh SENDER POLICY",
    "Mail of strangers is judged at MAIL, or with",
    ".Ic when No = rcpt",
    "in",
    ".Bq spf",
    "at the first valid recipient; mail that came through a",
    ".Ic trusted_relay",
    "at its end, by the client that the relay's Received field names.",
    "The steps, of which the first that decides ends the judgement:",
    ".Bl -enum -width Ds",
    ".It",
    "The client's PTR name is looked up, and back again.",
    ".It",
    "A client that SPF authorises for a",
    ".Ic trusted_forwarder",
    "is let in.",
    ".It",
    "SPF is evaluated for the sender's domain, for a bounce for the HELO name.",
    "Where there is no record,",
    ".Ic delegate",
    "is asked; a faulty record is read again without what is faulty.",
    ".It",
    "The HELO name is checked by SPF when the sender did not pass.",
    ".It",
    "A stranger may not use one of",
    ".Ic internal_domains",
    "that has no SPF record.",
    ".It",
    "With",
    ".Ic best_guess",
    "a domain without a record is judged by a guessed one.",
    ".It",
    "A sender with no SPF record, no PTR name but a dynamic one and no HELO name that SPF passes has",
    "no credentials.",
    ".It",
    "The result decides.",
    ".El",
    ".Pp",
    "What is done unless the access map says otherwise:",
    ".Bl -tag -width Ds",
  ]

  private static let accessMap: [String] = [
    ".El",
    ".Pp",
    "To call back is to ask the sender's mail server whether it would take a bounce.",
    "Until bmsd can, such a sender is greylisted.",
    ".Ss The access map",
    ".Ic access_file",
    "in",
    ".Bq spf",
    "names a text file with a key and a value on each line, blanks between them, or a map that the",
    "mail server made of one.",
    "Letter case means nothing, lines that begin with",
    ".Ql #",
    "neither.",
    ".Bd -literal -offset indent",
    "SPF-Fail:partner.example      OK",
    "SPF-Neutral:.gov.example      REJECT",
    "HELO-Softfail:mail.example    CBV",
    "SPF-Softfail:                 ERROR:\"550 5.7.23 Have your SPF record mended\"",
    "SMTP-Auth:ann@example.org     OK",
    "SMTP-Auth:example.org         REJECT",
    "Connect:192.0.2               REJECT",
    "From:bulk.example             DISCARD",
    "To:retired@                   ERROR:\"550 5.1.6 Retired\"",
    ".Ed",
    ".Pp",
    "Keys:",
    ".Bl -tag -width Ds",
  ]

  private static let lookUps: [String] = [
    ".El",
    ".Pp",
    "For an identity as",
    ".Ql ann@mail.example.org",
    "the tags with a result and SMTP-Auth are looked up as",
    ".Ql tag:ann@mail.example.org ,",
    ".Ql tag:mail.example.org ,",
    ".Ql tag:.example.org ,",
    ".Ql tag:.org ,",
    ".Ql tag:",
    "and",
    ".Ql tag ;",
    "the first that is there counts.",
    ".Ql bmsd access lookup TAG IDENTITY",
    "shows each of them.",
    ".Pp",
    "Values:",
    ".Bl -tag -width Ds",
  ]

  private static let defaults: [(word: String, meaning: String)] = [
    ("pass, neutral", "Let in; neutral is refused for domains of\n.Ic reject_neutral ."),
    ("none", "Let in, where there is any credential."),
    (
      "no credentials",
      "Called back, or with\n.Ic reject_noptr\nrefused (550 5.7.26)."
    ),
    (
      "softfail",
      """
      Called back; for domains of
      .Ic accept_softfail
      let in, for domains of
      .Ic reject_neutral
      refused (550 5.7.23).
      """
    ),
    ("fail", "Refused (550 5.7.23); for domains of\n.Ic accept_fail\ncalled back."),
    (
      "permerror",
      "The result of the record without its faults counts; where there is none, refused (550 5.5.2)."
    ),
    ("temperror", "Deferred (451 4.4.3), never refused."),
    (
      "fail, softfail or neutral of a HELO name",
      "Refused (550 5.7.23); who says to be\n.Li gmail.com\nis banned."
    ),
  ]

  private static let keys: [(word: String, meaning: String)] = [
    (
      "SPF-Pass, SPF-Fail, SPF-Softfail, SPF-Neutral, SPF-None, SPF-PermError, SPF-TempError",
      """
      The sender, by the result that policy goes by.
      SPF-None is asked for senders without credentials alone.
      """
    ),
    (
      "HELO-Pass, HELO-Fail, HELO-Softfail, HELO-Neutral, HELO-None, HELO-PermError, HELO-TempError",
      "The HELO name, when the sender did not pass."
    ),
    (
      "SMTP-Auth",
      """
      An authenticated user at the sender's domain: whether he may use it.
      Without an entry he may.
      """
    ),
    (
      "Connect",
      "The client's address, a network of it at a full byte (IPv6: at a full group), or its name."
    ),
    ("From, To", "The sender, a recipient: the mailbox, its domain and those above it, the user."),
  ]

  private static let values: [(word: String, meaning: String)] = [
    ("OK", "Let it go on: this entry's check has nothing against it."),
    ("WHITELIST", "Let in, as if the sender stood in the allow-list."),
    ("CBV", "Call back."),
    ("DSN", "Call back, and tell the sender's postmaster of the fault."),
    ("REJECT", "Refuse."),
    ("BAN", "Refuse, and ban the client where\n.Bq banned_ips\nenforces."),
    ("TEMPFAIL", "Defer."),
    ("DISCARD", "Accept, and drop."),
    ("OBSERVE", "Let it go on, and record what would have been done:\n.Ql bmsd log --would ."),
    ("ERROR:\"550 5.7.1 text\"", "Refuse, or with 4xx defer, with this reply."),
    ("SKIP", "As if there were no entry; so is Sendmail's\n.Ic RELAY ."),
  ]
}
