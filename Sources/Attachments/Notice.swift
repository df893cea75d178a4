// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import MIME

/// The text that takes the place of a part.
package struct Notice: Sendable, Equatable {
  /// What the recipient reads; lines end in LF.
  package var text: String
  /// Whether the text is HTML.
  package var isHTML: Bool

  /// A notice in plain text, or in HTML.
  package init(_ text: String, isHTML: Bool = false) {
    self.text = text
    self.isHTML = isHTML
  }

  /// The fields of a part that holds the notice, without line ends. The text is encoded so that no
  /// line of it can be taken for a delimiter.
  var fields: [String] {
    [
      "Content-Type: text/\(isHTML ? "html" : "plain"); charset=utf-8",
      "Content-Transfer-Encoding: quoted-printable",
      "Content-Disposition: inline",
    ]
  }

  /// The body under these fields.
  func body(_ lineEnd: [UInt8]) -> [UInt8] {
    ContentEncoder.encode(lines(Array(text.utf8), lineEnd), .quotedPrintable, lineEnd: lineEnd)
  }

  /// The notice as lines in the middle of a text of which nothing is known but that it has lines: in
  /// ASCII, and none that begins a file or a delimiter.
  func inline(_ lineEnd: [UInt8]) -> [UInt8] {
    let ascii = text.unicodeScalars.map { $0.isASCII ? UInt8(truncatingIfNeeded: $0.value) : 0x3F }
    let quoted = ascii.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
      Array("[ ".utf8) + line.filter { $0 >= 0x20 && $0 != 0x7F } + Array(" ]".utf8)
    }
    return Array(quoted.joined(separator: lineEnd)) + lineEnd
  }

  private func lines(_ text: [UInt8], _ lineEnd: [UInt8]) -> [UInt8] {
    Array(
      text.filter { $0 != 0x0D }.split(separator: 0x0A, omittingEmptySubsequences: false)
        .joined(separator: lineEnd))
  }
}
