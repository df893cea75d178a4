// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Testing

/// The table of faults in Tests/EndToEnd/README.md says what the tests say.
@Suite struct FaultTableTests {
  struct Row {
    var number: Int
    var tests: Set<String>
    var isLater: Bool
  }

  private static let tests = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()

  /// `| 7 | fault | what was done | what happened | tests |`
  private func rows() throws -> [Row] {
    let table = Self.tests.appending(path: "EndToEnd/README.md")
    let text = try String(contentsOf: table, encoding: .utf8)
    return text.split(separator: "\n").compactMap { line in
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      guard line.hasPrefix("|"), let number = cells.first.flatMap({ Int($0) }),
        let last = cells.last
      else { return nil }
      let names = last.matches(of: /`(\w+)`/).map { String($0.1) }
      return Row(number: number, tests: Set(names), isLater: line.contains("later: "))
    }
  }

  /// The numbers of faults that each test's name carries.
  private func tagged() throws -> [Int: Set<String>] {
    var tagged: [Int: Set<String>] = [:]
    func add(_ name: Substring, _ numbers: Substring) {
      for number in numbers.split(separator: ",") {
        guard let number = Int(number.trimmingCharacters(in: .whitespaces)) else { continue }
        tagged[number, default: []].insert(String(name))
      }
    }
    let files = try #require(
      FileManager.default.enumerator(at: Self.tests, includingPropertiesForKeys: nil))
    for case let file as URL in files where file.lastPathComponent != "FaultTableTests.swift" {
      guard file.pathExtension == "swift" || file.pathExtension == "py" else { continue }
      let text = try String(contentsOf: file, encoding: .utf8)
      if file.pathExtension == "py" {
        for match in text.matches(of: /def (test_\w+)\(.*\n +"""Faults? ([0-9, ]+):\s/) {
          add(match.1, match.2)
        }
        continue
      }
      for test in text.split(separator: "@Test").dropFirst() {
        guard let name = test.firstMatch(of: /func (\w+)/) else { continue }
        let header = test[..<name.range.lowerBound]
        guard let title = header.firstMatch(of: /"faults? ([0-9, ]+):\s/) else { continue }
        add(name.1, title.1)
      }
    }
    return tagged
  }

  @Test func eachOfTheFaultsHasOneRow() throws {
    #expect(try rows().map(\.number) == Array(1...55))
  }

  @Test func tableAndTestsAgree() throws {
    let tagged = try tagged()
    for row in try rows() {
      #expect(row.tests == tagged[row.number] ?? [], "fault \(row.number)")
      #expect(row.isLater || !row.tests.isEmpty, "fault \(row.number)")
    }
    #expect(Set(tagged.keys).isSubset(of: Set(1...55)))
  }
}
