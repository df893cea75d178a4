// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MIME

extension MIMETree {
  /// A message written with LF, read with CRLF.
  init(lines text: String, limits: MIMELimits = MIMELimits()) {
    self.init(Array(text.replacing("\n", with: "\r\n").utf8), limits: limits)
  }

  /// Each part: number, kind or type, content of leaves up to 40 bytes.
  var outline: [String] {
    inOrder.map { part in
      var decoder = decoder(of: part)
      let content = String(
        decoding: (decoder.content(limit: 1 << 20) ?? []).prefix(40), as: UTF8.self)
      return switch part.kind {
      case .leaf: "\(part.number) \(part.type.name) \"\(content)\""
      case .embedded: "\(part.number) embedded \"\(content)\""
      case .message, .multipart: "\(part.number) \(part.kind)"
      }
    }
  }

  /// The texts of all names, in order, each once.
  var nameTexts: [String] {
    var texts: [String] = []
    for name in parts.flatMap(\.names) where !texts.contains(name.text) { texts.append(name.text) }
    return texts
  }

  /// The ambiguities of all parts.
  var ambiguities: [Ambiguity] {
    findings.compactMap {
      guard case .ambiguous(let ambiguity) = $0 else { return nil }
      return ambiguity
    }
  }

  /// The limits that were met.
  var limitsMet: [MIMELimit] {
    findings.compactMap {
      guard case .notInspected(let limit) = $0 else { return nil }
      return limit
    }
  }
}
