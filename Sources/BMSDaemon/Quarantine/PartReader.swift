// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Digests
internal import MIME
package import Mail

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

  /// The first part whose decoded content has that digest; nil when there is none.
  func part(
    with digest: SHA256Digest, of original: [UInt8], name: MailText?
  ) throws(DigestTrouble) -> DecodedPart?
}

/// Takes parts out as the filter that kept the message sees them.
package struct MIMEPartReader: PartReader {
  /// The most that is decoded, in bytes: as much as a message can hold that was kept.
  private static let longest = 1 << 30

  package init() {}

  package func part(
    _ number: String, of original: [UInt8], name: MailText?
  ) -> DecodedPart? {
    let tree = Self.tree(original)
    guard let part = tree.inOrder.first(where: { $0.number == number }) else { return nil }
    var decoder = tree.decoder(of: part)
    guard let content = decoder.content(limit: Self.longest) else { return nil }
    return Self.decoded(part, name, content)
  }

  package func part(
    with digest: SHA256Digest, of original: [UInt8], name: MailText?
  ) throws(DigestTrouble) -> DecodedPart? {
    let tree = Self.tree(original)
    // Parts in parts are decoded again for each that they are in.
    var room = tree.limits.work(forSize: original.count)
    for part in tree.inOrder {
      room -= part.body.count
      guard room >= 0 else { return nil }
      var decoder = tree.decoder(of: part)
      guard let content = decoder.content(limit: Self.longest),
        try SHA256.digest(of: content) == digest
      else { continue }
      return Self.decoded(part, name, content)
    }
    return nil
  }

  private static func decoded(
    _ part: MIMEPart, _ name: MailText?, _ content: [UInt8]
  ) -> DecodedPart {
    var name = name ?? MailText(part.names.first?.text ?? "")
    if name.bytes.isEmpty { name = MailText("part" + ending(part)) }
    return DecodedPart(name: name, content: content)
  }

  /// How a file is called whose part has no name: by what it is, and never as what could run.
  private static func ending(_ part: MIMEPart) -> String {
    switch part.kind {
    case .message: ".eml"
    case .leaf where part.type.name == "text/html": ".html"
    case .leaf where part.type.isText: ".txt"
    case .leaf, .embedded, .multipart: ".bin"
    }
  }

  /// With limits that no filter's are above, whatever it was configured with when it kept the
  /// message.
  private static func tree(_ original: [UInt8]) -> MIMETree {
    var limits = MIMELimits()
    limits.depth = 1000
    limits.parts = 1_000_000
    limits.headerBytes = 64 << 20
    limits.namesPerPart = 100_000
    // Messages in messages get smaller with each decoding; only odd readings take more than this.
    limits.decodedBytes = max(limits.decodedBytes, original.count &* 8)
    return MIMETree(original, limits: limits)
  }
}
