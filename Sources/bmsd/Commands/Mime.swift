// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import Attachments
internal import BMSDaemon
internal import Configuration
internal import Environment
internal import Glibc
internal import MIME
internal import Policies
internal import Policy

struct MimeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mime",
    abstract: "Print the parts of a message as every mail program could see them.",
    discussion: """
      Part 2b is another reading of part 2: the line says why some mail program has it. Names are \
      shown with where each comes from, and with what [defang] thinks of them: that of --config \
      FILE, else of /etc/mail/bms.conf, or its defaults, and a line on standard error that says so, \
      where that file cannot be read. Exit status 1 when a part is dangerous.
      """)

  @Option(
    help: ArgumentHelp("The configuration file whose [defang] judges.", valueName: "FILE"),
    completion: .file(extensions: ["conf"]))
  var config: String?
  @Argument(
    help: ArgumentHelp("A message, as a file; - for standard input.", valueName: "MESSAGE"),
    completion: .file())
  var file: String
  @Flag(help: "One JSON object a part.") var json = false

  func run() throws {
    let message = try message()
    let rules = try rules()
    let report = MIMEReport(MIMETree(message, limits: rules.limits), rules)
    for line in json ? report.json : report.text { print(line) }
    if !report.inspection.isClean { throw ExitCode(1) }
  }

  /// - Throws: exit 78 after the faults of the file are printed.
  private func rules() throws -> AttachmentRules {
    let path = config ?? ConfigFile.usualPath
    let configuration = Configuration.load(path: path, sections: sections, coming: comingSections)
    let unreadable = configuration.faults.first { $0.line == nil && $0.severity == .error }
    if config == nil, let unreadable {
      Terminal.error("bmsd: \(unreadable.description); judged by the defaults of [defang]")
      return AttachmentRules()
    }
    guard !configuration.hasErrors else {
      for fault in configuration.faults { Terminal.error(fault.description) }
      throw ExitCode(EX_CONFIG)
    }
    do {
      return try AttachmentRules(configuration.settings(DefangOptions.self))
    } catch {
      Terminal.error(configuration.fault(error.message, option: error.option).description)
      throw ExitCode(EX_CONFIG)
    }
  }

  private func message() throws -> [UInt8] {
    do {
      return try SystemFiles.readMessage(file == "-" ? nil : file)
    } catch {
      Terminal.error("bmsd: \(file): \(error)")
      throw ExitCode(EX_NOINPUT)
    }
  }
}
