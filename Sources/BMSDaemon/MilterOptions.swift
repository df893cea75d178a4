// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Configuration
public import Milter

/// `[milter]`: how the MTA reaches us.
package struct MilterOptions: Section {
  package static let name = "milter"
  package static let summary = "Where the MTA reaches bmsd, and how many sessions it may open"

  package let socket = ConfigOption(
    "socket", default: SocketAddress.unix(path: "/run/bms/bms.sock"),
    shipped: SocketAddress.unix(path: "/var/spool/postfix/bms/bms.sock"),
    formerly: ["socketname"], needsRestart: true,
    help: """
      unix:PATH, inet:PORT@ADDRESS or inet6:PORT@ADDRESS. Debian's smtpd runs in a chroot, so \
      for Postfix a unix socket must lie below /var/spool/postfix. `bmsd config mta` prints the \
      MTA's side. Under systemd bmsd.socket listens: it must say the same.
      """)
  package let socketMode = ConfigOption(
    "socket_mode", default: FileMode(0o660), needsRestart: true,
    help: "Permissions of a unix socket, octal. The MTA must be able to write to it.")
  package let socketGroup = ConfigOption(
    "socket_group", default: "", needsRestart: true,
    help: """
      Group of a unix socket, by name: postfix for Postfix, smmsp for Sendmail. Empty: as the \
      folder or the process has it.
      """)
  package let timeout = ConfigOption(
    "timeout", default: TimeSpan.seconds(600), in: .seconds(10) ... .hours(2), unit: "s",
    needsRestart: true,
    help: """
      How long a read from or a write to the MTA may take. Must be longer than a \
      client may stay silent between two commands (Postfix's smtpd_timeout, 300s).
      """)
  package let maximumSessions = ConfigOption(
    "max_sessions", default: 3000, in: 1...30_000,
    help: """
      How many sessions may be open at once; more are answered 451 4.3.2. Keep it above the \
      MTA's own process limit.
      """)
  package let maximumMessage = ConfigOption(
    "max_message", default: ByteSize.megabytes(64), in: .kilobytes(64) ... .megabytes(1024),
    help: """
      The largest message that is looked into. Larger ones stream past, and [defang] uninspected \
      says what becomes of them. Keep it above the MTA's own limit (Postfix's message_size_limit).
      """)
  package let maximumMemory = ConfigOption(
    "max_memory", default: ByteSize.megabytes(512), in: .megabytes(16) ... .gigabytes(64),
    help: """
      How much all messages that are looked into may take together while they come in; what finds \
      no room is deferred. Looking into a message takes as much again for a moment.
      """)
  package let drain = ConfigOption(
    "drain", default: TimeSpan.seconds(30), in: .seconds(0) ... .minutes(10), unit: "s",
    help: """
      How long messages under way may take to finish when bmsd is stopped; no new ones begin \
      meanwhile.
      """)

  package init() {}
}

extension SocketAddress: OptionValue {
  /// The word for the manual.
  public static var kind: String { "socket address" }
  /// The spellings, for the manual.
  public static var syntax: String {
    "unix:PATH, local:PATH or an absolute path; inet:PORT@ADDRESS or inet:ADDRESS:PORT; "
      + "inet6:PORT@ADDRESS."
  }

  /// Reads one of the spellings of libmilter or Postfix.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    guard let address = SocketAddress(text) else {
      throw ValueError(
        "\"\(text)\" is no socket address; write unix:/absolute/path (at most "
          + "\(SocketAddress.maximumPathLength) bytes), inet:PORT@ADDRESS or inet6:PORT@ADDRESS")
    }
    self = address
  }

  /// libmilter's spelling.
  public var text: String { description }
}
