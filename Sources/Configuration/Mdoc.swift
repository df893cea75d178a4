// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// Plain text as mdoc(7) wants it, for the manual pages that are made from tables.
extension String {
  /// Literal text for roff: backslashes doubled in effect, dashes that can be copied.
  package var mdocDashes: String {
    var result = ""
    for character in self {
      switch character {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      default: result.append(character)
      }
    }
    return result
  }

  /// A text line that is no request, whatever it starts with.
  package var mdocText: String {
    let text = mdocDashes
    return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
  }

  /// One argument of a macro, or several, none of which is taken for a macro or punctuation.
  package var mdocArgument: String {
    split(separator: " ").map { word in
      var text = String(word).mdocDashes.split(separator: "\"", omittingEmptySubsequences: false)
        .joined(separator: "\\(dq")
      if text.count <= 3 { text = "\\&" + text }
      return text
    }.joined(separator: " ")
  }

  /// Text lines, one for each sentence, as mdoc wants them.
  package var mdocSentences: [String] {
    var lines: [String] = []
    var words: [Substring] = []
    for word in split(separator: " ") {
      words.append(word)
      if let last = word.last, ".?!".contains(last), word.count > 2 {
        lines += words.joined(separator: " ").wrapped(to: 79, indent: "")
        words = []
      }
    }
    lines += words.joined(separator: " ").wrapped(to: 79, indent: "")
    return lines.map(\.mdocText)
  }
}
