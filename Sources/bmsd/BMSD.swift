// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser

/// The one executable: the daemon and everything to look after it.
@main
struct BMSD: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bmsd",
    abstract: "Decides what happens to every message a mail server receives or sends.",
    discussion: """
      bmsd runs behind Postfix or Sendmail as a milter and reads one file, /etc/mail/bms.conf. \
      Exit status: 0 well, 1 a difference was found or mail would be refused, 64 wrong usage, \
      65 bad data, 66 no such file, 69 not available, 78 a fault in the configuration.
      """,
    version: "0.1.0",
    subcommands: [
      Run.self, Check.self, Config.self, PipelineCommand.self, Try.self, Log.self,
      Explain.self, Stats.self,
    ])
}

/// `--config FILE`, which every command takes.
struct ConfigFile: ParsableArguments {
  @Option(
    name: .customLong("config"),
    help: ArgumentHelp("The configuration file.", valueName: "FILE"),
    completion: .file(extensions: ["conf"]))
  var path = "/etc/mail/bms.conf"
}
