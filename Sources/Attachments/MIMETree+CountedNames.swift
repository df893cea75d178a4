// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import MIME

extension MIMETree {
  /// Whether a text about a part can become the name of a file.
  ///
  /// Exchange names an attachment by its Content-Description where nothing else does ([MS-OXCMAIL]
  /// §2.2.3.4.1.1), so that a description counts of all that could be an attachment, prose or not. No
  /// program saves the text that it shows as the message under its description: there, more than
  /// one word is prose. Content-ID is what the HTML calls a picture by, and no program is known
  /// that makes a name of it; it counts unless the picture is shown in its place. A parameter that
  /// no RFC has for a name counts, since worms have used such; where there is a name of a file as
  /// well, more than one word in it is prose: `title="How to mend kernel32.dll"`.
  func counts(_ name: PartName, of part: MIMEPart) -> Bool {
    switch name.origin {
    case .field(.description): !(Self.isProse(name.text) && isShownText(part))
    case .field(.id): !isShownImage(part)
    case .parameter(_, let parameter) where !parameter.isEmpty && !parameter.contains("name"):
      !(Self.isProse(name.text) && part.names.contains(where: \.isFileName))
    default: true
    }
  }

  /// Whether there is more than one word.
  private static func isProse(_ text: String) -> Bool {
    text.split(maxSplits: 1) { $0.isWhitespace }.count > 1
  }
}
