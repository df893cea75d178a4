// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
package import Mail

/// Who claims to send, from where (the arguments of check_host(), RFC 7208 §4.1).
package struct SPFQuery: Sendable {
  /// What the domain was taken from (RFC 7208 §2.3, §2.4).
  package enum Identity: String, Sendable {
    case mailFrom = "mailfrom"
    case helo
  }

  /// The address of the SMTP client; an IPv4-mapped one is IPv4 (RFC 7208 §5).
  package let client: IPAddress
  package let identity: Identity
  /// The sender that is checked: for HELO, and for the null reverse-path, `postmaster` at the HELO
  /// name (RFC 7208 §2.4); a sender without local part is `postmaster` too (RFC 7208 §4.3).
  package let sender: Mailbox
  /// The name that the client gave with HELO or EHLO; empty without one.
  package let helo: MailText
  /// The name of the host that checks, for the macro `r`; nil is `unknown`.
  package let receiver: MailText?

  /// Checks the reverse-path of MAIL.
  package init(
    client: IPAddress, mailFrom: Mailbox, helo: MailText, receiver: MailText? = nil
  ) {
    guard !mailFrom.isNull else {
      self.init(client: client, helo: helo, receiver: receiver)
      return
    }
    let hasLocalPart = !mailFrom.localPart.isEmpty
    self.init(
      client: client, identity: .mailFrom,
      sender: hasLocalPart
        ? mailFrom : Mailbox(localPart: Self.postmaster, domain: mailFrom.domain),
      helo: helo, receiver: receiver)
  }

  /// Checks the name of HELO.
  package init(client: IPAddress, helo: MailText, receiver: MailText? = nil) {
    self.init(
      client: client, identity: .helo,
      sender: Mailbox(localPart: Self.postmaster, domain: helo.isEmpty ? nil : helo), helo: helo,
      receiver: receiver)
  }

  private init(
    client: IPAddress, identity: Identity, sender: Mailbox, helo: MailText, receiver: MailText?
  ) {
    self.client = client
    self.identity = identity
    self.sender = sender
    self.helo = helo
    self.receiver = receiver
  }

  private static let postmaster: MailText = "postmaster"
}
