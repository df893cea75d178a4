// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Where a filter listens, in the forms of Postfix and of Sendmail.
public enum MilterAddress: Sendable, Equatable {
  /// A unix socket.
  case unix(path: String)
  /// An IPv4 host name or address.
  case inet(host: String, port: UInt16)
  /// An IPv6 host name or address.
  case inet6(host: String, port: UInt16)

  /// Reads `unix:/path`, `local:/path`, `inet:port@host`, `inet:host:port`, and the same with
  /// `inet6`; an IPv6 address may stand in brackets. With the port alone the host is loopback.
  public init(_ text: String) throws(MilterClientError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let kind = parts.first, let place = parts.dropFirst().first, !place.isEmpty else {
      throw .badAddress(text)
    }
    switch kind {
    case "unix", "local":
      self = .unix(path: String(place))
    case "inet", "inet6":
      guard let (host, port) = Self.hostAndPort(place) else { throw .badAddress(text) }
      let isV6 = kind == "inet6" || host.contains(":")
      let loopback = isV6 ? "::1" : "127.0.0.1"
      let name = host.isEmpty ? loopback : String(host)
      self = isV6 ? .inet6(host: name, port: port) : .inet(host: name, port: port)
    default:
      throw .badAddress(text)
    }
  }

  private static func hostAndPort(_ place: Substring) -> (Substring, UInt16)? {
    var host: Substring = ""
    var port = place
    if let at = place.firstIndex(of: "@") {  // Sendmail: port@host
      port = place[..<at]
      host = place[at...].dropFirst()
      if host.isEmpty { return nil }
    } else if let colon = place.lastIndex(of: ":") {  // Postfix: host:port
      host = place[..<colon]
      port = place[colon...].dropFirst()
    }
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard let number = UInt16(port), number > 0 else { return nil }
    return (host, number)
  }
}

extension MilterAddress: CustomStringConvertible {
  /// The address in Sendmail's form, which libmilter takes too.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .inet(let host, let port): "inet:\(port)@\(host)"
    case .inet6(let host, let port): "inet6:\(port)@\(host)"
    }
  }
}
