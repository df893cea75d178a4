// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Attachments

/// The text that takes the place of a part, with variables in braces.
struct NoticeTemplate: Sendable {
  /// What can be filled in.
  enum Variable: String, CaseIterable {
    case parts, names, reason, reference, contact, sender, host

    /// For the manual.
    var meaning: String {
      switch self {
      case .parts: "A line for each file that was taken out: its name, type, size, and why."
      case .names: "The names of these files, separated by commas."
      case .reason: "Why the first of them is dangerous."
      case .reference: "The reference of the message, by which the original can be had back."
      case .contact: "Whom to ask: [network] contact."
      case .sender: "The envelope sender."
      case .host: "Our own name."
      }
    }
  }

  private enum Piece {
    case text(String)
    case variable(Variable)
  }

  /// A template that cannot be used: what is wrong, and in which line.
  struct Fault: Error, Equatable {
    let line: Int
    let message: String
  }

  private var pieces: [Piece] = []

  /// The longest text, in bytes: it may go into a message many times.
  static let largest = 64 << 10

  /// Reads a template, which is UTF-8.
  init(_ bytes: [UInt8]) throws(Fault) {
    guard bytes.count <= Self.largest else {
      throw Fault(line: 1, message: "longer than \(Self.largest) bytes")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Fault(line: Self.firstLine(notUTF8: bytes), message: "the text is not UTF-8")
    }
    guard text.contains(where: { !$0.isWhitespace }) else {
      throw Fault(line: 1, message: "the notice is empty; without the file bmsd has a text itself")
    }
    var line = 1
    var literal = ""
    var rest = text.replacing("\r\n", with: "\n")[...]
    while let character = rest.popFirst() {
      if character == "\n" { line += 1 }
      guard character == "{" || character == "}" else {
        literal.append(character)
        continue
      }
      if rest.first == character {
        rest = rest.dropFirst()
        literal.append(character)
        continue
      }
      let word = rest.prefix { $0 != "}" && $0 != "\n" }
      guard character == "{", rest.dropFirst(word.count).first == "}" else {
        throw Fault(
          line: line, message: "a brace stands alone; write {{ or }} for one that is meant as such")
      }
      guard let variable = Variable(rawValue: String(word)) else {
        let known = Variable.allCases.map { "{\($0.rawValue)}" }.joined(separator: " ")
        throw Fault(line: line, message: "there is no {\(word.prefix(40))}; there are \(known)")
      }
      pieces += [.text(literal), .variable(variable)]
      literal = ""
      rest = rest.dropFirst(word.count + 1)
    }
    pieces.append(.text(literal))
  }

  /// No byte of a character of several is a line feed, so each line is UTF-8 or not by itself.
  private static func firstLine(notUTF8 bytes: [UInt8]) -> Int {
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    return 1 + (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0)
  }

  /// Whether the text holds a variable.
  func names(_ variable: Variable) -> Bool {
    pieces.contains { if case .variable(variable) = $0 { true } else { false } }
  }

  /// The text with its variables filled in; none of these can bring another.
  func text(_ value: (Variable) -> String) -> String {
    pieces.map { piece in
      switch piece {
      case .text(let text): text
      case .variable(let variable): value(variable)
      }
    }.joined()
  }

  /// The text where the administrator has none.
  static let standard = """
    An attachment of this message was taken out before delivery, because
    files of this kind are often used to take over computers:

    {parts}

    Nothing else of the message was changed, and the attachment was kept.
    If you need it, ask {contact}
    and give the reference {reference}.

    """
}

extension DefangOptions {
  /// The text of a notice where the administrator has none.
  package static var standardNotice: String { NoticeTemplate.standard }
  /// What a notice can fill in, with its meaning.
  package static var noticeVariables: [(name: String, meaning: String)] {
    NoticeTemplate.Variable.allCases.map { ($0.rawValue, $0.meaning) }
  }
}

extension Notice {
  /// The notice as HTML, for messages that have nothing else.
  static func html(_ text: String) -> Notice {
    var escaped = ""
    for character in text {
      switch character {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      default: escaped.append(character)
      }
    }
    return Notice(
      "<!DOCTYPE html>\n<html><body><pre>\n\(escaped)</pre></body></html>\n", isHTML: true)
  }
}
