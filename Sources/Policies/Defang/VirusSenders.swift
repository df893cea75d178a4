// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Mail
internal import Policy

/// `reject_virus_from`: senders whose dangerous mail is refused, by domain or by address.
struct VirusSenders: Sendable {
  /// Domains, and addresses with `@`, in lower case.
  private var items: Set<MailText> = []

  static let option = "defang.reject_virus_from"

  init(_ list: TextList) throws(SetupError) {
    for item in list.items {
      guard let key = Self.key(item) else {
        throw SetupError(
          option: Self.option,
          "\"\(item)\" would match nobody: write example.com for all of a domain, or "
            + "ann@example.com, with commas between them")
      }
      items.insert(key)
    }
  }

  func contains(_ sender: Mailbox) -> Bool {
    guard !items.isEmpty, let domain = sender.domain?.lowercased else { return false }
    return items.contains(domain) || items.contains(Self.key(sender.localPart, domain))
  }

  /// What an item is compared by; nil for what no envelope sender has.
  private static func key(_ item: String) -> MailText? {
    let text = MailText(item).lowercased
    guard text.bytes.contains(UInt8(ascii: "@")) else { return isDomain(text) ? text : nil }
    guard text.bytes.first != UInt8(ascii: "@") else {
      let domain = MailText(text.bytes.dropFirst())
      return isDomain(domain) ? domain : nil
    }
    let mailbox = Mailbox(envelope: text)
    guard let domain = mailbox.domain, isDomain(domain), !mailbox.localPart.isEmpty,
      text.bytes.first == UInt8(ascii: "\"")
        || mailbox.localPart.bytes.allSatisfy({ $0 > 0x20 && !isSpecial($0) })
    else { return nil }
    return key(mailbox.localPart, domain)
  }

  private static func key(_ localPart: MailText, _ domain: MailText) -> MailText {
    MailText(localPart.lowercased.bytes + [UInt8(ascii: "@")] + domain.bytes)
  }

  /// A name of labels, or an address in brackets (RFC 5321 §4.1.2); one of a single label, too.
  private static func isDomain(_ text: MailText) -> Bool {
    if text.bytes.first == UInt8(ascii: "["), text.bytes.last == UInt8(ascii: "]") { return true }
    return text.bytes.allSatisfy { $0 > 0x20 && !isSpecial($0) }
      && text.bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        .allSatisfy { (1...63).contains($0.count) }
  }

  /// What stands unquoted neither in a local part nor in a domain; patterns look like this.
  private static func isSpecial(_ byte: UInt8) -> Bool {
    byte == 0x7F || "*@<>()[],;:\\\"/".utf8.contains(byte)
  }
}
