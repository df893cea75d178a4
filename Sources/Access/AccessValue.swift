// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// What an entry of the access map says shall be done.
package enum AccessValue: Sendable, Equatable {
  /// Accept, as far as this check goes.
  case ok
  /// As if there were no entry: Sendmail's SKIP, and RELAY, which is about relaying only.
  case skip
  /// Treat the message as from somebody in the allow-list.
  case whitelist
  /// Verify the sender by a call-back.
  case cbv
  /// Verify the sender by a delivery status notification.
  case dsn
  case reject
  /// Refuse, and ban who sent it.
  case ban
  /// Defer.
  case tempfail
  /// Record only what would be done without this entry.
  case observe
  /// Accept and drop.
  case discard
  /// Refuse with the administrator's own reply.
  case error(AccessReply)
  /// No known word: refused, as by the ancestor.
  case unknown(String)

  /// Reads the right side of an entry; words are folded.
  package init(_ text: MailText) {
    let words = String(decoding: text.bytes, as: UTF8.self).trimmed
    switch words.uppercased() {
    case "OK": self = .ok
    case "RELAY", "SKIP", "DUNNO": self = .skip
    case "WHITELIST": self = .whitelist
    case "CBV": self = .cbv
    case "DSN": self = .dsn
    case "REJECT": self = .reject
    case "BAN": self = .ban
    case "TEMPFAIL": self = .tempfail
    case "OBSERVE": self = .observe
    case "DISCARD": self = .discard
    default: self = AccessReply(words).map { .error($0) } ?? .unknown(words)
    }
  }

  /// The word for people.
  package var word: String {
    switch self {
    case .ok: "OK"
    case .skip: "SKIP"
    case .whitelist: "WHITELIST"
    case .cbv: "CBV"
    case .dsn: "DSN"
    case .reject: "REJECT"
    case .ban: "BAN"
    case .tempfail: "TEMPFAIL"
    case .observe: "OBSERVE"
    case .discard: "DISCARD"
    case .error(let reply): "ERROR:\"\(reply)\""
    case .unknown(let text): text
    }
  }
}

/// A reply that an administrator wrote: `ERROR:"550 5.7.1 text"`, Sendmail's `ERROR:5.7.1:550 text`
/// and `550 text`. Its class digits agree, or it is none.
package struct AccessReply: Sendable, Equatable, CustomStringConvertible {
  /// The SMTP code, 400 to 599.
  package let code: Int
  /// The second and third number of the enhanced code, whose first is the code's (RFC 3463 §2).
  package let subject: Int
  package let detail: Int
  package let text: String

  /// Text without a code is a refusal with 550 5.7.1.
  init?(_ words: String) {
    var rest = words[...]
    var isError = false
    if rest.prefix(6).uppercased() == "ERROR:" {
      isError = true
      rest = rest.dropFirst(6)
    }
    if rest.count >= 2, rest.first == "\"", rest.last == "\"" { rest = rest.dropFirst().dropLast() }
    var enhanced = Self.enhanced(&rest, end: ":")
    var code: Int?
    if let number = rest.prefix(while: { $0 != " " }).wholeNumber, number > 99 {
      guard (400...599).contains(number) else { return nil }
    }
    if let number = rest.prefix(while: { $0 != " " }).wholeNumber, (400...599).contains(number) {
      code = number
      rest = rest.dropFirst(3).drop { $0 == " " }
    }
    guard isError || code != nil else { return nil }
    enhanced = enhanced ?? Self.enhanced(&rest, end: " ")
    let kind = code.map { $0 / 100 } ?? enhanced?[0] ?? 5
    guard kind == 4 || kind == 5, enhanced.map({ $0[0] == kind }) ?? true else { return nil }
    self.code = code ?? kind * 100 + (kind == 4 ? 51 : 50)
    subject = enhanced?[1] ?? 7
    detail = enhanced?[2] ?? 1
    let said = String(rest).trimmed
    text = said.isEmpty ? "Refused by our policy" : said
  }

  package var description: String { "\(code) \(code / 100).\(subject).\(detail) \(text)" }

  /// Takes `5.7.1` and what ends it from the front.
  private static func enhanced(_ rest: inout Substring, end: Character) -> [Int]? {
    let word = rest.prefix { $0 != end && $0 != " " }
    let parts = word.split(separator: ".", omittingEmptySubsequences: false)
    let numbers = parts.compactMap(\.wholeNumber)
    guard parts.count == 3, numbers.count == 3, numbers.allSatisfy({ $0 <= 999 }) else {
      return nil
    }
    rest = rest.dropFirst(word.count)
    if rest.first == end { rest = rest.dropFirst() }
    return numbers
  }
}

extension StringProtocol {
  fileprivate var wholeNumber: Int? {
    (1...3).contains(count) && allSatisfy { $0.isASCII && $0.isNumber } ? Int(self) : nil
  }
}

extension String {
  /// Without white space at both ends.
  var trimmed: String {
    let start = drop { $0.isWhitespace }
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}
