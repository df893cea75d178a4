// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import FoundationEssentials

/// Messages that others collected; what is not there is not tested.
enum Corpus {
  /// The ancestor's test messages, which are not part of the project: a folder beside the checkout.
  static let ancestor = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "shared/corpora/ancestor").path
  /// Debian's libpython3.11-testsuite.
  static let python = "/usr/lib/python3.11/test/test_email/data"

  /// Whether there is such a folder.
  static func exists(_ folder: String) -> Bool { FileManager.default.fileExists(atPath: folder) }

  /// The names of the messages in it, without a README.
  static func names(_ folder: String, suffix: String = "") -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0 != "README.md" && $0.hasSuffix(suffix) }.sorted()
  }

  /// The bytes of one.
  static func message(_ folder: String, _ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(filePath: folder).appending(path: name)))
  }
}
