// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import FoundationEssentials

/// A folder of its own for one test, removed with the value.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init() throws {
    let base = FileManager.default.temporaryDirectory
    let url = base.appending(path: "bmsd-test-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  /// A path in it.
  package func path(_ name: String) -> String { "\(path)/\(name)" }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
