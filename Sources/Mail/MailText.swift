// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Bytes that came from a peer: a HELO name, an address, a header value.
///
/// SMTP text is bytes, not Unicode: turning 0xE9 into a `String` and back makes three other bytes
/// of it, and the MTA would no longer recognise the recipient to delete or the header to change.
/// So the bytes are kept as they came, and `description` is for people only.
public struct MailText: Sendable, Hashable {
  /// The bytes as they came, without a terminating NUL.
  public var bytes: [UInt8]

  /// Keeps `bytes` as they are.
  public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  /// The UTF-8 bytes of `text`.
  public init(_ text: String) { bytes = Array(text.utf8) }

  /// Whether there is no byte at all.
  public var isEmpty: Bool { bytes.isEmpty }

  /// The text with ASCII letters in lower case; other bytes stay.
  public var lowercased: MailText {
    MailText(bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 })
  }
}

extension MailText: CustomStringConvertible {
  /// The text for people: bytes that are not UTF-8 become U+FFFD, so this is not reversible.
  public var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension MailText: ExpressibleByStringLiteral {
  /// The UTF-8 bytes of the literal.
  public init(stringLiteral value: String) { self.init(value) }
}
