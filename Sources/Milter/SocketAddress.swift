// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Where a filter listens, in the spellings of libmilter and of Postfix.
///
/// `unix:/path`, `local:/path` or a bare `/path`; `inet:8891@127.0.0.1` or `inet:127.0.0.1:8891`;
/// `inet6:8891@::1` or `inet6:[::1]:8891`. A port without a host listens on every address.
public enum SocketAddress: Sendable, Equatable {
  /// A local socket at an absolute path.
  case unix(path: String)
  /// IPv4; a nil host is every address.
  case inet(host: String?, port: UInt16)
  /// IPv6; a nil host is every address.
  case inet6(host: String?, port: UInt16)

  /// The longest path that fits into `sockaddr_un`, in bytes.
  public static let maximumPathLength = 107

  /// Whether it is a unix socket.
  public var isLocal: Bool { if case .unix = self { true } else { false } }

  /// Reads one of the spellings; nil when it is none of them.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let head = parts.first else { return nil }
    let rest = parts.count == 2 ? String(parts[1]) : ""
    switch head.lowercased() {
    case "unix", "local":
      guard let path = Self.path(rest) else { return nil }
      self = .unix(path: path)
    case "inet":
      guard let (host, port) = Self.endpoint(rest) else { return nil }
      self = .inet(host: host, port: port)
    case "inet6":
      guard let (host, port) = Self.endpoint(rest) else { return nil }
      self = .inet6(host: host, port: port)
    default:
      guard let path = Self.path(text) else { return nil }
      self = .unix(path: path)
    }
  }

  private static func path(_ text: String) -> String? {
    guard text.hasPrefix("/"), text.utf8.count <= maximumPathLength, !text.utf8.contains(0) else {
      return nil
    }
    return text
  }

  private static func endpoint(_ text: String) -> (host: String?, port: UInt16)? {
    var port = Substring(text)
    var host = Substring("")
    if let at = text.firstIndex(of: "@") {
      port = text[..<at]
      host = text[text.index(after: at)...]
    } else if let colon = text.lastIndex(of: ":") {
      host = text[..<colon]
      port = text[text.index(after: colon)...]
    }
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard let number = UInt16(port), number > 0, !host.utf8.contains(0) else { return nil }
    return (host.isEmpty || host == "*" ? nil : String(host), number)
  }
}

extension SocketAddress: CustomStringConvertible {
  /// libmilter's spelling: what Sendmail's `S=` and `smfi_setconn` take.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .inet(let host, let port): host.map { "inet:\(port)@\($0)" } ?? "inet:\(port)"
    case .inet6(let host, let port): host.map { "inet6:\(port)@\($0)" } ?? "inet6:\(port)"
    }
  }

  /// Postfix's spelling, for `smtpd_milters`.
  public var postfixDescription: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .inet(let host, let port): "inet:\(host ?? "127.0.0.1"):\(port)"
    case .inet6(let host, let port): "inet:[\(host ?? "::1")]:\(port)"
    }
  }
}
