// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Glibc

struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show and explain the configuration.",
    subcommands: [Show.self, Doc.self, Explain.self, Diff.self, MTA.self])

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print every value that holds, and where it comes from; secrets are masked.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "One JSON object an option.") var json = false

    func run() throws {
      let setup = try config.setup()
      for fault in setup.faults { Terminal.error(fault.description) }
      let entries = setup.configuration.entries
      if json {
        for entry in entries {
          print(
            Terminal.json([
              ("section", .string(entry.section)), ("key", .string(entry.key)),
              ("value", .string(entry.text)), ("origin", .string("\(entry.origin)")),
            ]))
        }
      } else {
        let rows = entries.map { [$0.name, $0.text, "\($0.origin)"] }
        for line in Terminal.table([["OPTION", "VALUE", "FROM"]] + rows) { print(line) }
      }
      if setup.configuration.hasErrors { throw ExitCode(EX_CONFIG) }
    }
  }

  struct Doc: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable {
      case sample, man, commands, sendmail, notice
    }

    static let configuration = CommandConfiguration(
      abstract: "Print the commented sample file, or another text made from tables.",
      discussion: """
        sample is the file, man its manual page bms.conf(5), commands the manual page bmsd(8), \
        sendmail the line for sendmail.mc, notice the text that takes the place of a dangerous \
        attachment. They come from the tables that parse the file and the \
        command line.
        """)

    @Option(help: "What to print.") var format = Format.sample

    func run() throws {
      switch format {
      case .sample: print(Documentation.sampleFile, terminator: "")
      case .man: print(Documentation.manualPage, terminator: "")
      case .commands: print(try CommandPage.text(), terminator: "")
      case .notice: print(Documentation.attachmentNotice, terminator: "")
      case .sendmail: print(Documentation.sendmailMacros, terminator: "")
      }
    }
  }

  struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what one option means, its kind and default, and its value now.")

    @OptionGroup var config: ConfigFile
    @Argument(
      help: ArgumentHelp("An option: helo.require, or require.", valueName: "KEY"),
      completion: .list(Documentation.optionNames))
    var key: String

    func run() throws {
      let setup = try config.setup()
      do {
        print(try Documentation.explain(key, in: setup.configuration))
      } catch {
        Terminal.error("bmsd: \(error.message)")
        throw ExitCode(EX_USAGE)
      }
    }
  }

  struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Compare the running configuration with the file.",
      discussion: """
        Without a running daemon the one that it took last is compared. Exit status 1 when they \
        differ.
        """)

    @OptionGroup var config: ConfigFile
    @Flag(help: "One JSON object an option.") var json = false

    func run() throws {
      let access = try DaemonAccess(config)
      var rows: [DifferenceRow] = []
      do {
        try access.ask(.configDiff, needsDaemon: true, rows: DifferenceRow.self) { rows.append($0) }
      } catch let code as ExitCode where code.rawValue == EX_UNAVAILABLE {
        rows = try differencesFromLastGood(access.configuration)
      }
      if json {
        for row in rows {
          print(
            Terminal.json([
              ("option", .string(row.option)), ("running", .string(row.running)),
              ("file", .string(row.file)), ("needs_restart", .bool(row.needsRestart)),
            ]))
        }
      } else if !rows.isEmpty {
        let table = rows.map {
          [$0.option, $0.running, $0.file, $0.needsRestart ? "restart" : "reload"]
        }
        for line in Terminal.table([["OPTION", "RUNNING", "FILE", "BY"]] + table) { print(line) }
      }
      if !rows.isEmpty { throw ExitCode(1) }
    }

    private func differencesFromLastGood(_ file: Configuration) throws -> [DifferenceRow] {
      guard let path = LastGoodFile.path(file), access(path, R_OK) == 0 else {
        Terminal.error("bmsd: there is no configuration that it took last, either")
        throw ExitCode(EX_UNAVAILABLE)
      }
      Terminal.error("bmsd: compared with \(path) instead")
      var good = ConfigFile()
      good.path = path
      return DifferenceRow.between(try good.setup().configuration, and: file)
    }
  }

  struct MTA: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "mta", abstract: "Print the lines for Postfix's and Sendmail's configuration.")

    @OptionGroup var config: ConfigFile

    func run() throws {
      let (setup, pipeline) = try config.provedPipeline()
      let lines = MTALines(setup.configuration, pipeline)
      for line in lines.postfix + [""] + lines.sendmail { print(line) }
    }
  }
}
