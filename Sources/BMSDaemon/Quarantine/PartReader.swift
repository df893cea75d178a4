// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// A part of a message, decoded.
package struct DecodedPart: Sendable {
  /// The name that it has, empty for none.
  package var name: MailText
  /// Its media type.
  package var type: MailText
  package var content: [UInt8]

  package init(name: MailText, type: MailText, content: [UInt8]) {
    self.name = name
    self.type = type
    self.content = content
  }
}

/// Takes one part out of a message.
package protocol PartReader: Sendable {
  /// The part of that number, as `1.2`; nil when there is none.
  func part(_ number: String, of original: [UInt8]) -> DecodedPart?
}
