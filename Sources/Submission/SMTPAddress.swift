// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Where mail is handed in: a host and a port.
package struct SMTPAddress: Sendable, Equatable, CustomStringConvertible {
  /// An address, or a name that the system can look up.
  package let host: String
  package let port: UInt16

  package init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Reads `127.0.0.1:25`, `[::1]:25`, `localhost@25` or a host alone, whose port is 25; nil when it
  /// is none of these.
  package init?(_ text: String) {
    var host = Substring(text)
    var port = Substring("25")
    if let at = text.lastIndex(of: "@") {
      host = text[..<at]
      port = text[text.index(after: at)...]
    } else if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
      host = text[..<colon]
      port = text[text.index(after: colon)...]
    }
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    guard !host.isEmpty, host.utf8.count <= 255,
      host.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x5B && $0 != 0x5D }),
      isBracketed || !host.contains(":"),
      port.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = UInt16(port), number > 0
    else { return nil }
    self.host = String(host)
    self.port = number
  }

  package var description: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
