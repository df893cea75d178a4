// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing

/// Where mail is handed in: a host and a port.
///
/// Names are not looked up, but for `localhost`: the system's resolver keeps no limit, and the MTA
/// that has bmsd as its milter is hardly ever on another machine.
package struct SMTPAddress: Sendable, Equatable, CustomStringConvertible {
  /// An IP address, or `localhost`.
  package let host: String
  package let port: UInt16

  /// Port 25 of this machine.
  package static let local = SMTPAddress(host: "127.0.0.1", port: 25)

  private init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Reads `127.0.0.1:25`, `[::1]:25`, `localhost@25` or one of these without a port, which is 25
  /// then; nil when it is none of these.
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
    guard host.utf8.count <= 255, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = UInt16(port), number > 0
    else { return nil }
    self.port = number
    if let address = IPAddress(String(host)), isBracketed || !host.contains(":") {
      self.host = address.description
    } else if !isBracketed, host.lowercased() == "localhost" {
      self.host = "localhost"
    } else {
      return nil
    }
  }

  /// The addresses to try, in this order.
  var hosts: [String] { host == "localhost" ? ["127.0.0.1", "::1"] : [host] }

  package var description: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
