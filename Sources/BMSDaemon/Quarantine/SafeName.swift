// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// Names of files made from names that strangers chose.
package enum SafeName {
  /// The longest name, in bytes; file systems take 255.
  private static let longest = 150

  /// `prefix` and what is harmless of `name`: no separators, no control, invisible or
  /// direction-changing characters, nothing that a shell or a file system minds. Never empty, never
  /// beginning with a dot or hyphen when `prefix` does not.
  package static func file(_ prefix: String, _ name: MailText) -> String {
    var safe = prefix
    for scalar in String(decoding: name.bytes, as: UTF8.self).unicodeScalars {
      let isHarmless =
        scalar.isVisible && scalar.properties.generalCategory != .spaceSeparator
        && !"/\\:*?\"'<>|&;$`(){}[]!#~%".unicodeScalars.contains(scalar)
      let next = isHarmless ? String(scalar) : "_"
      guard safe.utf8.count + next.utf8.count <= longest else { break }
      safe += next
    }
    return safe
  }
}
