// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing

/// The types of records that bmsd asks for (RFC 1035 §3.2.2, RFC 3596 §2.1).
package enum RecordType: UInt16, Sendable, CaseIterable {
  case a = 1
  case ns = 2
  case cname = 5
  case soa = 6
  case ptr = 12
  case mx = 15
  case txt = 16
  case aaaa = 28

  /// The type's name in zone files: `A`, `MX` ...
  package var name: String { "\(self)".uppercased() }

  /// The type of this name in any case.
  package init?(name: some StringProtocol) {
    let wanted = name.uppercased()
    guard let type = Self.allCases.first(where: { $0.name == wanted }) else { return nil }
    self = type
  }
}

/// What is asked: the records of one type of a name, in class IN.
package struct Question: Sendable, Hashable {
  package var name: DomainName
  package var type: RecordType

  package init(_ name: DomainName, _ type: RecordType) {
    self.name = name
    self.type = type
  }
}

extension Question: CustomStringConvertible {
  /// For example `example.org MX`.
  package var description: String { "\(name) \(type.name)" }
}

/// The data of one record.
package enum RecordData: Sendable, Hashable {
  /// An A or AAAA record; an IPv4-mapped AAAA is the IPv4 address.
  case address(IPAddress)
  /// An NS, CNAME or PTR record.
  case name(DomainName)
  /// An MX record; a null MX (RFC 7505 §3) has the root as exchange.
  case exchange(MailExchange)
  /// A TXT record, its strings joined without anything between them (RFC 7208 §3.3).
  case text([UInt8])
  /// An SOA record.
  case authority(StartOfAuthority)

  /// About how many bytes it takes in memory.
  var cost: Int {
    switch self {
    case .address: 32
    case .name(let name): name.cost
    case .exchange(let exchange): exchange.host.cost
    case .text(let text): 48 + text.count
    case .authority: 600
    }
  }
}

/// One host that takes mail for a domain (RFC 1035 §3.3.9).
package struct MailExchange: Sendable, Hashable {
  /// Lower is asked first.
  package var preference: UInt16
  package var host: DomainName

  package init(preference: UInt16, host: DomainName) {
    self.preference = preference
    self.host = host
  }
}

/// Who keeps a zone, and how long its answers hold (RFC 1035 §3.3.13).
package struct StartOfAuthority: Sendable, Hashable {
  package var primary: DomainName
  package var mailbox: DomainName
  package var serial: UInt32
  /// Seconds between looks of a secondary server.
  package var refresh: UInt32
  /// Seconds between looks after one failed.
  package var retry: UInt32
  /// Seconds after which a secondary gives up the zone.
  package var expire: UInt32
  /// Seconds for which a negative answer holds (RFC 2308 §4).
  package var minimum: UInt32
}

extension RecordData: CustomStringConvertible {
  /// The data as a zone file writes it, a TXT record as one quoted string of any length.
  package var description: String {
    switch self {
    case .address(let address): "\(address)"
    case .name(let name): "\(name)"
    case .exchange(let exchange): "\(exchange.preference) \(exchange.host)"
    case .text(let text): Self.quoted(text)
    case .authority(let soa):
      "\(soa.primary) \(soa.mailbox) \(soa.serial) \(soa.refresh) \(soa.retry) \(soa.expire) "
        + "\(soa.minimum)"
    }
  }

  private static func quoted(_ text: [UInt8]) -> String {
    var quoted = "\""
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        quoted += "\\"
        quoted.unicodeScalars.append(Unicode.Scalar(byte))
      case 0x20...0x7E: quoted.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte)
        quoted += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
      }
    }
    return quoted + "\""
  }
}
