// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Addressing
public import Mail

/// How a mail becomes a triplet: what of its envelope and client counts.
public struct TripletKeys: Sendable, Equatable {
  /// How many leading bits of an IPv4 address are the origin's network.
  public var network4: Int
  /// How many leading bits of an IPv6 address are the origin's network.
  public var network6: Int
  /// Whether what varies from mail to mail in a sender's address is left out.
  public var folds: Bool
  /// Whether the recipient counts; if not, its key is `*`.
  public var countsRecipient: Bool

  /// The longest key, in bytes; a longer one is cut and told apart by a hash.
  public static let maximumLength = 256
  /// The key of every recipient where the message counts.
  public static let anyRecipient = "*"

  /// Keys made in this way; lengths of networks are clamped to the address family.
  public init(
    network4: Int = 24, network6: Int = 64, folds: Bool = true, countsRecipient: Bool = true
  ) {
    self.network4 = network4
    self.network6 = network6
    self.folds = folds
    self.countsRecipient = countsRecipient
  }

  /// The network of a client, `192.0.2.0/24`.
  public func origin(of address: IPAddress) -> String {
    "\(IPNetwork(address, prefixLength: address.isIPv4 ? network4 : network6))"
  }

  /// An authenticated domain as origin: in lower case, without the final dot.
  public func origin(ofDomain domain: String) -> String {
    var bytes = MailText(domain).lowercased.bytes
    if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
    return Self.bounded(MailText(bytes))
  }

  /// The key of a reverse-path; empty for `<>`.
  ///
  /// Safe to print: bytes that are no visible text stand as `\xNN`.
  public func sender(_ mailbox: Mailbox) -> String {
    guard !mailbox.isNull else { return "" }
    let lowered = Self.lowered(mailbox)
    guard folds else { return Self.bounded(lowered.address) }
    let local = SenderFolding.localPart(lowered.localPart.bytes)
    let domain = lowered.domain.map { MailText(SenderFolding.domain($0.bytes)) }
    return Self.bounded(Mailbox(localPart: MailText(local), domain: domain).address)
  }

  /// The key of a forward-path: its address in lower case, or `*` where the message counts.
  public func recipient(_ mailbox: Mailbox) -> String {
    countsRecipient ? Self.bounded(Self.lowered(mailbox).address) : Self.anyRecipient
  }

  private static func lowered(_ mailbox: Mailbox) -> Mailbox {
    Mailbox(localPart: mailbox.localPart.lowercased, domain: mailbox.domain?.lowercased)
  }

  /// `text` for people, cut to `maximumLength`.
  static func bounded(_ text: MailText) -> String {
    guard text.bytes.count > maximumLength else {
      let key = text.description
      // Escapes may take four bytes for one.
      return key.utf8.count <= maximumLength ? key : cut(key, hash(text.bytes))
    }
    let key = MailText(text.bytes.prefix(maximumLength)).description
    return cut(key, hash(text.bytes))
  }

  private static func cut(_ key: String, _ hash: UInt64) -> String {
    var head = ""
    for character in key.unicodeScalars {
      guard head.utf8.count < maximumLength - 24 else { break }
      head.unicodeScalars.append(character)
    }
    return "\(head)~\(String(hash, radix: 16))"
  }

  /// FNV-1a. Whoever finds two addresses of one hash shares a triplet with himself.
  private static func hash(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
