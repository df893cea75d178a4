// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import Attachments
internal import Environment
internal import Glibc
internal import MIME

struct MimeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mime",
    abstract: "Print the parts of a message as every mail program could see them.",
    discussion: """
      Part 2b is another reading of part 2: the line says why some mail program has it. Names are \
      shown with where each comes from, and with what the built-in list of extensions thinks of \
      them; no configuration is read. Exit status 1 when a part is dangerous.
      """)

  @Argument(
    help: ArgumentHelp("A message, as a file; - for standard input.", valueName: "MESSAGE"),
    completion: .file())
  var file: String
  @Flag(help: "One JSON object a part.") var json = false

  func run() throws {
    let report = MIMEReport(MIMETree(try message()))
    for line in json ? report.json : report.text { print(line) }
    if !report.inspection.isClean { throw ExitCode(1) }
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
