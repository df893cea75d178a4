// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MIME
import Testing

/// A field, and the names that mail programs can read in it.
struct NameFieldCase: Sendable, CustomTestStringConvertible {
  var field: String
  var names: [String]

  init(_ field: String, _ names: [String]) {
    self.field = field
    self.names = names
  }

  var testDescription: String { String(field.prefix(70)) }
}

@Suite struct PartNameTests {
  @Test(arguments: parameters + encoded + otherFields)
  func finds(_ row: NameFieldCase) {
    let tree = MIMETree(lines: row.field + "\n\n")
    #expect(tree.nameTexts == row.names)
  }

  static let parameters: [NameFieldCase] = [
    .init("Content-Type: a/b", []),
    .init("Content-Type: a/b; name=x.exe", ["x.exe"]),
    .init("Content-Type: a/b; NAME = \"x.exe\"", ["x.exe"]),
    .init("Content-Type: a/b; bogus=x.exe", ["x.exe"]),
    .init("Content-Type: a/b;\n name=\n x.exe", ["x.exe"]),
    .init("Content-Type: a/b;\n name=x.\n exe", ["x.", "x. exe"]),
    .init("Content-Disposition: attachment; filename=x y.exe", ["x", "x y.exe"]),
    .init("Content-Disposition: attachment; filename=\"x;y.exe\"", ["x;y.exe"]),
    .init("Content-Disposition: attachment; filename=\"x.exe", ["x.exe"]),
    .init("Content-Disposition: attachment; filename=x.exe\"", ["x.exe\""]),
    .init("Content-Disposition: attachment; filename=\"x\"y.exe", ["x", "xy.exe", "\"x\"y.exe"]),
    .init(
      "Content-Disposition: attachment; filename=\"a\\\"b.exe\"",
      ["a\"b.exe", "a\\\"b.exe", "a\\", "a\\b.exe", "\"a\\\"b.exe\""]),
    .init(
      "Content-Disposition: attachment; filename=\"C:\\dir\\x.exe\"",
      ["C:dirx.exe", "C:\\dir\\x.exe"]),
    .init("Content-Disposition: attachment; filename='x.exe'", ["'x.exe'"]),
    .init(
      "Content-Disposition: attachment; filename=x(.txt).exe", ["x", "x(.txt).exe", "x.exe"]),
    .init("Content-Disposition: attachment; x.exe", ["x.exe"]),
    .init("Content-Disposition: attachment filename=x.exe", ["x.exe"]),
    .init("Content-Disposition: filename=x.exe", ["x.exe"]),
    .init("Content-Disposition: attachment; filename=a.txt; filename=b.exe", ["a.txt", "b.exe"]),
    .init("Content-Disposition: attachment;; ;filename=a.txt;", ["a.txt"]),
    .init(
      "Content-Disposition: (c ; filename=a) attachment; (d) filename (e) = f",
      ["f", "a)", "a) attachment", "(d)", "(d) filename (e) = f"]),
    .init("Content-Type: a/b; name=((((((x.exe", ["", "((((((x.exe"].filter { !$0.isEmpty }),
    .init("Content-Type: a/b\nContent-Type: c/d; name=x\nContent-Type: e/f; name=y", ["x", "y"]),
    .init("Content-Type : a/b; name=x", ["x"]),
  ]

  static let encoded: [NameFieldCase] = [
    .init(
      "Content-Disposition: a; filename*=utf-8''caf%C3%A9.exe", ["café.exe", "utf-8''café.exe"]),
    .init(
      "Content-Disposition: a; filename*=iso-8859-1'en'caf%E9.exe",
      ["café.exe", "iso-8859-1'en'café.exe"]),
    .init("Content-Disposition: a; filename*=x.%65xe", ["x.exe"]),
    .init(
      "Content-Disposition: a; filename*=utf-7''x+AC4-exe",
      ["x.exe", "x+AC4-exe", "utf-7''x+AC4-exe"]),
    .init(
      "Content-Disposition: a; filename*=utf-16''%00x%00.%00e%00x%00e",
      ["x.exe", "砀⸀攀砀攀", "\0x\0.\0e\0x\0e", "utf-16''\0x\0.\0e\0x\0e"]),
    .init(
      "Content-Disposition: a; filename*=ibm037''%A7%4B%85%A7%85",
      ["x.exe", "§K\u{85}§\u{85}", "ibm037''§K\u{85}§\u{85}"]),
    .init("Content-Disposition: a; filename*0=\"x.\"; filename*1=exe", ["x.exe"]),
    .init("Content-Disposition: a; filename*1=exe; filename*0=\"x.\"", ["x.exe", "exex."]),
    .init(
      "Content-Disposition: a; filename*0*=utf-8''x%2E; filename*1=exe",
      ["x.exe", "utf-8''x.exe"]),
    .init(
      "Content-Disposition: a; filename*2=exe; filename*0=x.", ["x.exe", "exex.", "x.", "exe"]),
    .init("Content-Disposition: a; filename*0*=x%2E; filename*1*=exe", ["x.exe"]),
    .init("Content-Type: a/b; name=\"=?utf-8?Q?x=2Eexe?=\"", ["=?utf-8?Q?x=2Eexe?=", "x.exe"]),
    .init(
      "Content-Type: a/b; name==?utf-8?B?eC5l?=\n =?utf-8?B?eGU=?=",
      ["=?utf-8?B?eC5l?=", "x.e", "=?utf-8?B?eC5l?= =?utf-8?B?eGU=?=", "x.exe"]),
    .init("Content-Type: a/b; name=x%2Eexe", ["x%2Eexe", "x.exe"]),
    .init("Content-Type: a/b; name=caf\u{E9}.exe", ["café.exe"]),
    .init(
      "Content-Type: a/b; =?us-ascii?Q?name=3Dx=2Eexe?=", ["?us-ascii?Q?name=3Dx=2Eexe?=", "x.exe"]),
    .init(
      "Content-Type: a/b; name=\"=?iso-2022-jp?B?GyRCI2UjeCNlGyhCLg==?=\"",
      ["=?iso-2022-jp?B?GyRCI2UjeCNlGyhCLg==?=", "ｅｘｅ."]),
  ]

  static let otherFields: [NameFieldCase] = [
    .init("Content-Location: http://example.com/a/x.exe", ["x.exe"]),
    .init("Content-Location: http://example.com/x.exe?y=/z#a", ["z#a", "x.exe"]),
    .init("Content-Location: x.\n exe", ["x.exe"]),
    .init("Content-Location: \"a\\x%2Eexe\"", ["x%2Eexe", "x.exe"]),
    .init("Content-Description: x.exe", ["x.exe"]),
    .init("Content-Description: x.exe\nContent-Type: a/b; name=y", ["y"]),
    .init("Content-Description: x.exe\nContent-Type: a/b; start=y@z; charset=d-1", ["x.exe"]),
    .init("Content-Description: x@y.exe", []),
    .init("Content-ID: <x.exe>", ["<x.exe>"]),
    .init("Content-ID: <1@example.com>", []),
  ]

  @Test func takesNamesFromBeginLines() {
    let tree = MIMETree(
      lines: """

        begin 644 a b.exe
        #0V%T
        begin-base64 644 c.exe
        begin  d.exe
        #0V%T
        =ybegin line=128 name=e.exe
        begin 99 f.exe
        begin9 644 g.exe
        """)
    #expect(tree.nameTexts == ["a b.exe", "c.exe", "d.exe", "e.exe"])
  }

  @Test func saysWhereANameComesFrom() {
    let tree = MIMETree(
      lines: """
        Content-Type: a/b; name=1; x=2
        Content-Disposition: attachment; filename=3; 4
        Content-Location: 5


        """)
    #expect(
      tree.parts.first?.names.map(\.origin.description) == [
        "Content-Type name", "Content-Type x", "Content-Disposition filename",
        "Content-Disposition",
        "Content-Location",
      ])
    #expect(tree.parts.first?.names.map(\.isFileName) == [true, false, true, false, false])
  }
}
