// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Testing

@testable import Fuzz

/// Every input that a fuzzer begins with or ever found, as an ordinary test.
@Suite struct CorpusTests {
  struct Input: Sendable, CustomTestStringConvertible {
    let target: FuzzTarget
    let file: URL
    var testDescription: String { "\(target.rawValue)/\(file.lastPathComponent)" }
  }

  static let corpus = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../Fuzz/Corpus").standardizedFileURL

  static func inputs() throws -> [Input] {
    try FuzzTarget.allCases.flatMap { target in
      let folder = corpus.appending(path: target.rawValue)
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      return names.map { Input(target: target, file: folder.appending(path: $0)) }
    }
  }

  @Test(arguments: try inputs()) func holds(_ input: Input) throws {
    let fault = input.target.fault(Array(try Data(contentsOf: input.file)))
    #expect(fault == nil)
  }

  /// Cut anywhere, an input must be survived too; those of the corpus are small.
  @Test(arguments: try inputs()) func holdsCutShort(_ input: Input) throws {
    let bytes = Array(try Data(contentsOf: input.file))
    let fault = (0..<min(bytes.count, 300)).lazy.compactMap { count in
      input.target.fault(Array(bytes.prefix(count))).map { "behind \(count) bytes: \($0)" }
    }.first
    #expect(fault == nil)
  }

  @Test(arguments: FuzzTarget.allCases) func hasSeeds(_ target: FuzzTarget) throws {
    #expect(try Self.inputs().count { $0.target == target } >= 3)
  }
}
