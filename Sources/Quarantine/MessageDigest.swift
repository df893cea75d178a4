// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Digests
internal import Glibc
package import Mail

/// A digest of a message that stays the same on its way through our own MTA.
///
/// Header fields count with their names in lower case and runs of white space as one space, as in
/// RFC 6376 §3.4.2; of fields that hold addresses, which MTAs complete and rewrite, only the name
/// counts. Of the body, line ends count as CRLF and empty lines at its end not at all (RFC 6376
/// §3.4.3). Memory is constant, time linear.
package final class MessageDigest {
  private let digest = SHA256()
  /// Line ends that count only if something follows them.
  private var pendingLines = 0
  /// A CR at the end of the last piece, which may be half a line end.
  private var hasPendingCR = false
  /// How many fields were taken.
  package private(set) var fields = 0

  package init() {}

  /// Fields whose values an MTA may rewrite for mail of its own machine.
  private static let addressFields: Set<MailText> = [
    "from", "sender", "reply-to", "to", "cc", "bcc", "errors-to", "return-receipt-to",
    "disposition-notification-to", "apparently-to", "resent-from", "resent-sender",
    "resent-reply-to", "resent-to", "resent-cc", "resent-bcc", "return-path",
  ]

  /// Takes the next header field.
  package func take(_ field: HeaderField) {
    fields += 1
    var name = field.name.lowercased
    while let last = name.bytes.last, last == 0x20 || last == 0x09 { name.bytes.removeLast() }
    digest.update(name.bytes)
    digest.update([UInt8(ascii: ":")])
    if !Self.addressFields.contains(name) { digest.update(Self.relaxed(field.rawValue.bytes)) }
    digest.update(Self.lineEnd)
  }

  /// The value with runs of white space and line ends as one space, and none at its ends.
  private static func relaxed(_ value: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(value.count)
    for byte in value {
      switch byte {
      case 0x20, 0x09, 0x0D, 0x0A:
        if let last = out.last, last != 0x20 { out.append(0x20) }
      default: out.append(byte)
      }
    }
    if out.last == 0x20 { out.removeLast() }
    return out
  }

  /// Ends the header section.
  package func endHeaders() { digest.update(Self.lineEnd) }

  /// Takes the next piece of the body, cut anywhere.
  package func take(_ body: UnsafeRawBufferPointer) {
    var rest = body[...]
    while !rest.isEmpty {
      let end = Self.lineFeed(in: rest)
      var line = rest[rest.startIndex..<(end ?? rest.endIndex)]
      rest = end.map { rest[rest.index(after: $0)...] } ?? rest[rest.endIndex...]
      let endsInCR = line.last == 0x0D
      if hasPendingCR, !(end != nil && line.isEmpty) { text([0x0D]) }
      hasPendingCR = false
      if endsInCR {
        line = line.dropLast()
        hasPendingCR = end == nil
      }
      if !line.isEmpty { text(UnsafeRawBufferPointer(rebasing: line)) }
      if end != nil { pendingLines += 1 }
    }
  }

  /// The digest of all that was taken; only once.
  package func finish() throws(DigestTrouble) -> SHA256Digest {
    if hasPendingCR { text([0x0D]) }
    return try digest.finish()
  }

  private static let lineEnd: [UInt8] = [0x0D, 0x0A]
  private static let manyLineEnds = Array(repeatElement(lineEnd, count: 512).joined())

  private static func lineFeed(in bytes: Slice<UnsafeRawBufferPointer>) -> Int? {
    let piece = UnsafeRawBufferPointer(rebasing: bytes)
    guard let base = piece.baseAddress, let found = memchr(base, 0x0A, piece.count) else {
      return nil
    }
    return bytes.startIndex + (UnsafeRawPointer(found) - base)
  }

  private func text(_ bytes: [UInt8]) { bytes.withUnsafeBytes { text($0) } }

  private func text(_ bytes: UnsafeRawBufferPointer) {
    while pendingLines > 0 {
      let count = min(pendingLines, Self.manyLineEnds.count / 2)
      digest.update(Self.manyLineEnds.prefix(2 * count))
      pendingLines -= count
    }
    digest.update(bytes)
  }
}
