// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing

/// How to ask DNS.
package struct UnboundOptions: Sendable {
  /// Who to ask, in any order; empty for the servers of the system's resolv.conf.
  package var servers: [NameServer] = []
  /// The longest wait for one answer.
  package var timeout: Duration = .seconds(5)
  /// About how many bytes of answers are kept.
  package var cacheSize = 16 << 20
  /// Whether to validate signatures, and from where: the path of a file with the root's keys
  /// (RFC 5011, or DS and DNSKEY records).
  package var trustAnchor: String?
  /// At most this many questions are under way at once.
  package var questionsAtOnce = 1000

  package init() {}
}

/// The address and port of a DNS server, written `192.0.2.1` or `192.0.2.1@5353`.
package struct NameServer: Sendable, Hashable {
  package var address: IPAddress
  package var port: UInt16

  package init(_ address: IPAddress, port: UInt16 = 53) {
    self.address = address
    self.port = port
  }

  /// The server that `text` names; nil for a host name but `localhost`, which is 127.0.0.1, and for a
  /// port that is none.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first,
      let address = first.lowercased() == "localhost"
        ? IPAddress(v4: 0x7F00_0001) : IPAddress(first)
    else { return nil }
    guard parts.count > 1, let last = parts.last else {
      self.init(address)
      return
    }
    guard let port = UInt16(last), port > 0, last.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    self.init(address, port: port)
  }
}

extension NameServer: CustomStringConvertible {
  /// As it is written: `192.0.2.1@5353`.
  package var description: String { "\(address)@\(port)" }
}

/// Why DNS cannot be asked at all.
package struct UnboundFailure: Error, CustomStringConvertible {
  package let description: String
}
