// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MIME
import Testing

/// A field in which some mail program reads the name `evil.exe`, and which.
struct ClientNameCase: Sendable, CustomTestStringConvertible {
  var program: String
  var field: String
  /// The name, where it is another one.
  var name = "evil.exe"

  init(_ program: String, _ field: String, _ name: String = "evil.exe") {
    self.program = program
    self.field = field
    self.name = name
  }

  /// A Content-Disposition with these parameters.
  init(_ program: String, parameters: String) {
    self.init(program, "Content-Disposition: attachment; " + parameters)
  }

  var testDescription: String { "\(program): \(field.prefix(100))" }
}

extension PartNameTests {
  @Test("names that one program reads", arguments: comments + pieces + words + fields)
  func findsWhatAProgramReads(_ row: ClientNameCase) {
    let tree = MIMETree(lines: row.field + "\n\n")
    #expect(tree.nameTexts.contains(row.name))
  }

  static let comments: [ClientNameCase] = [
    .init(
      "mutt, Thunderbird",
      "Content-Disposition: attachment (; filename=\"evil.exe\" ) ; filename=\"good.txt\""),
    .init("mutt, Thunderbird", "Content-Disposition: attachment (; filename=\"evil.exe\"; x=)"),
    .init(
      "mutt, Thunderbird", "Content-Disposition: attachment (; filename=\"evil.exe\"; y=\")\""),
    .init("Python", "Content-Type: a/b (x; name=\"evil.exe\")"),
    .init(
      "mutt, Thunderbird", "Content-Disposition: attachment; a (x; filename=\"evil.exe\") =\"b\""),
    .init(
      "mutt, Thunderbird", "Content-Disposition: attachment x=\"; filename=evil.exe; y=\"; z=1"),
    .init("RFC 822", parameters: "filename=(x)evil.exe junk"),
    .init("mutt", "Content-Disposition: attachment; filename=(x)evil.exe junk", "(x)evil.exe"),
    .init("no backslashes", parameters: "x=\"a\\\"; filename=evil.exe; y=\".txt"),
  ]

  static let pieces: [ClientNameCase] = [
    .init("JavaMail", parameters: "filename*0=\"evil.\"; filename*1=\"txt\"; filename*1=\"exe\""),
    .init("JavaMail", parameters: "filename*0=\"x\"; filename*0=\"evil.\"; filename*1=\"exe\""),
    .init("first", parameters: "filename*0=\"evil.\"; filename*0=\"txt\"; filename*1=\"exe\""),
    .init("first", parameters: "filename*0=\"evil.\"; filename*1=\"exe\"; filename*1=\".txt\""),
    .init(
      "Thunderbird",
      parameters: "filename*0=\"evil.\"; filename*1=\"exe\"; filename*0=\"x\"; filename*2=\".txt\""),
    .init(
      "Thunderbird", parameters: "filename*0=\"evil.\"; filename*1=\"exe\"; filename*02=\".txt\""),
    .init(
      "JavaMail", parameters: "filename*0=\"evil.\"; filename*1=\"exe\"; filename*2*=\".txt\""),
    .init(
      "JavaMail", parameters: "filename*0*=ibm273''%85%A5%89%93%4B; filename*1*=%85%A7%85"),
    .init("JavaMail", parameters: "filename*0*=ibm273''%85%A5%89%93%4B; filename*1=exe"),
    .init("mutt", parameters: "filename*0=\"evil.\"; filename*0=\"exe\""),
    .init("mutt", parameters: "filename*00=\"evil.\"; filename*01=\"exe\""),
    .init("mutt", parameters: "filename*a=\"evil.\"; filename*b=\"exe\""),
    .init("Python", parameters: "filename*0=\"exe\"; filename*0=\"evil.\""),
    .init("any", parameters: "filename*0*=utf-8''evil%2; filename*1=Eexe"),
    .init("no pieces", parameters: "filename*1=evil.exe; filename*2=.txt"),
    .init("long language", parameters: "filename*=ibm037'\(long)'%85%A5%89%93%4B%85%A7%85"),
  ]

  static let words: [ClientNameCase] = [
    .init("MimeKit", parameters: "filename=\"=?utf-8?B?ZXZpbC5?= =?utf-8?B?leGU=?=\""),
    .init("MimeKit", parameters: "filename=\"=?utf-8?Q?evil=2?= =?utf-8?Q?Eexe?=\""),
    .init("mutt", parameters: "filename=\"=?utf-7?Q?evil+AC4?= =?utf-7?Q?exe?=\""),
    .init("any", parameters: "filename=\"=?utf-8*\(long)?Q?evil.exe?=\""),
    .init(
      "any",
      "Content-Type: a/b; name=\"=?utf-8?Q?\(String(repeating: "=41", count: 2000))=2Eexe?=\"",
      String(repeating: "A", count: 2000) + ".exe"),
  ]

  private static let long = String(repeating: "x", count: 100)

  static let fields: [ClientNameCase] = [
    .init("Thunderbird", "Content-Name: evil.exe"),
    .init("Thunderbird", "X-Sun-Data-Name: =?utf-8?Q?evil=2Eexe?="),
    .init("any", "Content-Type: a/b; start=\"evil.exe\""),
    .init("any", "Content-Type: a/b; charset*=utf-8''evil%2Eexe"),
    .init("any", "Content-Type: a/b; protocol=\"evil.exe\""),
  ]

  /// Labels that glibc, Java, Perl or Python know, and the name in them.
  @Test("charsets", arguments: charsets, [true, false])
  func readsCharsets(_ row: (label: String, bytes: [UInt8]), isExtended: Bool) {
    let mark = isExtended ? "%" : "="
    let hex = row.bytes.map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return mark + (digits.count < 2 ? "0" : "") + digits
    }.joined()
    let parameter =
      isExtended ? "filename*=\(row.label)''\(hex)" : "filename=\"=?\(row.label)?Q?\(hex)?=\""
    let tree = MIMETree(lines: "Content-Disposition: attachment; \(parameter)\n\n")
    let texts = tree.nameTexts.map { $0.lowercased() }
    #expect(texts.contains { $0.contains("evil.exe") || $0.contains("ｅｖｉｌ.ｅｘｅ") })
  }

  private static let ebcdic: [UInt8] = [0x85, 0xA5, 0x89, 0x93, 0x4B, 0x85, 0xA7, 0x85]
  private static let katakana: [UInt8] = [0x66, 0xB5, 0x71, 0x74, 0x4B, 0x66, 0xB7, 0x66]
  private static let capitals: [UInt8] = [0xC5, 0xE5, 0xC9, 0xD3, 0x4B, 0xC5, 0xE7, 0xC5]

  /// The bytes are what iconv of glibc writes.
  static let charsets: [(label: String, bytes: [UInt8])] =
    [
      "IBM037", "cp037", "IBM273", "IBM277", "IBM278", "IBM280", "IBM284", "IBM285", "IBM297",
      "IBM420", "IBM424", "IBM500", "IBM870", "IBM871", "IBM875", "IBM880", "IBM905", "IBM918",
      "IBM1025", "IBM1026", "IBM1047", "IBM1112", "IBM1122", "IBM1123", "IBM1140", "IBM1141",
      "IBM1149", "IBM1364", "IBM1388", "IBM1399", "IBM16804", "IBM933", "IBM935", "IBM937",
      "IBM939", "CP1140", "EBCDIC-US", "EBCDIC-AT-DE", "x-EBCDIC-germany", "csEBCDICUK",
      "OSF10020025",
    ].map { ($0, ebcdic) }
    + [0x00, 0x05, 0x25, 0x41, 0x5E, 0x6F, 0xCA].map { ("IBM037", ebcdic + [$0]) }
    + ["IBM930", "IBM1390", "CP930", "CSIBM930"].map { ($0, katakana) }
    + ["IBM290", "IBM803", "EBCDIC-JP-KANA", "CP290"].map { ($0, capitals) }
    + [
      "utf-7", "UNICODE-1-1-UTF-7", "x-unicode-1-1-utf-7", "csUnicode11UTF7", "cp65000",
      "x-utf-7-of-nobody",
    ].map { ($0, Array("evil+AC4-exe".utf8)) }
    + ["utf-7-imap", "x-imap-modified-utf-7"].map { ($0, Array("evil&AC4-exe".utf8)) }
    + ["hz", "hz-gb-2312", "x-hz-of-nobody"].map { ($0, Array("~{#e#v#i#l~}.~{#e#x#e~}".utf8)) }
    + ["utf-16", "UCS-2-INTERNAL", "csUnicode", "x-utf-16-of-nobody", "utf-16be"].flatMap { label in
      [
        (label, "ȃevil.exe".utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }),
        (label, "ȃevil.exe".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }),
      ]
    }
    + [
      "x-unknown", "unknown-8bit", "iso-8859-8-i", "windows-1252", "cp1252", "gb18030",
      "ansi_x3.110-1983", "utf-8",
    ].map { ($0, Array("evil.exe".utf8)) }

  /// Labels of nobody give an ordinary name no others.
  @Test(arguments: [
    "x-unknown", "iso-8859-8-i", "cp1252", "gb18030", "big5", "ansi_x3.110", "macintosh",
  ])
  func readsOrdinaryNamesOnce(_ label: String) {
    let tree = MIMETree(
      lines: "Content-Disposition: attachment; filename*=\(label)''My%20K%20m.pdf\n\n")
    #expect(tree.nameTexts == ["My K m.pdf", "\(label)''My K m.pdf"])
  }
}
