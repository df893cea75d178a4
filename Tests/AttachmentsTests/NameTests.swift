// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import Testing

/// A name and the extension by which it is banned.
struct NameCase: Sendable, CustomTestStringConvertible {
  var text: String
  var banned: String?
  var isFileName = true

  init(_ text: String, _ banned: String?, isFileName: Bool = true) {
    self.text = text
    self.banned = banned
    self.isFileName = isFileName
  }

  var testDescription: String {
    let visible = text.unicodeScalars.prefix(40).map {
      $0.isASCII && $0.value >= 0x20 ? String($0) : "\\u{\(String($0.value, radix: 16))}"
    }
    return visible.joined() + (isFileName ? "" : " (no file name)")
  }
}

/// Names are compared in every form in which a file could come to lie on a disk.
@Suite struct NameTests {
  private let banned = BannedExtensions(BannedExtensions.standard)

  @Test("fault 27: names that hide", arguments: dangerous + harmless)
  func isBanned(_ name: NameCase) {
    #expect(banned.extensionBanning(name.text, isFileName: name.isFileName) == name.banned)
  }

  static let dangerous: [NameCase] = [
    .init("a.exe", "exe"), .init("A.EXE", "exe"), .init("a.b.c.Pif", "pif"), .init(".exe", "exe"),
    .init("a.exe.", "exe"), .init("a.exe ", "exe"), .init("a.exe . . ", "exe"),
    .init("a.exe\u{A0}", "exe"), .init("a.exe\t\r\n", "exe"), .init("a.\r\nexe", "exe"),
    .init("a.exe\u{0}.txt", "exe"), .init("a.e\u{0}xe", "exe"), .init("a.exe\u{0}", "exe"),
    .init("a\u{202E}txt.exe", "exe"), .init("a.e\u{200B}x\u{AD}e", "exe"),
    .init("a.exe\u{200F}", "exe"), .init("a.exe\u{FE0F}", "exe"), .init("a.\u{2066}exe", "exe"),
    .init("a.exe\u{E0041}", "exe"), .init("a.ex\u{3164}e", "exe"),
    .init("a．ｅｘｅ", "exe"), .init("a.ＥＸＥ", "exe"), .init("a。exe", "exe"), .init("a․exe", "exe"),
    .init("a.ln\u{212A}", "lnk"), .init("a.p\u{17F}1", "ps1"), .init("a.p\u{131}f", "pif"),
    .init("/tmp/a.exe", "exe"), .init("C:\\a.exe", "exe"), .init("a.exe/", "exe"),
    .init("a.exe\\", "exe"), .init("x\u{FF3C}a.exe\u{FF0F}", "exe"), .init("../../a.exe", "exe"),
    .init("a.exe;1", "exe"), .init("a.exe;", "exe"), .init("a.exe;12 ", "exe"),
    .init("a.txt:b.exe", "exe"), .init("a.exe::$DATA", "exe"), .init("a.exe:b", "exe"),
    .init("C:a.exe", "exe"), .init("a:b.exe:$DATA", "exe"), .init("\"a.exe\"", "exe"),
    .init("<a.exe>", "exe"),
    .init("'a.exe'", "exe"), .init("a.exe?", "exe"), .init("a. exe", "exe"),
    .init("a.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}", "{}"),
    .init("a.settingcontent-ms", "settingcontent-ms"), .init("a.com", "com"),
    .init("rechnung.doc.com", "com"), .init("a.pl", "pl"),
    .init(String(repeating: "a", count: 70_000) + ".exe", "exe"),
    .init("caf\u{E9}.exe", "exe"), .init("ф.exe", "exe"), .init("story[1].scr", "scr"),
    .init("invoice@acme.one", "one"), .init("www.invoice.one", "one"),
    .init("q3@report.py", "py"), .init("example.com", "com"), .init("wwww.example.com", "com"),
    .init("invoice.one", "one", isFileName: false),
    .init("http://example.com/a.one", "one", isFileName: false),
    .init("a.url", "url", isFileName: false), .init("a.exe", "exe", isFileName: false),
  ]

  static let harmless: [NameCase] = [
    .init("", nil), .init("exe", nil), .init("a.exe.txt", nil), .init("a.exem", nil),
    .init("a.txt", nil), .init("a.docx", nil), .init("a.zip", nil), .init(".", nil),
    .init("a;b.txt", nil), .init("\u{202E}", nil), .init("\u{0}", nil), .init("a.pdf;1", nil),
    .init("RE: a.exe: b.pdf", nil), .init("exe.a", nil), .init("a.exe (1).pdf", nil),
    .init("http://example.com/", nil, isFileName: false),
    .init("part1@example.com", nil), .init("www.example.com", nil), .init("WWW.Example.COM.", nil),
    .init("part1@example.com", nil, isFileName: false),
    .init("<part1@example.com>", nil, isFileName: false),
    .init("www.example.com", nil, isFileName: false),
    .init("WWW.Example.COM.", nil, isFileName: false),
    .init("<part1@example.one>", nil, isFileName: false),
    .init("www.example.one", nil, isFileName: false),
    .init("https://example.app", nil, isFileName: false),
    .init("example.com", nil, isFileName: false),
    .init("<1@mail.example.pl>", nil, isFileName: false),
    .init("a.b{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}", nil),
  ]

  @Test func listIsTheAncestorsAndMore() {
    let ancestor = """
      ade adp asd asx asp bas bat chm cmd com cpl crt dll exe hlp hta inf ins isp js jse lnk mdb mde \
      msc msi msp mst ocx pcd pif reg scr sct shs url vb vbe vbs wsc wsf wsh
      """.split(separator: " ").map(String.init)
    let later = """
      iso img vhd vhdx one jar ps1 msix appx appinstaller xll wll search-ms library-ms \
      settingcontent-ms diagcab
      """.split(separator: " ").map(String.init)
    #expect(Set(ancestor + later).subtracting(BannedExtensions.standard).isEmpty)
    #expect(BannedExtensions.standard == BannedExtensions.standard.sorted())
  }

  @Test func takesAnAdministratorsSpelling() {
    let own = BannedExtensions([".EXE", "*.tar.gz", " one", ""])
    #expect(own.extensions == ["exe", "tar.gz", "one"])
    #expect(own.extensionBanning("a.Tar.GZ", isFileName: true) == "tar.gz")
    #expect(own.extensionBanning("a.gz", isFileName: true) == nil)
    #expect(BannedExtensions([]).extensionBanning("a.exe", isFileName: true) == nil)
  }
}
