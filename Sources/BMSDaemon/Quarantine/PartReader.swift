// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail
internal import MIME

/// A part of a message, decoded.
package struct DecodedPart: Sendable {
  /// The name that it has, empty for none.
  package var name: MailText
  package var content: [UInt8]

  package init(name: MailText, content: [UInt8]) {
    self.name = name
    self.content = content
  }
}

/// Takes one part out of a message.
package protocol PartReader: Sendable {
  /// The part of that number, as `1.2`, by the name that it is known under; nil when there is none.
  func part(_ number: String, of original: [UInt8], name: MailText?) -> DecodedPart?
}

/// Takes parts out as the filter that kept the message sees them.
package struct MIMEPartReader: PartReader {
  /// The most that is decoded, in bytes: as much as a message can hold that was kept.
  private static let longest = 1 << 30

  package init() {}

  package func part(
    _ number: String, of original: [UInt8], name: MailText?
  ) -> DecodedPart? {
    let tree = MIMETree(original)
    guard let part = tree.inOrder.first(where: { $0.number == number }) else { return nil }
    var decoder = tree.decoder(of: part)
    guard let content = decoder.content(limit: Self.longest) else { return nil }
    return DecodedPart(name: name ?? MailText(part.names.first?.text ?? ""), content: content)
  }
}
