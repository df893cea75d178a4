// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension MIMETree {
  /// Whether a part is the text that every program shows as the message, or as the message that it is
  /// in, and that none gives out as a file: plain text or HTML that comes first, or as the first of
  /// its type among alternatives, and is not called an attachment.
  package func isShownText(_ part: MIMEPart) -> Bool {
    guard part.kind == .leaf, Self.shownTexts.contains(part.type.name), part.hasOneType,
      isInline(part)
    else { return false }
    var part = part
    while let parent = part.parent.flatMap({ self[$0] }), parent.kind != .message {
      let rival = parent.children.prefix(Self.mostAlternatives).lazy.compactMap { self[$0] }
        .first { child in
          parent.type.name != "multipart/alternative" || child.type.name == part.type.name
        }
      // Readings of the same bytes stand in the same place.
      guard parent.kind == .multipart, isInline(parent), rival?.group == part.group else {
        return false
      }
      part = parent
    }
    return true
  }

  /// Whether a part is a picture that is shown where it stands.
  package func isShownImage(_ part: MIMEPart) -> Bool {
    part.kind == .leaf && part.type.name.hasPrefix("image/") && part.hasOneType && isInline(part)
  }

  /// Programs choose among the first few alternatives.
  private static let mostAlternatives = 8
  private static let shownTexts: Set<String> = ["text/plain", "text/html"]

  // RFC 2183 §2.
  /// Whether nothing but `inline` is said about how the part is to be shown.
  private func isInline(_ part: MIMEPart) -> Bool {
    let buffer = buffer(of: part)
    return part.fields.allSatisfy { field in
      field.name != .disposition
        || ParameterizedValue(buffer.unfolded(field.position), limit: 0).word == "inline"
    }
  }
}
