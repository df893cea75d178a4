// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Mail

/// A set of mail addresses as an option: mailboxes, whole domains, local parts at any domain.
///
/// Domains and local parts are compared without regard to ASCII case: RFC 5321 §2.4 lets hosts
/// tell `Smith` from `smith`, but hardly any does, and lists are written by people. Look-ups are by
/// hash, so that sets of hundreds of thousands are as quick as small ones.
public struct AddressSet: Sendable, Equatable {
  /// The items as written, `file:PATH` ones unread.
  public let items: [String]

  private var mailboxes: Set<MailText> = []
  private var domains: Set<MailText> = []
  private var localParts: Set<MailText> = []

  /// The empty set.
  public init() { items = [] }

  /// Whether nothing was written. A set whose only file lists nothing is not empty: it was meant
  /// to hold somebody, and where blank means "all" it must not.
  public var isEmpty: Bool { items.isEmpty }

  /// How many mailboxes, domains and local parts the set names, those from files included.
  public var count: Int { mailboxes.count + domains.count + localParts.count }

  /// Whether the set holds the mailbox, its domain, or its local part. The null reverse-path and
  /// addresses without a domain are matched by local-part items only; `<>` by none.
  public func contains(_ mailbox: Mailbox) -> Bool {
    if mailbox.isNull || isEmpty { return false }
    let localPart = mailbox.localPart.lowercased
    if localParts.contains(localPart) { return true }
    guard let domain = mailbox.domain?.lowercased else { return false }
    return domains.contains(domain) || mailboxes.contains(Self.key(localPart, domain))
  }

  /// Local part and domain in one key; LF is in neither, for no item or SMTP line holds one.
  private static func key(_ localPart: MailText, _ domain: MailText) -> MailText {
    var bytes = localPart.bytes
    bytes.reserveCapacity(bytes.count + 1 + domain.bytes.count)
    bytes.append(0x0A)
    bytes.append(contentsOf: domain.bytes)
    return MailText(bytes)
  }

  /// Adds one item, given as bytes; returns what is wrong with it, or nil.
  private mutating func add(_ item: ArraySlice<UInt8>) -> String? {
    let at = UInt8(ascii: "@")
    let name = String(decoding: item, as: UTF8.self)
    if item.contains(where: { $0 == 0x20 || $0 == 0x09 }), item.first != UInt8(ascii: "\"") {
      return "\(name.quotedForFault) holds white space: put commas between addresses"
    }
    if item.contains(UInt8(ascii: "*")) {
      return "\(name.quotedForFault) would match nothing: write @example.org for a whole domain, "
        + "user@ for a user of any"
    }
    if item.contains(UInt8(ascii: ";")) {
      return "\(name.quotedForFault) holds a semicolon: put commas between addresses"
    }
    let folded = MailText(item).lowercased.bytes[...]
    if folded.last == at, folded.count == 1 || folded.first != at {
      // Unquoted as an address would be, so that it equals the local part of one.
      let local = Mailbox(envelope: MailText(folded + [UInt8(ascii: "x")])).localPart
      guard !local.isEmpty else { return "'@' is no address: write user@example.org" }
      localParts.insert(local)
      return nil
    }
    let mailbox = Mailbox(envelope: MailText(folded))
    guard let domain = mailbox.domain else {
      guard name.utf8.count <= 255 else {
        return "\(name.quotedForFault) has no '@' and is too long for an address"
      }
      let hint = name.contains(".") ? "@\(name) for the whole domain, or " : ""
      return "\(name.quotedForFault) has no '@': write \(hint)\(name)@ for that local part at any "
        + "domain, or a full address"
    }
    if mailbox.localPart.isEmpty {
      domains.insert(domain)
    } else {
      mailboxes.insert(Self.key(mailbox.localPart, domain))
    }
    return nil
  }

  /// Adds what a file lists: items separated by white space or commas; from `#` on, a line is a
  /// comment where it begins a word.
  private mutating func add(contentsOf bytes: [UInt8], path: String) throws(ValueError) {
    var number = 0
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      number += 1
      for word in line.split(whereSeparator: { $0 <= 0x20 || $0 == UInt8(ascii: ",") }) {
        if word.first == UInt8(ascii: "#") { break }
        if let fault = add(word) { throw ValueError("\(path):\(number): \(fault)") }
      }
    }
  }
}

extension AddressSet: ExpressibleByArrayLiteral {
  /// The set of these items; faulty ones and files are left out, so use it for defaults only,
  /// where the table's check finds the loss.
  public init(arrayLiteral elements: String...) {
    items = elements
    for element in elements { _ = add(Array(element.utf8)[...]) }
  }
}

extension AddressSet: OptionValue {
  /// The name of the kind.
  public static var kind: String { "address set" }
  /// How a set is written.
  public static var syntax: String {
    "Items separated by commas: user@example.org, @example.org for the whole domain, user@ for "
      + "that local part at any domain, or file:PATH for a file of such items, one a line or "
      + "separated by white space, where lines that start with # are comments; a relative path "
      + "starts at the folder of the configuration file. Case does not matter."
  }

  /// Reads a comma-separated list, and the files that it names.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    items = text.listItems
    for item in items {
      if item.lowercased().hasPrefix("file:") {
        let path = String(item.dropFirst(5)).trimmed
        guard !path.isEmpty else {
          throw ValueError("'file:' names no file: write file:PATH")
        }
        let bytes: [UInt8]
        do {
          bytes = try context.read(context.resolve(path))
        } catch {
          throw ValueError("\(context.resolve(path)): cannot be read: \(error)")
        }
        try add(contentsOf: bytes, path: context.resolve(path))
      } else if let fault = add(Array(item.utf8)[...]) {
        throw ValueError(fault)
      }
    }
  }

  /// The items as written.
  public var text: String { items.joined(separator: ", ") }
}
