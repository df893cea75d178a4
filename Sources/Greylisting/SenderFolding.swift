// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail

/// Folds what changes from mail to mail in a reverse-path, so that a mailer that makes a new one
/// for each mail is known again.
///
/// What is folded: case; BATV and other signature tags (`prvs=`, `btv1==`, `msprvs1=`); hash and
/// time of SRS; the extension after `+`; a recipient embedded as `user=example.org` (VERP); runs of
/// digits, and words of hexadecimal or random characters, each to `#`. Not what follows a `-`: that
/// is as often part of a name. Linear in the length.
enum SenderFolding {
  private static let at = UInt8(ascii: "@")
  private static let plus = UInt8(ascii: "+")
  private static let minus = UInt8(ascii: "-")
  private static let equals = UInt8(ascii: "=")
  private static let dot = UInt8(ascii: ".")
  private static let number = UInt8(ascii: "#")

  /// The local part, which is in lower case already.
  static func localPart(_ text: [UInt8]) -> [UInt8] {
    var rest = text[...]
    var head: [UInt8] = []
    if let (kind, tail) = forwarded(rest) {
      // What an SRS host forwards is known by whose it was, not by when it was signed.
      head = kind
      rest = tail
    } else {
      rest = withoutSignature(rest)
      rest = withoutExtension(rest)
      rest = withoutRecipient(rest)
    }
    return head + words(rest)
  }

  /// The domain, which is in lower case already: digits of host names (`mx17.mailer.example`) fold,
  /// those of the last two labels (`163.com`) are the name itself, and so is an address literal.
  static func domain(_ text: [UInt8]) -> [UInt8] {
    guard text.first != UInt8(ascii: "[") else { return text }
    let labels = text.split(separator: dot, omittingEmptySubsequences: false)
    var out: [UInt8] = []
    for (index, label) in labels.enumerated() {
      if index > 0 { out.append(dot) }
      out += index + 2 < labels.count ? words(label) : Array(label)
    }
    return out
  }

  // MARK: schemes

  /// `SRS0=HHHH=TT=domain=local` and `SRS1=HHHH=host==HHHH=TT=domain=local`: the kind, and what
  /// stays when hashes and time stamp go. The first separator may be `=`, `+` or `-`.
  private static func forwarded(
    _ text: ArraySlice<UInt8>
  ) -> (kind: [UInt8], rest: ArraySlice<UInt8>)? {
    let kind = Array(text.prefix(4))
    let rest = text.dropFirst(4)
    guard let separator = rest.first, [equals, plus, minus].contains(separator) else { return nil }
    let parts = rest.dropFirst()
    if kind == Array("srs0".utf8), let tail = parts.after(equals, count: 2), !tail.isEmpty {
      return (kind + [equals], tail)
    }
    guard kind == Array("srs1".utf8), let tail = parts.after(equals, count: 1), !tail.isEmpty else {
      return nil
    }
    let host = tail.prefix { $0 != equals }
    // The inner address begins after `==`, or `=` and another separator.
    guard let inner = tail.dropFirst(host.count + 2).after(equals, count: 2), !inner.isEmpty else {
      return (kind + [equals], tail)
    }
    return (kind + [equals] + host + [equals], inner)
  }

  /// `prvs=TAG=user`, `btv1==TAG==user`, `msprvs1=TAG=user`: the user.
  private static func withoutSignature(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    for scheme in ["prvs=", "msprvs1=", "btv1=="] {
      let mark = Array(scheme.utf8)
      guard text.starts(with: mark) else { continue }
      let rest = text.dropFirst(mark.count)
      guard let tail = rest.after(equals, count: 1)?.drop(while: { $0 == equals }), !tail.isEmpty
      else { continue }
      return tail
    }
    return text
  }

  /// `user+extension`: the user; a `+` at the start is part of the name.
  private static func withoutExtension(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    guard let cut = text.dropFirst().firstIndex(of: plus) else { return text }
    return text[..<cut]
  }

  /// `list-return-17-user=example.org`: what stands before the embedded recipient.
  private static func withoutRecipient(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    guard let sign = text.lastIndex(of: equals), text[sign...].contains(dot),
      let cut = text[..<sign].lastIndex(of: minus), cut > text.startIndex
    else { return text }
    return text[...cut]
  }

  // MARK: words

  /// From this length on a word with a digit in it is taken for a random one.
  private static let randomLength = 16

  /// `text` with its varying words folded; several in a row become one.
  private static func words(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    var start = text.startIndex
    var previousVaries = false
    while start <= text.endIndex {
      let end = text[start...].firstIndex(where: isSeparator) ?? text.endIndex
      let word = text[start..<end]
      if varies(word) || (previousVaries && isHex(word)) {
        if previousVaries { out.removeLast() } else { out.append(number) }
        previousVaries = true
      } else {
        out += digitsFolded(word)
        previousVaries = false
      }
      guard end < text.endIndex else { break }
      out.append(text[end])
      start = text.index(after: end)
    }
    return out
  }

  private static func isSeparator(_ byte: UInt8) -> Bool {
    [minus, dot, equals, plus, UInt8(ascii: "_"), UInt8(ascii: "/")].contains(byte)
  }

  /// Whether a word says nothing of who sends: a number, hexadecimal with a digit, or a long one
  /// with a digit.
  private static func varies(_ word: ArraySlice<UInt8>) -> Bool {
    guard !word.isEmpty else { return false }
    if word.elementsEqual([number]) { return true }
    guard word.contains(where: isDigit) else { return false }
    return word.count >= randomLength || isHex(word)
  }

  private static func isHex(_ word: ArraySlice<UInt8>) -> Bool {
    !word.isEmpty && word.allSatisfy { isDigit($0) || (0x61...0x66).contains($0) }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  /// Each run of digits as one `#`.
  private static func digitsFolded(_ word: ArraySlice<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    for byte in word {
      if !isDigit(byte) {
        out.append(byte)
      } else if out.last != number {
        out.append(number)
      }
    }
    return out
  }
}

extension ArraySlice<UInt8> {
  /// What follows the `count`-th `separator`; nil where there are fewer.
  fileprivate func after(_ separator: UInt8, count: Int) -> ArraySlice<UInt8>? {
    var rest = self
    for _ in 0..<count {
      guard let index = rest.firstIndex(of: separator) else { return nil }
      rest = rest[rest.index(after: index)...]
    }
    return rest
  }
}
