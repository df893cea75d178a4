// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
internal import Attachments
package import Configuration
internal import MIME

/// `[defang]`: which attachments are dangerous, and what becomes of them.
package struct DefangOptions: PolicySection {
  package static let name = "defang"
  package static let summary = "Replace dangerous attachments, and leave everything else as it is"
  package static var shippedMode: Mode? { .enforce }
  package static var defaultOnError: OnError { .tempfail }

  /// Whose mail is looked into.
  package enum Direction: String, OptionValue, CaseIterable { case incoming, outgoing, any }
  /// What becomes of a dangerous part, or of the message that has one.
  package enum Action: String, OptionValue, CaseIterable {
    case replace, remove, reject, discard, quarantine, hold, tag

    /// Whether the message as it came goes into the quarantine.
    package var keepsOriginal: Bool { self == .replace || self == .remove || self == .quarantine }
  }
  /// What becomes of a part that cannot be looked into.
  package enum Measure: String, OptionValue, CaseIterable { case tag, defang, reject }
  /// What becomes of a message that programs read differently.
  package enum Tolerance: String, OptionValue, CaseIterable { case ignore, tag, reject }
  /// What becomes of dangerous parts under a signature.
  package enum Signed: String, OptionValue, CaseIterable { case keep, defang }

  package let direction = ConfigOption(
    "direction", default: Direction.incoming, shipped: .incoming,
    help: """
      incoming: mail of strangers and of trusted relays. outgoing: mail of our own clients and \
      users. any: both.
      """)
  package let action = ConfigOption(
    "action", default: Action.replace,
    help: """
      replace: a text takes the place of a dangerous part. remove: the part goes without one. Both \
      keep the original in the quarantine. reject: the message is refused. discard: it is dropped, \
      and its sender told that it was taken. quarantine: the same, but it is kept for `bmsd \
      quarantine release`. hold: the MTA keeps it in its hold queue. tag: it passes with a field \
      X-BMS-Attachment that says what was found.
      """)
  package let bannedExtensions = ConfigOption(
    "banned_exts", default: ["default"] as TextList, formerly: ["banned_ext"],
    help: """
      Extensions of files that are not let in. The word default stands for the list in \
      bms.conf(5), DANGEROUS ATTACHMENTS; -EXT takes one off it: default, -iso, doc.
      """)
  package let rejectVirusFrom = ConfigOption(
    "reject_virus_from", default: [] as TextList, formerly: ["scrub.reject_virus_from"],
    help: """
      Senders, as example.com or ann@example.com, whose mail with a dangerous attachment is refused \
      instead of mended, so that they learn of it.
      """)
  package let skipFrom = ConfigOption(
    "skip_from", default: [] as AddressSet,
    help: """
      Senders whose mail is not looked into. Counts only where the sender authenticated, the \
      client is ours, or SPF or DKIM proves the domain.
      """)
  package let skipTo = ConfigOption(
    "skip_to", default: [] as AddressSet,
    help: "Recipients whose mail is not looked into, if the message goes to nobody else.")
  package let scanArchives = ConfigOption(
    "scan_archives", default: true, formerly: ["scan_zip"],
    help: "Whether names in zip archives count, also of archives in archives.")
  package let scanMessages = ConfigOption(
    "scan_rfc822", default: true,
    help: "Whether attached messages are looked into.")
  package let signed = ConfigOption(
    "signed", default: Signed.defang,
    help: """
      keep: a dangerous part stays where S/MIME or PGP signs it, because taking it out breaks the \
      signature; the message is tagged. Anybody can sign. defang: it goes like any other; of \
      S/MIME that holds what it signs (smime.p7m) the whole part goes.
      """)
  package let encrypted = ConfigOption(
    "encrypted", default: Measure.tag, shipped: .tag,
    help: """
      What is done about encrypted archives, and about parts that S/MIME encrypts: their content \
      cannot be known.
      """)
  package let uninspected = ConfigOption(
    "uninspected", default: Measure.tag, shipped: .tag,
    help: """
      What is done about what cannot be looked into: pieces of messages that the recipient puts \
      together, content that the recipient fetches from elsewhere, S/MIME that is damaged or \
      compressed, archives deeper than archive_depth, more files in archives than are searched for \
      archives without a name that says so (max_decoded), and messages above [milter] max_message; \
      of these nothing can be cut, so defang refuses them. What lies beyond any other limit of this section counts as dangerous, \
      because only mail that is made to meet a limit meets it; reject refuses that too.
      """)
  package let ambiguous = ConfigOption(
    "ambiguous", default: Tolerance.tag,
    help: """
      What is done about messages that two mail programs can read differently. All readings are \
      looked into in any case.
      """)
  package let notice = ConfigOption(
    "notice", default: FilePath(DefangOptions.noticePath),
    help: """
      The text that takes the place of a part. {parts} lists what was taken out and why; {names}, \
      {reason}, {reference}, {contact}, {sender} and {host} are filled in, {{ and }} are braces. \
      Without the file a text of bmsd's own is used.
      """)
  package let maximumDepth = ConfigOption(
    "max_depth", default: MIMELimits().depth, in: 2...1000,
    help: "Parts within parts that are looked into; a part with more counts as dangerous.")
  package let maximumParts = ConfigOption(
    "max_parts", default: MIMELimits().parts, in: 10...1_000_000,
    help: "Parts of a message that are looked into; a message with more counts as dangerous.")
  package let maximumHeader = ConfigOption(
    "max_header", default: ByteSize.bytes(MIMELimits().headerBytes),
    in: .kilobytes(4) ... .megabytes(64),
    help: """
      Bytes of the header of a part that are looked into; a part with more counts as dangerous.
      """)
  package let maximumNames = ConfigOption(
    "max_names", default: MIMELimits().namesPerPart, in: 10...100_000,
    help: """
      Names of one part that are looked at; a part with more counts as dangerous. Of all parts \
      together there may be 30 names and fields about content for each of max_parts, and no fewer \
      than this; a name of more than 64 bytes counts as several.
      """)
  package let maximumDecoded = ConfigOption(
    "max_decoded", default: ByteSize.bytes(MIMELimits().decodedBytes),
    in: .megabytes(1) ... .megabytes(2048),
    help: """
      Bytes of encoded messages and of archives that are decoded, in one message; what holds more \
      counts as dangerous.
      """)
  package let archiveEntries = ConfigOption(
    "archive_entries", default: ArchiveLimits().visits, in: 10...1_000_000,
    help: """
      Files in all archives of a message that are opened, to see whether they are archives too; an \
      archive with more counts as dangerous. Names are compared however many there are.
      """)
  package let archiveDepth = ConfigOption(
    "archive_depth", default: ArchiveLimits().depth, in: 1...64,
    help: "Archives in archives that are opened; what is deeper meets uninspected.")
  package let archiveRatio = ConfigOption(
    "archive_ratio", default: ArchiveLimits().ratio, in: 10...100_000,
    help: """
      How many times its packed size an archive in an archive may have; one that grows more counts \
      as dangerous.
      """)

  package init() {}

  /// Where the notice is looked for.
  package static let noticePath = "/etc/mail/bms/attachment.txt"
}
