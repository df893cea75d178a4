// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MIME

/// Random numbers that are the same on every run.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func next() -> UInt64 {
    // xorshift*, good enough to mix tests.
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

/// Writes mail as ordinary programs do.
struct MailGenerator {
  private var random: SeededRandom
  private var boundaries = 0

  init(seed: UInt64) { random = SeededRandom(seed) }

  /// A message; some of its attachments have names out of `names`.
  mutating func message(names: [String]) -> [UInt8] {
    let subject = pick(["Invoice", "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Re: www.example.com"])
    let head = """
      Received: from mx.example.com (mx.example.com [192.0.2.1])
      \tby mail.example.org with ESMTPS; Fri, 21 Nov 2025 10:00:00 +0000
      From: "Doe, Jane" <jane@example.com>
      To: bob@example.org
      Subject: \(subject)
      Message-ID: <\(number())@mail.example.com>
      MIME-Version: 1.0

      """
    let text = head + part(depth: 0, names: names)
    let lineEnd = pick(["\r\n", "\r\n", "\n"])
    return Array(text.replacing("\n", with: lineEnd).utf8)
  }

  private mutating func number() -> UInt64 { random.next() >> 20 }

  private mutating func pick<T>(_ choices: [T]) -> T {
    // There always is a choice.
    choices[Int(random.next() >> 33) % choices.count]
  }

  private mutating func part(depth: Int, names: [String]) -> String {
    switch depth < 3 ? pick([0, 1, 1, 2, 3, 4, 5, 6]) : pick([0, 4, 5]) {
    case 1: return multipart(pick(["mixed", "alternative"]), depth, names)
    case 2: return multipart(pick(["related; type=\"text/html\"", "mixed"]), depth, names)
    case 3:
      return "Content-Type: message/rfc822\n\nSubject: inner\n"
        + part(depth: depth + 1, names: names)
    case 4: return text("html", markup)
    case 5, 6: return attachment(names)
    default: return text("plain", prose)
    }
  }

  private mutating func multipart(_ type: String, _ depth: Int, _ names: [String]) -> String {
    boundaries += 1
    let boundary = pick([
      "----=_Part_\(boundaries)_\(number()).\(number())", "=_\(number())-\(boundaries)",
      "Apple-Mail=_\(number())_\(boundaries).",
    ])
    let parts = (0...(random.next() >> 40) % 3).map { _ in part(depth: depth + 1, names: names) }
    return "Content-Type: multipart/\(type);\n boundary=\"\(boundary)\"\n\n"
      + pick(["", "This is a multi-part message in MIME format.\n"])
      + parts.map { "--\(boundary)\n\($0)\n" }.joined() + "--\(boundary)--\n"
  }

  private mutating func text(_ type: String, _ content: String) -> String {
    let encoding = pick([TransferEncoding.identity, .quotedPrintable, .base64])
    let name = encoding == .identity ? "8bit" : encoding.rawValue
    return "Content-Type: text/\(type); charset=\"utf-8\"\nContent-Transfer-Encoding: \(name)\n"
      + pick([
        "", "Content-ID: <part1.\(number())@example.com>\n", "Content-Location: www.example.com\n",
      ])
      + "\n" + encoded(content, encoding)
  }

  private mutating func attachment(_ names: [String]) -> String {
    let name = pick(names)
    let content = (0..<200 + Int(random.next() >> 56)).map { _ in
      UInt8(truncatingIfNeeded: random.next() >> 30)
    }
    let fields = pick([
      "Content-Type: application/octet-stream; name=\"\(name)\"\nContent-Disposition: attachment;\n filename=\"\(name)\"",
      "Content-Type: image/png\nContent-Disposition: inline; filename*=utf-8''\(name)",
      "Content-Disposition: attachment; filename*0=\"\(name.prefix(3))\";\n filename*1=\"\(name.dropFirst(3))\"",
      "Content-Type: application/pdf;\n name=\"=?utf-8?B?\(encoded(name, .base64))?=\"",
    ])
    let body = String(
      decoding: ContentEncoder.encode(content, .base64, lineEnd: [0x0A]), as: UTF8.self)
    return "\(fields)\nContent-Transfer-Encoding: base64\n\n\(body)\n"
  }

  private func encoded(_ text: String, _ encoding: TransferEncoding) -> String {
    String(
      decoding: ContentEncoder.encode(Array(text.utf8), encoding, lineEnd: [0x0A]), as: UTF8.self)
  }

  private let prose = """
    Dear Bob,

    begin with the second page of www.example.com, please, and look at a.exe there.
    -- 
    Jane, café
    """
  private let markup = """
    <!DOCTYPE html>
    <html><body style="margin:0"><p>Grüße &amp; <a href="http://example.com/a.exe?x=1">more</a>
    <img src="cid:part1.1@example.com" alt="image.com"></p>
    -------- original message --------
    </body></html>

    """
}
