// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import BMSDaemon
internal import Configuration
internal import Milter
internal import Policy

/// Renders the manual page bmsd(8) in mdoc(7): the commands from ArgumentParser's table, the macros
/// from what the daemon asks the MTA for, between written chapters.
enum CommandPage {
  /// The page. Its date is written here, not taken from a clock, so that the same program makes the
  /// same page.
  static func text() throws -> String {
    let program = try CommandTable.ofThisProgram()
    let lines =
      [
        ".\\\" Made from the table of commands by 'make regenerate'; changes here are lost.",
        ".Dd January 1, 2026", ".Dt BMSD 8", ".Os", ".Sh NAME", ".Nm bmsd",
        ".Nd mail policy daemon for Postfix and Sendmail",
      ] + head + commands(program) + operation + macros + rest
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: commands

  /// What every command takes is described once.
  private static let common: Set<String> = ["config", "help", "version"]

  private static func commands(_ program: CommandTable.Command) -> [String] {
    [".Sh COMMANDS", ".Bl -tag -width Ds"]
      + shown(program.subcommands ?? []).flatMap { item($0) } + [".El"]
  }

  private static func shown(_ commands: [CommandTable.Command]) -> [CommandTable.Command] {
    // ArgumentParser's own.
    commands.filter { $0.shouldDisplay != false && $0.commandName != "help" }
  }

  private static func item(_ command: CommandTable.Command) -> [String] {
    let own = (command.arguments ?? []).filter { argument in
      argument.shouldDisplay && !common.contains(argument.longName ?? "")
    }
    var header = ".It Cm \(command.path.mdocArgument)"
    for argument in own where argument.isPositional {
      let name = "Ar \(shownName(argument))"
      header += argument.isOptional ? " Oo \(name) Oc" : " \(name)"
      if argument.isRepeating { header += " ..." }
    }
    let options = own.filter { !$0.isPositional }
    if !options.isEmpty { header += " Op Ar options" }
    var lines = [header] + (command.abstract ?? "").mdocSentences
    lines += paragraphs(command.discussion)
    let described = own.filter { !($0.abstract ?? "").isEmpty }
    if !described.isEmpty {
      lines += [".Bl -tag -width Ds"] + described.flatMap { item($0) } + [".El"]
    }
    return lines + shown(command.subcommands ?? []).flatMap { item($0) }
  }

  private static func item(_ argument: CommandTable.Argument) -> [String] {
    var header = ".It "
    if let name = argument.longName {
      header += "Fl \\-\(name.mdocArgument)"
      if argument.kind == "option" { header += " Ar \(shownName(argument))" }
    } else {
      header += "Ar \(shownName(argument))"
    }
    var lines = [header] + (argument.abstract ?? "").mdocSentences
    if let values = argument.allValues {
      lines += "One of \(values.joined(separator: ", ")).".mdocSentences
    }
    if let value = argument.defaultValue, argument.kind == "option" {
      lines += ["The default is", ".Ql \(value.mdocArgument) ."]
    }
    return lines
  }

  /// A value that has no name of its own has its option's.
  private static func shownName(_ argument: CommandTable.Argument) -> String {
    (argument.valueName ?? "value").uppercased().mdocArgument
  }

  private static func paragraphs(_ text: String?) -> [String] {
    (text ?? "").split(separator: "\n").filter { !$0.isEmpty }.flatMap {
      [".Pp"] + String($0).mdocSentences
    }
  }

  // MARK: macros

  private static let meanings = [
    "j": "our own name, unless the file says it",
    "i": "the queue id, for the log",
    "{daemon_name}": "the listener, compared with [network] internal_daemon",
    "{daemon_port}": "the port, compared with [network] submission_ports",
    "{daemon_addr}": "the address that the client reached, from Postfix",
    "{if_addr}": "the same, from Sendmail",
    "{client_ptr}": "the PTR name, also where it does not lead back",
    "{auth_type}": "how the client authenticated",
    "{auth_authen}": "as whom the client authenticated",
    "{rcpt_mailer}": "error for a recipient that the MTA refuses itself",
  ]

  private static var macros: [String] {
    let stages = MacroStage.allCases.filter { MacroWishes.byStage[$0] != nil }
    let names = Set(stages.flatMap { MacroWishes.byStage[$0] ?? [] }).sorted()
    return macrosHead
      + names.flatMap { name in
        let steps = stages.filter { MacroWishes.byStage[$0]?.contains(name) == true }
          .map(\.command).joined(separator: ", ")
        return [".It Brq \(bare(name)) Pq \(steps)"]
          + "\(meanings[name] ?? "unknown").".capitalized.mdocSentences
      } + [".El"]
  }

  private static func bare(_ name: String) -> String {
    name.filter { $0 != "{" && $0 != "}" }.mdocArgument
  }
}

extension String {
  /// With its first letter large.
  fileprivate var capitalized: String { prefix(1).uppercased() + dropFirst() }
}

extension MacroStage {
  /// The step in the words of SMTP.
  fileprivate var command: String {
    switch self {
    case .connect: "CONNECT"
    case .hello: "HELO"
    case .sender: "MAIL"
    case .recipient: "RCPT"
    case .data: "DATA"
    case .endOfHeaders: "end of headers"
    case .endOfMessage: "end of message"
    }
  }
}
