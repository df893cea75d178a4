// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Milter
package import Policy

/// The MTA's side of `bms.conf`: what `bmsd config mta` prints.
package struct MTALines {
  private let address: SocketAddress
  private let bites: Bool

  package init(_ configuration: Configuration, _ pipeline: PolicyPipeline) {
    self.init(
      configuration,
      bites: pipeline.modules.contains { $0.mode == .enforce && $0.isPolicy && $0.canRefuse })
  }

  /// The lines where modules do or do not enforce.
  init(_ configuration: Configuration, bites: Bool) {
    address = configuration.settings(MilterOptions.self).socket
    self.bites = bites
  }

  private static let queueFolder = "/var/spool/postfix/"

  /// Postfix's queue folder is the working directory of its daemons, chrooted or not, so a path
  /// below it is written relative to it.
  private var postfixAddress: String {
    if case .unix(let path) = address, path.hasPrefix(Self.queueFolder) {
      return "unix:" + path.dropFirst(Self.queueFolder.count)
    }
    return address.postfixDescription
  }

  /// Lines for main.cf, with the reason for each above it.
  package var postfix: [String] {
    var lines = ["# Postfix: /etc/postfix/main.cf"]
    if case .unix(let path) = address, !path.hasPrefix(Self.queueFolder) {
      lines += [
        "# Debian's smtpd runs in a chroot and does not see \(path);",
        "# set [milter] socket below \(Self.queueFolder), or chroot to n in master.cf.",
      ]
    }
    lines += whyAction.map { "# \($0)" }
    let action = bites ? "tempfail" : "accept"
    return lines + [
      "# Other milters stand behind bmsd, in the same line.",
      "smtpd_milters = { \(postfixAddress), default_action=\(action), command_timeout=30s }",
      "# Mail that does not come by SMTP: seen too, never refused at RCPT.",
      "non_smtpd_milters = $smtpd_milters",
      "# In master.cf, for the submission services:",
      "#   -o milter_macro_daemon_name=ORIGINATING",
    ]
  }

  /// Lines for sendmail.mc.
  package var sendmail: [String] {
    ["dnl Sendmail: /etc/mail/sendmail.mc"] + sendmailLines
  }

  /// The same, without saying where they belong.
  var sendmailLines: [String] {
    // Without F= Sendmail goes on unfiltered when the filter is away.
    let flag = bites ? "F=T, " : ""
    // Sendmail writes macros and command apart, and Nagle's algorithm holds back the second.
    let advice =
      address.isLocal ? [] : ["dnl Over inet each message takes some 90 ms more than over unix:."]
    return whyAction.map { "dnl \($0)" } + advice + [
      "INPUT_MAIL_FILTER(`bmsd', `S=\(address.sendmailDescription), \(flag)T=C:30s;S:30s;R:30s;E:5m')dnl"
    ]
  }

  private var whyAction: [String] {
    bites
      ? ["While bmsd is away mail waits at its sender: a module enforces."]
      : ["Nothing enforces yet: while bmsd is away mail goes on unfiltered."]
  }
}
