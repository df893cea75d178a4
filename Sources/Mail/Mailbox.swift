// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A reverse-path or forward-path taken from an SMTP envelope (RFC 5321 §4.1.2).
///
/// Whatever a client sends is a mailbox: what the grammar does not know is an opaque local part
/// without a domain. Two mailboxes are equal when their local parts are byte for byte the same and
/// their domains differ at most in the case of ASCII letters (RFC 5321 §2.4).
public struct Mailbox: Sendable {
  /// The local part without quotes and backslashes; empty for the null reverse-path.
  public let localPart: MailText
  /// The domain, an address literal with its brackets, or nil where there is none.
  public let domain: MailText?

  /// The mailbox of a local part without quotes, and a domain.
  public init(localPart: MailText, domain: MailText?) {
    self.localPart = localPart
    self.domain = domain
  }

  /// The mailbox that an argument of MAIL or RCPT names, with or without angle brackets.
  ///
  /// A source route is dropped (RFC 5321 §4.1.2 tells servers to ignore it), a quoted local part
  /// is unquoted, and the domain is what follows the last `@`, without a final dot: MTAs accept it,
  /// and `<ann@example.org.>` must not be another sender than `<ann@example.org>`.
  public init(envelope: MailText) {
    var path = envelope.bytes[...]
    if path.first == Self.less, path.last == Self.greater, path.count >= 2 {
      path = path.dropFirst().dropLast()
    }
    path = Self.withoutSourceRoute(path)
    if let (local, rest) = Self.quotedLocalPart(path) {
      if rest.isEmpty {
        self.init(localPart: local, domain: nil)
        return
      }
      let domain = rest.dropFirst()
      if rest.first == Self.at, !domain.isEmpty, !domain.contains(Self.at) {
        self.init(localPart: local, domain: MailText(domain).withoutFinalDots)
        return
      }
    }
    guard let at = path.lastIndex(of: Self.at) else {
      self.init(localPart: MailText(path), domain: nil)
      return
    }
    let domain = path[path.index(after: at)...]
    if domain.isEmpty {
      self.init(localPart: MailText(path), domain: nil)
    } else {
      self.init(localPart: MailText(path[..<at]), domain: MailText(domain).withoutFinalDots)
    }
  }

  /// Whether this is the null reverse-path `<>` that reports and bounces are sent with.
  public var isNull: Bool { localPart.isEmpty && domain == nil }

  /// The mailbox as it stands between the angle brackets: the local part quoted where it must be,
  /// so that it reads back as the same mailbox.
  public var address: MailText {
    let needsQuotes = localPart.isEmpty ? domain != nil : Self.needsQuotes(localPart)
    let local = needsQuotes ? Self.quoted(localPart) : localPart
    guard let domain else { return local }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(local.bytes.count + 1 + domain.bytes.count)
    bytes += local.bytes
    bytes.append(Self.at)
    bytes += domain.bytes
    return MailText(bytes)
  }
}

extension Mailbox: Hashable {
  /// Compares local parts byte for byte and domains without regard to ASCII case.
  public static func == (left: Mailbox, right: Mailbox) -> Bool {
    left.localPart == right.localPart && left.domain?.lowercased == right.domain?.lowercased
  }

  /// Hashes the local part and the domain in lower case.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(localPart)
    hasher.combine(domain?.lowercased)
  }
}

extension Mailbox: CustomStringConvertible {
  /// The mailbox for people: `user@example.org`, or `<>`. Not reversible for 8-bit addresses.
  public var description: String { isNull ? "<>" : address.description }
}

// MARK: - Grammar

extension Mailbox {
  private static let at = UInt8(ascii: "@")
  private static let less = UInt8(ascii: "<")
  private static let greater = UInt8(ascii: ">")
  private static let quote = UInt8(ascii: "\"")
  private static let backslash = UInt8(ascii: "\\")

  /// `A-d-l = At-domain *( "," At-domain )`, then `:`. Anything else is left as it is.
  private static func withoutSourceRoute(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = path
    while rest.first == at {
      rest = rest.dropFirst()
      if rest.first == UInt8(ascii: "[") {
        // An address literal may hold colons.
        guard let close = rest.firstIndex(of: UInt8(ascii: "]")) else { return path }
        rest = rest[rest.index(after: close)...]
      } else {
        let end = [UInt8(ascii: ","), UInt8(ascii: ":"), at]
        let domain = rest.prefix { !end.contains($0) }
        guard !domain.isEmpty else { return path }
        rest = rest.dropFirst(domain.count)
      }
      switch rest.first {
      case UInt8(ascii: ":"): return rest.dropFirst()
      case UInt8(ascii: ","): rest = rest.dropFirst()
      default: return path
      }
    }
    return path
  }

  /// The text of a quoted string at the start of `path`, and what follows the closing quote.
  private static func quotedLocalPart(
    _ path: ArraySlice<UInt8>
  ) -> (text: MailText, rest: ArraySlice<UInt8>)? {
    guard path.first == quote else { return nil }
    var text: [UInt8] = []
    var isEscaped = false
    for (index, byte) in zip(path.indices, path).dropFirst() {
      if isEscaped {
        text.append(byte)
        isEscaped = false
      } else if byte == backslash {
        isEscaped = true
      } else if byte == quote {
        return (MailText(text), path[path.index(after: index)...])
      } else {
        text.append(byte)
      }
    }
    return nil
  }

  /// Whether `text`, not empty, is no `Dot-string`; bytes above 0x7F are atoms (RFC 6531 §3.3).
  private static func needsQuotes(_ text: MailText) -> Bool {
    let dot = UInt8(ascii: ".")
    // In one pass and without a list of specials: asked several times with every message.
    var last = dot
    for byte in text.bytes {
      if byte == dot ? last == dot : !isAtomText(byte) { return true }
      last = byte
    }
    return last == dot
  }

  /// Whether a byte may stand in an atom: no control character and none of `()<>[]:;@\," `
  /// (RFC 5322 §3.2.3).
  private static func isAtomText(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x00...0x20, 0x22, 0x28, 0x29, 0x2C, 0x2E, 0x3A...0x3C, 0x3E, 0x40, 0x5B...0x5D, 0x7F:
      false
    default: true
    }
  }

  private static func quoted(_ text: MailText) -> MailText {
    var bytes = [quote]
    for byte in text.bytes {
      if byte == quote || byte == backslash { bytes.append(backslash) }
      bytes.append(byte)
    }
    return MailText(bytes + [quote])
  }
}
