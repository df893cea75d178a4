// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// A message with a text that ends as names of dangerous files do, and whether it counts.
struct CountedNameCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var message: String
  var counts: Bool

  init(_ testDescription: String, _ message: String, counts: Bool) {
    self.testDescription = testDescription
    self.message = message
    self.counts = counts
  }

  /// One part in a multipart, behind a text or alone.
  init(
    _ testDescription: String, part: String, behindText: Bool = true, in type: String = "mixed",
    counts: Bool
  ) {
    let text = behindText ? "--b\n\nHello\n" : ""
    self.init(
      testDescription,
      "Content-Type: multipart/\(type); boundary=b\n\n\(text)--b\n\(part)\n\nx\n--b--\n",
      counts: counts)
  }
}

/// What is written about a part is not always the name of a file; what some program makes one of it
/// counts.
@Suite struct CountedNameTests {
  @Test(arguments: descriptions + identifiers + locations + beginnings + messages + parameters)
  func counts(_ row: CountedNameCase) {
    let message = Array(row.message.replacing("\n", with: "\r\n").utf8)
    #expect(Inspection(MIMETree(message), .usual).isClean == !row.counts)
  }

  private static let prose = "Content-Description: Introduction to Node.js\n"

  static let descriptions: [CountedNameCase] = [
    .init(
      "prose about the text of a message", prose + "Content-Type: text/html\n\n<p>x",
      counts: false),
    .init("prose about a message without a type", prose + "\nx", counts: false),
    .init(
      "prose without a file-like end", "Content-Description: What's new in ASP.NET\n\nx",
      counts: false),
    .init(
      "encoded prose", "Content-Description: =?utf-8?Q?Introduction_to_Node.js?=\n\nx",
      counts: false),
    .init(
      "prose that ends as archives do", "Content-Description: about my.zip\n\nx", counts: false),
    .init("prose about the first text", part: prose, behindText: false, counts: false),
    .init(
      "prose about both alternatives",
      "Content-Type: multipart/alternative; boundary=b\n\n--b\n\(prose)\nx\n--b\n"
        + "Content-Type: text/html\n\(prose)\nx\n--b--\n", counts: false),
    .init(
      "prose about the text of an attached message",
      part: "Content-Type: message/rfc822\n\n" + prose, counts: false),
    .init(
      "prose about an inline text",
      prose + "Content-Type: text/plain\nContent-Disposition: inline\n\nx", counts: false),
    .init("one word about the text", "Content-Description: setup.exe\n\nx", counts: true),
    .init(
      "prose about a file without a name",
      part: "Content-Type: application/octet-stream\nContent-Description: invoice 2026.exe",
      counts: true),
    .init(
      "prose about a second text", part: "Content-Type: text/plain\n" + prose, counts: true),
    .init(
      "prose about a second HTML alternative",
      "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\nx\n--b\n"
        + "Content-Type: text/html\n\(prose)\nx\n--b--\n", counts: true),
    .init(
      "prose about an attached text",
      prose + "Content-Type: text/plain\nContent-Disposition: attachment\n\nx", counts: true),
    .init(
      "prose about text under two dispositions",
      prose + "Content-Disposition: inline\nContent-Disposition: attachment\n\nx", counts: true),
    .init(
      "prose about a script", prose + "Content-Type: text/javascript\n\nx", counts: true),
    .init(
      "prose about a text that has another reading",
      prose + "Content-Type: text/plain\nContent-Type: application/x-msdownload\n\nx",
      counts: true),
  ]

  static let identifiers: [CountedNameCase] = [
    .init(
      "image shown in the text",
      part: "Content-Type: image/png\nContent-ID: <header.img>", in: "related", counts: false),
    .init(
      "inline image",
      part: "Content-Type: image/png\nContent-Disposition: inline\nContent-ID: <header.img>",
      counts: false),
    .init(
      "attached image",
      part: "Content-Type: image/png\nContent-Disposition: attachment\nContent-ID: <header.img>",
      counts: true),
    .init(
      "image that is no image", part: "Content-Type: a/b\nContent-ID: <header.img>", counts: true),
    .init(
      "description that may be a host", part: "Content-Type: a/b\nContent-Description: invoice.one",
      counts: true),
    .init(
      "description that is a host", part: "Content-Type: a/b\nContent-Description: www.example.one",
      counts: false),
    .init("unknown parameter", part: "Content-Type: a/b; foo=\"invoice.one\"", counts: true),
    .init("unknown parameter with a host", part: "Content-Type: a/b; x=example.com", counts: false),
    .init(
      "image with a dangerous description",
      part: "Content-Type: image/png\nContent-ID: <1>\nContent-Description: a.img", counts: true),
  ]

  static let locations: [CountedNameCase] = [
    .init(
      "image that a server page made",
      part: "Content-Type: image/png\nContent-Location: http://example.com/a/img.aspx?id=3",
      in: "related", counts: false),
    .init(
      "server page", part: "Content-Type: text/html\nContent-Location: http://example.com/a.asp",
      counts: false),
    .init(
      "relative server page", part: "Content-Type: image/png\nContent-Location: img.aspx#top",
      counts: false),
    .init(
      "server page with a file in its query",
      part: "Content-Type: image/png\nContent-Location: get.aspx?file=a.exe", counts: true),
    .init("file that may be a host", part: "Content-Location: invoice.one", counts: true),
    .init(
      "host without a path", part: "Content-Location: http://example.app?id=1", counts: false),
    .init(
      "program on a server",
      part: "Content-Type: image/png\nContent-Location: http://example.com/a.exe?id=3",
      counts: true),
    .init(
      "server page as the name of a file",
      part: "Content-Type: image/png; name=img.aspx\nContent-Location: img.png", counts: true),
  ]

  /// A PDF with these parameters of its disposition.
  private static func attached(
    _ name: String, _ parameters: String, counts: Bool
  ) -> CountedNameCase {
    .init(
      name,
      part: "Content-Type: application/pdf\nContent-Disposition: attachment; \(parameters)",
      counts: counts)
  }

  static let parameters: [CountedNameCase] = [
    attached("semicolon in quotes", "filename=\"fix for app.js; final.pdf\"", counts: false),
    attached("semicolon in open quotes", "filename=\"app.js; final.pdf", counts: true),
    attached("colons in prose", "filename=\"RE: setup.exe: a question.pdf\"", counts: false),
    attached(
      "piece that ends so", "filename*0=\"from app.js\"; filename*1=\" on.pdf\"", counts: false),
    attached(
      "encoded piece that ends so", "filename*0*=utf-8''from%20app.js; filename*1*=%20on.pdf",
      counts: false),
    attached("first piece missing", "filename*1=app.js; filename*2=\" on.pdf\"", counts: true),
    attached("title", "filename=a.pdf; title=\"How to fix kernel32.dll\"", counts: false),
    attached("title that is one word", "filename=a.pdf; title=kernel32.dll", counts: true),
    attached("title alone", "title=\"How to fix kernel32.dll\"", counts: true),
    attached("nearly a name", "filename=a.pdf; file-name=\"a b.dll\"", counts: true),
    attached("no parameter", "filename=a.pdf; b c.dll", counts: true),
  ]

  /// The ancestor's pin: a name of 140 characters in two pieces, wherever it is cut.
  @Test(arguments: 1..<140) func leavesPiecesAlone(_ cut: Int) {
    let name =
      "The .com boom, autoexec.bat and setup.exe " + String(repeating: "x", count: 94) + ".pdf"
    let field = "filename*0=\"\(name.prefix(cut))\"; filename*1=\"\(name.dropFirst(cut))\""
    let message = "Content-Type: a/b\r\nContent-Disposition: attachment; \(field)\r\n\r\nx"
    #expect(name.count == 140)
    #expect(Inspection(MIMETree(Array(message.utf8)), .usual).isClean)
  }

  private static let data = "#0V%T\n`\nend\n"

  static let beginnings: [CountedNameCase] = [
    .init(
      "prose that begins", "\nWe will\nbegin  using node.js\nnext week.\n\n-- \nAnn\n",
      counts: false),
    .init("prose up to the end", "\nbegin  node.js\nend\n", counts: false),
    .init(
      "prose before data with a mode", "\nbegin  node.js\nyes\nbegin 644 a.txt\n\(data)",
      counts: false),
    .init("data without a mode", "\nbegin  node.js\n\(data)", counts: true),
    .init("data behind an odd line", "\nbegin  node.js\n\nbelow\n\(data)", counts: true),
    .init("data with a sum at the end of lines", "\nbegin  node.js\n#0V%TA\nend\n", counts: true),
    .init("data without the white space at its end", "\nbegin  node.js\n#0V%\nend\n", counts: true),
    .init("a mode and no data", "\nbegin 644 node.js\nend\n", counts: true),
    .init("a mode and prose", "\nbegin 2025 with a new site, node.js\n\nSee it!\n", counts: false),
    .init(
      "a number and prose",
      "\nwe will\nbegin 100 days of code with www.github.com/x/setup.py\nregards\nAnn\nend\n",
      counts: false),
    .init("a short mode", "\nbegin 44 node.js\n\(data)", counts: true),
    .init("a long mode", "\nbegin 100644 node.js\n\(data)", counts: true),
    .init("no end mark", "\nbegin 644 node.js\n#0V%T\n\nBye\n", counts: true),
    .init("small letters in data", "\nbegin 644 node.js\n#pv%t\n`\nend\n", counts: true),
    .init(
      "small letters in data behind an odd line",
      "\nbegin 644 node.js\nhello there\n#pv%t\n#pv%t\nend\n", counts: true),
    .init(
      "data behind lines of one character",
      "Content-Transfer-Encoding: quoted-printable\n\nx=0Dbegin 644 a.js=0D#0V%T=0D`=0Dend=0D\n",
      counts: true),
  ]

  private static let program = "Content-Transfer-Encoding: base64\n\nTVqQAAMAAAAEAAAA"
  /// `A:`, then a zip archive with `evil.exe`.
  private static let archive = """
    Content-Transfer-Encoding: base64

    QTpQSwMEFAAAAAAAIQghFBDU9j0GAAAABgAAAAgAAABldmlsLmV4ZU1aeHh4eFBLAQIUAxQAAAAA
    ACEIIRQQ1PY9BgAAAAYAAAAIAAAAAAAAAAAAAACAAQAAAABldmlsLmV4ZVBLBQYAAAAAAQABADYA
    AAAsAAAAAAA=
    """

  static let messages: [CountedNameCase] = [
    .init(
      "message named by its subject",
      part: "Content-Type: message/rfc822; name=\"About Booking.com\"\n\nSubject: x\n",
      counts: false),
    .init(
      "program that is declared as a message",
      part: "Content-Type: message/rfc822; name=\"evil.com\"\n" + program, counts: true),
    .init(
      "file of a type below message",
      part: "Content-Type: message/x-note\nContent-Disposition: attachment; filename=a.one\n"
        + program, counts: true),
    .init(
      "file of a type below message that begins as a message",
      part: "Content-Type: message/x; name=a.com\n\nSubject: x\n", counts: true),
    .init(
      "archive of a type below message",
      part: "Content-Type: message/x-zip; name=a.zip\n" + archive, counts: true),
    .init(
      "archive of a type below message without a name",
      part: "Content-Type: message/x\n" + archive, counts: true),
    .init(
      "archive in the header of a message", part: "Content-Type: message/rfc822\n" + archive,
      counts: true),
    .init(
      "message in text that is a file",
      "\nbegin 644 m.eml\nH0V]N=&5N=\"U4>7!E.B!A+V([(&YA;64]979I;\"YE>&4-\"@T*35H-\"@``\n`\nend\n",
      counts: true),
  ]
}
