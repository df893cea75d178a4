// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import FoundationEssentials

/// The commands as ArgumentParser knows them (`--experimental-dump-help`), as far as the manual page
/// needs them.
struct CommandTable: Decodable {
  /// A command, with the commands below it.
  struct Command: Decodable {
    let commandName: String
    let superCommands: [String]?
    let abstract: String?
    let discussion: String?
    let shouldDisplay: Bool?
    let arguments: [Argument]?
    let subcommands: [Command]?

    /// `config show`.
    var path: String {
      ((superCommands ?? []).dropFirst() + [commandName]).joined(separator: " ")
    }
  }

  /// What a command takes.
  struct Argument: Decodable {
    struct Name: Decodable {
      let kind: String
      let name: String
    }
    let kind: String
    let names: [Name]?
    let valueName: String?
    let abstract: String?
    let defaultValue: String?
    let allValues: [String]?
    let isOptional: Bool
    let isRepeating: Bool
    let shouldDisplay: Bool

    var isPositional: Bool { kind == "positional" }
    /// `config`, without its dashes.
    var longName: String? { names?.first { $0.kind == "long" }?.name }
  }

  let command: Command

  /// The table of this program.
  static func ofThisProgram() throws -> Command {
    try JSONDecoder().decode(CommandTable.self, from: Data(BMSD._dumpHelp().utf8)).command
  }
}
