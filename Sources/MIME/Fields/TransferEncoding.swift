// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// How the bytes of a body stand for its content (RFC 2045 §6).
package enum TransferEncoding: String, Sendable, Hashable, CaseIterable {
  /// 7bit, 8bit, binary, none and everything unknown: as it stands.
  case identity
  /// Base64, read on behind padding.
  case base64
  /// Base64 up to its first padding.
  case base64UpToPadding = "base64-up-to-padding"
  case quotedPrintable = "quoted-printable"
  /// The lines between `begin` and `end`.
  case uuencode

  /// What mail programs make of the value of a Content-Transfer-Encoding field, the likeliest first,
  /// and whether RFC 2045 knows it.
  static func readings(_ value: ArraySlice<UInt8>) -> (encodings: [Self], isKnown: Bool) {
    let word = ParameterizedValue(value, limit: 1).word
    switch word {
    case "7bit", "8bit", "binary", "": return ([.identity], true)
    case "base64": return ([.base64], true)
    case "quoted-printable": return ([.quotedPrintable], true)
    case "x-uuencode", "uuencode", "x-uue", "uue": return ([.uuencode], true)
    default: break
    }
    // `x-base64`, `base64,`, `base 64`: unknown to some, guessed by others.
    var readings = [Self.identity]
    let text = String(decoding: value.prefix(256), as: UTF8.self).lowercased().filter { $0 != " " }
    if text.contains("base64") || text.contains("b64") { readings.append(.base64) }
    if text.contains("quoted") { readings.append(.quotedPrintable) }
    if text.contains("uu") { readings.append(.uuencode) }
    return (readings, false)
  }
}
