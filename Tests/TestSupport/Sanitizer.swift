// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Foundation

/// The sanitizer that the tests, and the bmsd beside them, were built with: what the variable
/// `SANITIZE` says, which `make test SANITIZE=...` sets.
package enum Sanitizer: String, Sendable {
  case thread, address

  package static let current = ProcessInfo.processInfo.environment["SANITIZE"].flatMap(
    Sanitizer.init(rawValue:))

  /// Whether memory, address space and descriptors are counted as in an ordinary build: a
  /// sanitizer maps terabytes and keeps what was freed.
  package static var leavesMemoryAlone: Bool { current == nil }

  /// The variables of its run-time library, for processes that are given an environment of their
  /// own.
  package static let environment: [String: String] = {
    let names = ["TSAN_OPTIONS", "ASAN_OPTIONS", "LSAN_OPTIONS", "LD_PRELOAD"]
    return ProcessInfo.processInfo.environment.filter { names.contains($0.key) }
  }()
}
