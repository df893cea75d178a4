// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
internal import MIME

extension MIMETree {
  /// Whether a part is a message to every mail program: it is declared as one, and begins as one.
  ///
  /// What only calls itself a message can be a file: `message/x-zip` is unknown to mail programs, which
  /// save it under its name, and so is a program that is declared as `message/rfc822`. An archive in
  /// the header of a message is in nothing that the message is made of.
  func isForwardedMessage(_ part: MIMEPart) -> Bool {
    guard part.kind == .message, part.type.isWholeMessage else { return false }
    let insides = part.children.compactMap { self[$0] }
    return !insides.isEmpty
      && insides.allSatisfy { inside in
        let header = buffer(of: inside)[inside.header]
        var sniffer = ArchiveSniffer()
        sniffer.take(header)
        return !sniffer.foundArchive && Self.beginsAsMessage(header)
      }
  }

  /// Whether the first line is a field of a message (RFC 5322 §3.6), of a piece of MIME, or the line
  /// that mbox files have before one.
  private static func beginsAsMessage(_ header: ArraySlice<UInt8>) -> Bool {
    let line = header.drop { $0 <= 0x20 }.prefix { $0 != 0x0A && $0 != 0x0D }
    if line.starts(with: "From ".utf8) || line.starts(with: ">From ".utf8) { return true }
    guard let colon = line.prefix(longestName).firstIndex(of: UInt8(ascii: ":")) else {
      return false
    }
    let name = line[..<colon]
    return name.count > 1 && name.allSatisfy { (0x21...0x7E).contains($0) || $0 == 0x20 }
  }

  /// Of the name of a field, in bytes.
  private static let longestName = 80
}
