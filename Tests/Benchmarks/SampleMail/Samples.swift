// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import MIME

/// The three kinds of message of the mix, always the same bytes.
package enum Samples {
  /// 2 KB of text.
  package static let text = crlf(
    header("text/plain; charset=utf-8", "Content-Transfer-Encoding: 7bit") + prose(1400))

  /// 30 KB of multipart/alternative with quoted-printable HTML.
  package static let html = crlf(
    header("multipart/alternative; boundary=\"=_alternative\"")
      + part("=_alternative", "text/plain; charset=utf-8", "quoted-printable", prose(6000))
      + part("=_alternative", "text/html; charset=utf-8", "quoted-printable", markup(23_000))
      + "--=_alternative--\n")

  /// 400 KB: text and three attachments under base64.
  package static let attachments = crlf(
    header("multipart/mixed; boundary=\"=_mixed\"")
      + part("=_mixed", "text/plain; charset=utf-8", "7bit", prose(2000))
      + (0..<3).map { number in
        part(
          "=_mixed", "application/pdf; name=\"report-\(number).pdf\"",
          "base64\nContent-Disposition: attachment; filename=\"report-\(number).pdf\"",
          base64(97_000, seed: UInt64(number)))
      }.joined() + "--=_mixed--\n")

  private static func header(_ type: String, _ more: String = "X-Mailer: sample") -> String {
    let received = (0..<4).map {
      "Received: from mx\($0).example.com (mx\($0).example.com [192.0.2.\($0)])\n"
        + "\tby mail.example.org with ESMTPS id 4F\($0);\n\tFri, 21 Nov 2025 10:00:0\($0) +0000\n"
    }.joined()
    return received
      + "From: Alice <alice@example.com>\nTo: Bob <bob@example.org>\nSubject: The quarter\n"
      + "Message-ID: <20251121100000.1@example.com>\nMIME-Version: 1.0\n"
      + "Content-Type: \(type)\n\(more)\n\n"
  }

  private static func part(
    _ boundary: String, _ type: String, _ encoding: String, _ body: String
  ) -> String {
    "--\(boundary)\nContent-Type: \(type)\nContent-Transfer-Encoding: \(encoding)\n\n\(body)\n"
  }

  private static func prose(_ size: Int) -> String {
    let line = "The figures of the last quarter are attached; see the second page first.\n"
    return String(repeating: line, count: size / line.utf8.count + 1)
  }

  private static func markup(_ size: Int) -> String {
    let line =
      "<p style=3D\"margin:0;color:#333\">The figures of the last quarter <b>are=\n"
      + " attached</b>&nbsp;; see caf=C3=A9.</p>\n"
    return String(repeating: line, count: size / line.utf8.count + 1)
  }

  private static func base64(_ size: Int, seed: UInt64) -> String {
    var state = seed &+ 0x9E37_79B9_7F4A_7C15
    let bytes = (0..<size).map { _ -> UInt8 in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 33)
    }
    return String(
      decoding: ContentEncoder.encode(bytes, .base64, lineEnd: [0x0A]), as: UTF8.self)
  }

  private static func crlf(_ text: String) -> [UInt8] {
    Array(text.replacing("\n", with: "\r\n").utf8)
  }
}
