// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import MIME

/// How a part says that it is S/MIME that holds what it signs (RFC 8551 §3.2).
enum SignedFile {
  /// Whether the type says so.
  static func isDeclared(_ type: ContentType) -> Bool {
    ["application/pkcs7-mime", "application/x-pkcs7-mime", "application/cms"].contains(type.name)
  }

  /// Whether a form of the name says so, whatever the type is (RFC 8551 §3.2.1).
  static func isNamed(_ form: String) -> Bool { endings.contains { form.hasSuffix($0) } }

  /// What the content is called once it is taken out: `invoice.pdf` of `invoice.pdf.p7m`.
  static func names(ofContentIn name: PartName) -> [PartName] {
    FileName.forms(of: name.text).compactMap { form in
      guard let ending = endings.first(where: { form.hasSuffix($0) }) else { return nil }
      var inner = name
      inner.text = String(form.dropLast(ending.count))
      return inner
    }
  }

  private static let endings = [".p7m", ".p7z"]
}
