// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Foundation
import Policy
import Testing

@testable import bmsd

/// `man/bmsd.8` is what the table of commands says; `make regenerate` writes it.
@Suite struct CommandPageTests {
  private let page: String

  init() throws { page = try CommandPage.text() }

  @Test func shippedPageIsNew() throws {
    let root = URL(filePath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let shipped = try String(contentsOf: root.appending(path: "man/bmsd.8"), encoding: .utf8)
    let difference = page.split(separator: "\n", omittingEmptySubsequences: false)
      .difference(from: shipped.split(separator: "\n", omittingEmptySubsequences: false))
    #expect(difference.isEmpty, "man/bmsd.8 is old: make regenerate")
    #expect(shipped == page)
  }

  @Test func everyCommandIsInIt() throws {
    func paths(_ command: CommandTable.Command) -> [String] {
      [command.path] + (command.subcommands ?? []).flatMap { paths($0) }
    }
    let program = try CommandTable.ofThisProgram()
    let all = (program.subcommands ?? []).flatMap { paths($0) }
    #expect(all.count > 20 && all.contains("greylist pass"))
    for path in all where path != "help" {
      let header = path.split(separator: " ").map { $0.count <= 3 ? "\\&\($0)" : String($0) }
      #expect(page.contains(".It Cm \(header.joined(separator: " "))"), "\(path)")
    }
  }

  @Test func everyChapterIsThere() {
    let chapters = page.split(separator: "\n").filter { $0.hasPrefix(".Sh ") }
    #expect(
      chapters.map { $0.dropFirst(4) } == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPERATION", "MTA MACROS", "FILES",
        "ZONE FILES", "SIGNALS", "EXIT STATUS", "EXAMPLES", "SECURITY", "SEE ALSO",
      ])
  }

  @Test func everyMacroIsExplained() {
    #expect(!page.contains("Unknown."))
    for name in Set(MacroWishes.byStage.values.joined()) {
      let bare = name.filter { $0 != "{" && $0 != "}" }
      #expect(page.contains("\(bare) Pq "), "\(name)")
    }
  }
}
