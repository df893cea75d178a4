// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Digests
package import Mail
internal import Store

/// What a released message carries in its first header field, so that the filter lets it pass once.
///
/// It names a release of the index; the code over what it was made for proves that it is ours. The
/// digest of the message stands in the index and not in the token: nothing in the token tells what
/// would have to be forged.
package struct ReleaseToken: Sendable, Equatable {
  /// The field that carries it.
  package static let fieldName = "X-BMS-Release"

  /// The release in the index: 32 hexadecimal digits.
  package let id: String
  /// The original's reference.
  package let reference: String
  /// When it ends, in seconds since 1970.
  package let until: Int64
  /// How many of the fields that follow are part of the message's digest; the MTA may have added
  /// others behind them.
  package let fields: Int
  /// HMAC-SHA256 over all that and the message's digest and recipients.
  let code: [UInt8]

  /// The longest value that is read, in bytes.
  private static let longest = 300

  /// Makes the token of a release.
  init(_ release: Release, key: [UInt8]) throws(DigestTrouble) {
    id = release.id
    reference = release.reference
    until = release.until / 1000
    fields = release.fields
    code = try Self.code(of: release, key: key)
  }

  /// Reads the value of a field; nil when it is not written as `value` writes it.
  package init?(_ value: MailText) {
    guard value.bytes.count <= Self.longest else { return nil }
    let text = String(decoding: value.bytes.filter { $0 > 0x20 && $0 < 0x7F }, as: UTF8.self)
    let parts = text.split(separator: ";", omittingEmptySubsequences: false)
    let names = ["v=1", "ref=", "id=", "until=", "fields=", "mac="]
    guard parts.count == names.count, zip(parts, names).allSatisfy({ $0.hasPrefix($1) }) else {
      return nil
    }
    let values = zip(parts, names).map { $0.dropFirst($1.count) }
    guard values.count == names.count, values[0].isEmpty,
      FileName.message(String(values[1])) != nil,
      Hexadecimal.bytes(values[2])?.count == 16, let until = Int64(values[3]),
      let fields = Int(values[4]), fields >= 0, let code = Hexadecimal.bytes(values[5]),
      code.count == SHA256.length
    else { return nil }
    reference = String(values[1])
    id = String(values[2])
    self.until = until
    self.fields = fields
    self.code = code
  }

  /// The value of the field, folded once: `v=1; ref=...; id=...; until=...; fields=...;` and `mac=`.
  /// The fold is CRLF and a space.
  package var value: MailText {
    MailText(
      "v=1; ref=\(reference); id=\(id); until=\(until); fields=\(fields);\r\n mac="
        + Hexadecimal.text(code))
  }

  /// Whether it says what the release says, and its code is ours.
  func isGenuine(for release: Release, key: [UInt8]) throws(DigestTrouble) -> Bool {
    let isSame =
      release.reference == reference && release.until / 1000 == until && release.fields == fields
    return HMAC.areEqual(try Self.code(of: release, key: key), code) && isSame
  }

  private static func code(of release: Release, key: [UInt8]) throws(DigestTrouble) -> [UInt8] {
    var text = Array(
      """
      bmsd release 1
      \(release.id)
      \(release.reference)
      \(release.until / 1000)
      \(release.fields)
      \(release.digest)

      """.utf8)
    // Each with its length before it: no two lists read alike.
    for recipient in normalised(release.recipients) {
      text += Array("\(recipient.bytes.count):".utf8) + recipient.bytes + [0x0A]
    }
    return try HMAC.sha256(text, key: key)
  }

  /// Recipients without regard to order, brackets and the case of domains.
  static func normalised(_ recipients: [MailText]) -> [MailText] {
    let addresses = recipients.map { path -> MailText in
      let mailbox = Mailbox(envelope: path)
      return Mailbox(localPart: mailbox.localPart, domain: mailbox.domain?.lowercased).address
    }
    return Set(addresses).sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }
}
