// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What a Content-Type field says (RFC 2045 §5).
package struct ContentType: Sendable, Hashable {
  /// Type and subtype in lower case, `multipart/mixed`; empty when the field has none.
  package var name: String
  /// The texts that a mail program may take for the boundary, the most correct first.
  package var boundaries: [[UInt8]] = []
  /// Whether there are more boundaries than are looked for.
  var leavesOutBoundaries = false
  /// The charset in lower case.
  package var charset: String?

  /// Whether it is any multipart.
  package var isMultipart: Bool {
    name == "multipart" || name.hasPrefix("multipart/") || name == Self.sunAttachment
  }
  /// Whether it is text of any kind.
  package var isText: Bool { name == "text" || name.hasPrefix("text/") }

  /// Whether the body is a message with a header of its own.
  package var isMessage: Bool {
    guard name.hasPrefix("message/") || name == "message" else { return false }
    // Reports about a delivery consist of groups of fields, none of which describes content.
    return ![
      "message/delivery-status", "message/disposition-notification", "message/feedback-report",
      "message/global-delivery-status", "message/global-disposition-notification",
      "message/tracking-status",
    ].contains(name)
  }

  /// Whether mail programs know the type as that of a whole message; of other types below `message/`
  /// they make a file.
  package var isWholeMessage: Bool {
    ["message/rfc822", "message/global", "message/news", "message"].contains(name)
  }

  /// What a part without Content-Type is (RFC 2045 §5.2).
  static let standard = ContentType(name: "text/plain")

  init(name: String) { self.name = name }

  /// Reads an unfolded field. However many parameters come before it, the boundary is found. Adds to
  /// `cost` how many bytes were looked at.
  init(field value: ArraySlice<UInt8>, cost: inout Int) {
    let readings = ParameterizedValue.readings(
      value, limit: Self.mostParameters, wanted: Self.boundaryName)
    name = readings.first?.word ?? ""
    var seen: Set<[UInt8]> = []
    var all: [[UInt8]] = []
    for reading in readings {
      let parameters = Parameters(reading.parameters)
      cost &+= value.count &+ parameters.cost
      leavesOutBoundaries =
        leavesOutBoundaries || reading.leavesOutWanted || parameters.isOverLimit
      charset =
        charset
        ?? parameters.values(of: "charset").first.map {
          String(decoding: $0.bytes.filter { $0 != 0x22 }, as: UTF8.self).lowercased()
        }
      for value in parameters.values(of: Self.boundaryName) {
        for boundary in Self.readings(ofBoundary: value.bytes)
        where seen.insert(boundary).inserted { all.append(boundary) }
      }
    }
    // Mail of Sun's Mailtool, which Thunderbird reads, has a delimiter of ten hyphens.
    if name == Self.sunAttachment { all.append([UInt8](repeating: 0x2D, count: 8)) }
    // Of several parameters programs take the first or the last.
    if all.count > Self.mostBoundaries {
      leavesOutBoundaries = true
      all = all.prefix(Self.mostBoundaries &- 1) + all.suffix(1)
    }
    boundaries = all
  }

  private static let boundaryName = "boundary"
  private static let mostParameters = 100
  private static let mostBoundaries = 8
  private static let sunAttachment = "x-sun-attachment"
  /// RFC 2046 §5.1.1: a boundary has at most 70 characters; programs with a buffer of that size cut.
  private static let longestBoundary = 70

  /// White space at its end never counts (RFC 2046 §5.1.1). RFC 2046 allows no empty boundary, but
  /// some programs split at lines of two hyphens then. Some programs take quotes within the
  /// quotes, or angle brackets, off as well.
  private static func readings(ofBoundary bytes: [UInt8]) -> [[UInt8]] {
    var text = bytes[...]
    while text.last?.isSpace == true { text = text.dropLast() }
    guard !text.isEmpty else { return [[]] }
    var readings = [Array(text)]
    // A program in C sees the text up to the NUL.
    if let end = text.firstIndex(of: 0) { readings.append(Array(text[..<end])) }
    for (open, close) in [(UInt8(0x22), UInt8(0x22)), (0x27, 0x27), (0x3C, 0x3E)]
    where text.count > 2 && text.first == open && text.last == close {
      readings.append(Array(text.dropFirst().dropLast()))
    }
    let unquoted = text.filter { $0 != 0x22 && $0 != 0x5C }
    if unquoted.count != text.count, !unquoted.isEmpty { readings.append(Array(unquoted)) }
    if text.count > longestBoundary { readings.append(Array(text.prefix(longestBoundary))) }
    if EncodedWord.occurs(in: text) { readings.append(Array(EncodedWord.decode(text).utf8)) }
    return readings
  }
}
