// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// S/MIME in one part, made by `openssl cms`, and what is found in it.
struct SignedDataCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var header = "Content-Type: application/pkcs7-mime; name=smime.p7m"
  var content: String
  var isClean = false
  var isSigned = true
  var facts: [AttachmentFact] = []

  var message: [UInt8] {
    let lines = "\(header)\nContent-Transfer-Encoding: base64\n\n\(content)\n"
    return Array(lines.replacing("\n", with: "\r\n").utf8)
  }
}

/// What S/MIME signs is shown by every mail program, so that it is looked into.
@Suite struct SignedDataTests {
  @Test(arguments: rows)
  func looksInto(_ row: SignedDataCase) throws {
    let inspection = Inspection(MIMETree(row.message), .usual)
    #expect(inspection.isClean == row.isClean)
    #expect(inspection.signed.isEmpty == !row.isSigned)
    #expect(inspection.facts.map(\.fact) == row.facts)
    guard !row.isClean else { return }
    let result = try #require(try defanged(row.message))
    #expect(result.removed.count == 1)
    expectSound(result, from: row.message)
  }

  @Test func dangersSayWhereTheyAre() throws {
    let inspection = Inspection(MIMETree(Self.row("", Self.definite).message), .usual)
    let offence = try #require(inspection.offences.first)
    guard case .inside(.signed, .name(let name, extension: "exe")) = offence.danger else {
      Issue.record("\(offence)")
      return
    }
    #expect(name.text == "evil.exe")
  }

  @Test("every cut, and every byte turned over") func readsDamagedData() {
    let bytes = Self.definite.filter { $0 != "\n" }
    var findings = 0
    for length in 0..<bytes.count {
      let cut = Self.row("", String(bytes.prefix(length))).message
      findings += Inspection(MIMETree(cut), .usual).isClean ? 0 : 1
      var turned = Array(bytes)
      turned[length] = turned[length] == "/" ? "A" : "/"
      findings += Inspection(MIMETree(Self.row("", String(turned)).message), .usual).isClean ? 0 : 1
    }
    #expect(findings > 0)
  }

  @Test func isNoLargerInsideThanTheLimits() {
    // Lengths of indefinite form within one another, without an end.
    for open in [[0x30, 0x80], [0x24, 0x80], [0xA0, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]] as [[UInt8]] {
      let bytes = [UInt8]((0..<20_000).map { _ in open }.joined())
      let header = "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
      let inspection = Inspection(MIMETree(Array(header.utf8) + bytes), .usual)
      #expect(inspection.facts.map(\.fact) == [.opaque])
    }
  }

  private static func row(_ name: String, _ content: String) -> SignedDataCase {
    SignedDataCase(testDescription: name, content: content)
  }

  static let rows: [SignedDataCase] = [
    row("definite lengths", definite), row("indefinite lengths", indefinite),
    row("signed twice", nested),
    row(
      "in base64 once more",
      Array("-----BEGIN CMS-----\n\(definite)\n-----END CMS-----\n".utf8).base64),
    .init(
      testDescription: "known by its name",
      header: "Content-Type: a/b\nContent-Disposition: attachment; filename=\"smime.p7m.\"",
      content: definite),
    .init(
      testDescription: "known by its older type",
      header: "Content-Type: application/x-pkcs7-mime; smime-type=signed-data", content: definite),
    .init(
      testDescription: "a program under its name", header: "Content-Type: a/b; name=a.exe.p7m",
      content: harmless),
    .init(testDescription: "harmless", content: harmless, isClean: true),
    .init(testDescription: "nothing but a signature", content: detached, isClean: true),
    .init(
      testDescription: "encrypted", content: encrypted, isClean: true, isSigned: false,
      facts: [.encrypted]),
    .init(
      testDescription: "damaged", content: "SGVsbG8=", isClean: true, isSigned: false,
      facts: [.opaque]),
    .init(
      testDescription: "compressed (RFC 3274)", content: "MA8GCyqGSIb3DQEJEAEJoAA=", isClean: true,
      isSigned: false, facts: [.opaque]),
    .init(testDescription: "empty", content: "", isClean: true, isSigned: false),
    .init(
      testDescription: "another file of that name", header: "Content-Type: a/b; name=a.p7m",
      content: "SGVsbG8=", isClean: true, isSigned: false),
  ]

  /// `evil.exe`, signed.
  static let definite = """
    MIHsBgkqhkiG9w0BBwKggd4wgdsCAQExDTALBglghkgBZQMEAgEwNwYJKoZIhvcNAQcBoCoEKENvbnRlbnQtVHlwZTog
    YS9iOyBuYW1lPWV2aWwuZXhlDQoNCk1aDQoxgY0wgYoCAQEwJDAMMQowCAYDVQQDDAF4AhQ31AqfO9Cw8jELoPzpMTWJ
    McujnTALBglghkgBZQMEAgEwCgYIKoZIzj0EAwIERjBEAiA++XMvD1OlOPaD/cnak/FgGEeoC1WaPoCg1GQ3r3vk7gIg
    Up5wQ1TxF73a6gbiDi+i4U0KL5u9sm1E+qld3/bYpAA=
    """

  /// The same as it is written piece by piece.
  static let indefinite = """
    MIAGCSqGSIb3DQEHAqCAMIACAQExDTALBglghkgBZQMEAgEwgAYJKoZIhvcNAQcBoIAkgAQoQ29udGVudC1UeXBlOiBh
    L2I7IG5hbWU9ZXZpbC5leGUNCg0KTVoNCgAAAAAAADGBjjCBiwIBATAkMAwxCjAIBgNVBAMMAXgCFDfUCp870LDyMQug
    /OkxNYkxy6OdMAsGCWCGSAFlAwQCATAKBggqhkjOPQQDAgRHMEUCIG63Wdyh08Tl6lLMxryZ0nHk1mOpCWu5SrG4+EYw
    NLkXAiEAsWdr6AZIvDcZU6kv33fuU5XdwwaSYusDg7D0P6zeqmsAAAAAAAA=
    """

  /// The first in a message that is signed again.
  static let nested = """
    MIIChQYJKoZIhvcNAQcCoIICdjCCAnICAQExDTALBglghkgBZQMEAgEwggHLBgkqhkiG9w0BBwGgggG8BIIBuENvbnRl
    bnQtVHlwZTogYXBwbGljYXRpb24vcGtjczctbWltZTsgc21pbWUtdHlwZT1zaWduZWQtZGF0YTsgbmFtZT1zbWltZS5w
    N20NCkNvbnRlbnQtVHJhbnNmZXItRW5jb2Rpbmc6IGJhc2U2NA0KDQpNSUhzQmdrcWhraUc5dzBCQndLZ2dkNHdnZHND
    QVFFeERUQUxCZ2xnaGtnQlpRTUVBZ0V3TndZSktvWklodmNOQVFjQm9Db0VLRU52CmJuUmxiblF0Vkhsd1pUb2dZUzlp
    T3lCdVlXMWxQV1YyYVd3dVpYaGxEUW9OQ2sxYURRb3hnWTB3Z1lvQ0FRRXdKREFNTVFvd0NBWUQKVlFRRERBRjRBaFEz
    MUFxZk85Q3c4akVMb1B6cE1UV0pNY3VqblRBTEJnbGdoa2dCWlFNRUFnRXdDZ1lJS29aSXpqMEVBd0lFUmpCRQpBaUEr
    K1hNdkQxT2xPUGFEL2NuYWsvRmdHRWVvQzFXYVBvQ2cxR1EzcjN2azdnSWdVcDV3UTFUeEY3M2E2Z2JpRGkraTRVMEtM
    NXU5CnNtMUUrcWxkMy9iWXBBQT0KMYGOMIGLAgEBMCQwDDEKMAgGA1UEAwwBeAIUN9QKnzvQsPIxC6D86TE1iTHLo50w
    CwYJYIZIAWUDBAIBMAoGCCqGSM49BAMCBEcwRQIgPBOFVB+mFfiXohQvN2Rp+qL7t86PcVUsPmNw9TZjrDQCIQDLCzah
    skIAaxECCoh9aabz+HUeNTxz1+sQdZ2Tg3Xpeg==
    """

  /// A text, signed.
  static let harmless = """
    MIHlBgkqhkiG9w0BBwKggdcwgdQCAQExDTALBglghkgBZQMEAgEwLwYJKoZIhvcNAQcBoCIEIENvbnRlbnQtVHlwZTog
    dGV4dC9wbGFpbg0KDQpoaQ0KMYGOMIGLAgEBMCQwDDEKMAgGA1UEAwwBeAIUN9QKnzvQsPIxC6D86TE1iTHLo50wCwYJ
    YIZIAWUDBAIBMAoGCCqGSM49BAMCBEcwRQIgWOWbiRe/nOVvADJM/e865JNZpPPiic1rn7h6tiJ6fMUCIQDg7WXJD3VT
    fsoyVWsIAYL9uScflPMtaoR6Tf/rD83lfQ==
    """

  static let detached = """
    MIHBBgkqhkiG9w0BBwKggbMwgbACAQExDTALBglghkgBZQMEAgEwCwYJKoZIhvcNAQcBMYGOMIGLAgEBMCQwDDEKMAgG
    A1UEAwwBeAIUN9QKnzvQsPIxC6D86TE1iTHLo50wCwYJYIZIAWUDBAIBMAoGCCqGSM49BAMCBEcwRQIgVV9f4uAcNb5X
    BUmpWaCDKqJIFByGOMMfCViBoGQ4u9gCIQDeYYlOXYNwK+O2PSvpaT9gXM+BWs9oyTtq/+3bhcG3cA==
    """

  static let encrypted = """
    MIIBLgYJKoZIhvcNAQcDoIIBHzCCARsCAQIxgbehgbQCAQOgUaFPMAkGByqGSM49AgEDQgAEYCWKlRlrm3pRW4GHZSd3
    hvMW+oKKwkCx08h/Z34an06ICSu+w5/JvlVc+1068ERwGJFJ01fj8Bi8jRXjfsvkwDAYBgkrgQUQhkg/AAIwCwYJYIZI
    AWUDBAEFMEIwQDAkMAwxCjAIBgNVBAMMAXgCFDfUCp870LDyMQug/OkxNYkxy6OdBBhT7gbHBG5Sc5LDLtBGWkdGPPAQ
    lDn6/zswXAYJKoZIhvcNAQcBMB0GCWCGSAFlAwQBAgQQV+fvVz2w9glsvAJZlgjlQIAwQEezb7LnIDT8ryYKdrKhSEO4
    OFEubhU8aFRAl5WyFoSyJ9EI0LjuZgQ7GzQMzvBC
    """
}

extension [UInt8] {
  fileprivate var base64: String {
    String(decoding: ContentEncoder.encode(self, .base64, lineEnd: [0x0A]), as: UTF8.self)
  }
}
