// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MIME
import Testing

extension ReadingTests {
  static let encodings: [ReadingCase] = [
    .init(
      "two encodings",
      """
      Content-Transfer-Encoding: base64
      Content-Transfer-Encoding: 7bit

      aGVsbG8=
      """, ["0 text/plain \"hello\"", "0b text/plain \"aGVsbG8=\""], [.transferEncodings]),
    .init(
      "the same encoding twice",
      "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: BASE64\n\naGVsbG8=",
      ["0 text/plain \"hello\""]),
    .init(
      "unknown encoding", "Content-Transfer-Encoding: rot13\n\nuryyb",
      ["0 text/plain \"uryyb\""], [.unknownEncoding]),
    .init(
      "encoding with junk", "Content-Transfer-Encoding: \"base64\"; (x)\n\naGVsbG8=",
      ["0 text/plain \"hello\""]),
    .init(
      "guessable encoding", "Content-Transfer-Encoding: x-base64\n\naGVsbG8=",
      ["0 text/plain \"aGVsbG8=\"", "0b text/plain \"hello\""], [.unknownEncoding]),
    .init(
      "multipart under base64",
      """
      Content-Type: multipart/mixed; boundary=a
      Content-Transfer-Encoding: base64

      LS1hDQpDb250ZW50LUlEOiAxDQoNCmhlbGxvDQotLWEtLQ0K
      """, ["0 multipart", "1 text/plain \"hello\""]),
    .init(
      "multipart that only says base64",
      "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\n1\n--a--",
      ["0 multipart", "1 text/plain \"1\""]),
    .init(
      "multipart under quoted-printable, delimiters hidden",
      """
      Content-Type: multipart/mixed; boundary=a
      Content-Transfer-Encoding: quoted-printable

      =2D-a

      hello
      =2D-a--
      """, ["0 multipart", "1 text/plain \"hello\""]),
    .init(
      "message under base64",
      """
      Content-Type: message/rfc822
      Content-Transfer-Encoding: base64

      U3ViamVjdDogeA0KQ29udGVudC1UeXBlOiB0ZXh0L2h0bWwNCg0KaGVsbG8=
      """, ["0 message", "0.0 text/html \"hello\""]),
    .init(
      "message under quoted-printable",
      """
      Content-Type: message/rfc822
      Content-Transfer-Encoding: quoted-printable

      Content-Type: text/ht=
      ml

      hello
      """,
      ["0 message", "0.0 text/html \"hello\"", "0b message", "0b.0 text/ht \"hello\""],
      [.encodedContainer]),
    .init(
      "base64 with junk and several paddings",
      "Content-Transfer-Encoding: base64\n\n!aGV*s\nbG8=\n=\nIHdv\n\tcmxk==\n",
      ["0 text/plain \"hello world\""]),
    .init(
      "base64 without padding", "Content-Transfer-Encoding: base64\n\naGVsbG8",
      ["0 text/plain \"hello\""]),
    .init(
      "quoted-printable, sloppy",
      "Content-Transfer-Encoding: quoted-printable\n\na=3db= \n=zz=C3=A9=4",
      ["0 text/plain \"a=b=zzé=4\""]),
    .init(
      "uuencode as an encoding",
      """
      Content-Type: application/octet-stream
      Content-Transfer-Encoding: x-uuencode

      begin 644 a.exe
      %:&5L;&\\
      `
      end

      """, ["0 application/octet-stream \"hello\"", "1 embedded \"hello\""]),
    .init(
      "uuencode in text",
      """
      Subject: x

      see
      begin 644 a.exe
      %:&5L;&\\
      `
      end
      and
      begin-base64 755 b c.exe
      aGVsbG8=
      ====
      =ybegin line=128 size=1 name=d e.exe
      x
      =yend size=1
      begin  f.exe
      %:&5L;&\\
      begin  the day
      begin 644
      """,
      [
        "0 text/plain \"see\r\nbegin 644 a.exe\r\n%:&5L;&\\\r\n`\r\nend\r\n\"",
        "1 embedded \"hello\"",
        "2 embedded \"hello\"", "3 embedded \"x\r\n=yend size=1\r\n\"", "4 embedded \"hello\"",
      ]),
    .init(
      "uuencode in encoded text",
      """
      Content-Transfer-Encoding: quoted-printable

      =62egin 644 a.e=
      xe
      %:&5L;&\\
      end
      """, ["0 text/plain \"begin 644 a.exe\r\n%:&5L;&\\\r\nend\"", "1 embedded \"hello\""]),
    .init(
      "uuencode in the preamble",
      "Content-Type: multipart/mixed; boundary=a\n\nbegin 644 a.exe\n%:&5L;&\\\nend\n--a\n\n1\n--a--",
      ["0 multipart", "1 text/plain \"1\"", "2 embedded \"hello\""]),
    .init(
      "uuencode in UTF-7",
      "Content-Type: text/plain; charset=utf-7\n\n+AGI-egin 644 a.exe\n%:&5L;&\\\nend\n",
      ["0 text/plain \"+AGI-egin 644 a.exe\r\n%:&5L;&\\\r\nend\r\n\"", "1 embedded \"hello\""]),
  ]

  static let otherTypes: [ReadingCase] = [
    .init(
      "encoded parts in an encoded text",
      """
      Content-Type: text/plain; boundary=a
      Content-Transfer-Encoding: base64

      LS1hDQpDb250ZW50LUlEOiAxDQoNCmhlbGxvDQotLWEtLQ0K
      """,
      [
        "0 multipart", "1 text/plain \"hello\"",
        "0b text/plain \"--a\r\nContent-ID: 1\r\n\r\nhello\r\n--a--\r\n\"",
      ], [.partsInOtherType]),
    .init(
      "partial message",
      "Content-Type: message/partial; id=x; number=1; total=2\n\nContent-Type: text/html\n\n1",
      ["0 message", "0.0 text/html \"1\""]),
    .init(
      "external body",
      "Content-Type: message/external-body; access-type=URL; URL=\"http://x/a.exe\"\n\n"
        + "Content-Type: application/x-dosexec; name=b.exe\nContent-ID: <1@x>\n\nphantom",
      ["0 message", "0.0 application/x-dosexec \"phantom\""]),
    .init(
      "message by its name",
      """
      Content-Type: application/octet-stream; name=x.EML
      Content-Transfer-Encoding: base64

      U3ViamVjdDogeA0KQ29udGVudC1UeXBlOiB0ZXh0L2h0bWwNCg0KaGVsbG8=
      """, ["0 message", "0.0 text/html \"hello\""]),
    .init(
      "delivery status",
      "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: x",
      ["0 message/delivery-status \"Reporting-MTA: dns; x\r\n\r\nAction: x\""]),
  ]
}
