// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Addressing
public import Mail

/// The SMTP client as the MTA described it at CONNECT.
public struct Peer: Sendable, Equatable {
  /// Where the client came from.
  public enum Address: Sendable, Equatable {
    /// IPv4 or IPv6; an IPv4-mapped address is the IPv4 address.
    case inet(IPAddress, port: UInt16)
    /// A local socket.
    case unix(path: MailText)
    /// No address, or of a family unknown to us.
    case unknown
  }

  /// The PTR name that the MTA verified, `[192.0.2.1]` or `unknown` where there is none.
  public var hostName: MailText
  /// The address.
  public var address: Address

  /// A peer of that name and address.
  public init(hostName: MailText, address: Address) {
    self.hostName = hostName
    self.address = address
  }

  /// The IP address, nil for a local socket or no address.
  public var ip: IPAddress? {
    if case .inet(let ip, _) = address { return ip }
    return nil
  }
}
