// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Glibc

/// The one executable: the daemon and everything to look after it.
@main
struct BMSD: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bmsd",
    abstract: "Decides what happens to every message a mail server receives or sends.",
    discussion: """
      bmsd runs behind Postfix or Sendmail as a milter and reads one file, /etc/mail/bms.conf. \
      Exit status: 0 well, 1 a difference was found or mail would be refused, 64 wrong usage, \
      66 no such file, 69 not available, 78 a fault in the configuration.
      """,
    version: BMSDaemon.version,
    subcommands: [
      Run.self, Check.self, Config.self, PipelineCommand.self, Try.self, MimeCommand.self,
      Status.self, Reload.self,
      Log.self, Explain.self, Stats.self, GreylistCommand.self, BanCommand.self, Allow.self,
      QuarantineCommand.self,
      AccessCommand.self, SPFCommand.self, DNSCommand.self,
    ])

  static func main() {
    do {
      try runAsRoot()
      try flushOutput()
    } catch {
      // What was printed before a failure counts too, but not more than the failure.
      exit(withError: error)
    }
  }

  /// Help and the version, which the parser throws, are output like any other.
  private static func runAsRoot() throws {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      guard exitCode(for: error).isSuccess else { throw error }
      let text = fullMessage(for: error)
      if !text.isEmpty { print(text) }
    }
  }

  /// A redirected output that could not be written must not look like a success.
  static func flushOutput() throws {
    errno = 0
    guard StandardOutput.flush() else {
      let why = errno == 0 ? "" : ": \(String(cString: strerror(errno)))"
      Terminal.error("bmsd: the output could not be written\(why)")
      throw ExitCode(EX_IOERR)
    }
  }
}

/// `--config FILE`, which every command takes.
struct ConfigFile: ParsableArguments {
  @Option(
    name: .customLong("config"),
    help: ArgumentHelp("The configuration file.", valueName: "FILE"),
    completion: .file(extensions: ["conf"]))
  var path = usualPath

  static let usualPath = "/etc/mail/bms.conf"
}
