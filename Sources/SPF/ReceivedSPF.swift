// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import Mail

/// The trace field that tells readers of a message what SPF said (RFC 7208 §9.1).
///
///     Received-SPF: pass (mx.example.org: example.com authorizes 192.0.2.1) client-ip=192.0.2.1;
///      envelope-from="a@example.com"; helo=mail.example.com; receiver=mx.example.org;
///      mechanism="ip4:192.0.2.1"; identity=mailfrom
package struct ReceivedSPF: Sendable {
  /// The official result.
  package var result: SPFResult
  /// Keys with `x-` and values of our own, in order: what is not official stands here.
  package var extensions: [(name: String, value: String)] = []

  private let query: SPFQuery
  private let evaluation: SPFEvaluation

  package init(_ evaluation: SPFEvaluation, of query: SPFQuery) {
    result = evaluation.result
    self.query = query
    self.evaluation = evaluation
  }

  /// The most bytes of a value; more are cut.
  private static let longestValue = 200
  /// Lines are folded before they are longer (RFC 5322 §2.1.1).
  private static let longestLine = 78

  /// The field, folded.
  package var field: HeaderField {
    // A comment may be folded between its words, a quoted string may not.
    var words = [result.rawValue]
    words += "(\(Self.comment(receiver)): \(comment))".split(separator: " ").map { String($0) }
    words += pairs.dropLast().map { "\($0.name)=\(Self.value($0.value));" }
    words += pairs.suffix(1).map { "\($0.name)=\(Self.value($0.value))" }
    var lines: [String] = []
    var line = ""
    var room = Self.longestLine - "Received-SPF:".utf8.count
    for word in words {
      if !line.isEmpty, line.utf8.count + 1 + word.utf8.count > room {
        lines.append(line)
        line = ""
        room = Self.longestLine
      }
      line += " " + word
    }
    lines.append(line)
    return HeaderField(name: "Received-SPF", rawValue: MailText(lines.joined(separator: "\n")))
  }

  private var receiver: [UInt8] { query.receiver?.bytes ?? Array("unknown".utf8) }
  private var domain: [UInt8] { query.sender.domain?.bytes ?? [] }

  /// What the result means, for people.
  private var comment: String {
    let name = Self.comment(domain)
    let client = query.client.description
    return switch result {
    case .pass: "\(name) authorizes \(client)"
    case .fail: "\(name) does not authorize \(client)"
    case .softfail: "\(name) probably does not authorize \(client)"
    case .neutral: "\(name) does not say whether it authorizes \(client)"
    case .none: "\(name) has no SPF record"
    case .temperror: "the DNS of \(name) could not be read"
    case .permerror: "the SPF record of \(name) has an error"
    }
  }

  /// The keys of RFC 7208 §9.1, then ours.
  private var pairs: [(name: String, value: [UInt8])] {
    var pairs: [(name: String, value: [UInt8])] = [
      ("client-ip", Array(query.client.description.utf8)),
      ("envelope-from", query.sender.address.bytes), ("helo", query.helo.bytes),
      ("receiver", receiver),
    ]
    if let problem = evaluation.problem, result == .temperror || result == .permerror {
      pairs.append(("problem", Array(problem.utf8)))
    }
    if let mechanism = evaluation.mechanism {
      pairs.append(("mechanism", Array(mechanism.utf8)))
    }
    pairs += extensions.map { ($0.name, Array($0.value.utf8)) }
    pairs.append(("identity", Array(query.identity.rawValue.utf8)))
    return pairs
  }

  /// Visible ASCII and spaces; every other byte becomes a question mark.
  private static func cleaned(_ bytes: [UInt8]) -> [UInt8] {
    bytes.prefix(longestValue).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
  }

  /// The text inside a comment (RFC 5322 §3.2.2).
  private static func comment(_ bytes: [UInt8]) -> String {
    escaped(cleaned(bytes), Array("()\\".utf8))
  }

  /// `dot-atom / quoted-string` (RFC 7208 §9.1).
  private static func value(_ bytes: [UInt8]) -> String {
    let clean = cleaned(bytes)
    let atoms = clean.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let specials = Array("!#$%&'*+-/=?^_`{|}~".utf8)
    let isDotAtom = atoms.allSatisfy { atom in
      !atom.isEmpty && atom.allSatisfy { $0.isAlphanumeric || specials.contains($0) }
    }
    if isDotAtom { return String(decoding: clean, as: UTF8.self) }
    return "\"" + escaped(clean, Array("\"\\".utf8)) + "\""
  }

  private static func escaped(_ bytes: [UInt8], _ specials: [UInt8]) -> String {
    let escaped = bytes.flatMap { specials.contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] }
    return String(decoding: escaped, as: UTF8.self)
  }
}
