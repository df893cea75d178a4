// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import ArgumentParser
internal import BMSDaemon
internal import Environment
internal import Glibc
internal import Mail
internal import Policy

struct Try: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a message file through the real pipeline, without an MTA and without a trace.",
    discussion: """
      Prints what each module answered, what would change and the verdict. Exit status 1 when the \
      message or a recipient would not simply be let through.
      """)

  @OptionGroup var config: ConfigFile
  @Argument(
    help: ArgumentHelp("A message, as a file; - for standard input.", valueName: "MESSAGE"),
    completion: .file())
  var file: String
  @Option(help: "The client's address.") var clientIP = "192.0.2.1"
  @Option(help: "The client's PTR name; none is [ADDRESS].") var clientName: String?
  @Option(help: "The HELO name; '' for a client that says none.") var helo = "client.example.com"
  @Option(help: "The reverse-path; else the file's Return-Path, else <>.") var from: String?
  @Option(help: "A recipient; may be repeated. Else the file's Delivered-To.") var rcpt: [String] =
    []
  @Option(help: "The user as whom the client authenticated.") var auth: String?
  @Flag(help: "Show the message before and after.") var diff = false
  @Flag(help: "One JSON object an answer, then one for the verdict.") var json = false

  func validate() throws {
    guard IPAddress(clientIP) != nil else {
      throw ValidationError("--client-ip \(clientIP) is no IP address; write it as 192.0.2.1")
    }
  }

  func run() throws {
    // Opened first: what follows may no longer be allowed to.
    let bytes = try message()
    let trail = MemoryTrail(capacity: 1)
    let (setup, pipeline) = try config.provedPipeline(trail: trail)
    let message = EditedMessage(parsing: bytes)
    let envelope = envelope(of: message)
    let trial = Trial(pipeline, trail: trail, hostName: Self.hostName)
    guard let outcome = trial.run(message, envelope) else {
      Terminal.error("bmsd: the pipeline left no record of this message; please report it")
      throw ExitCode(EX_SOFTWARE)
    }
    let report = TrialReport(outcome, envelope, setup.configuration)
    for line in json ? report.json : report.text { print(line) }
    if diff {
      for line in report.diff { print(json ? Terminal.json([("diff", .string(line))]) : line) }
    }
    if outcome.isRefused { throw ExitCode(1) }
  }

  private func message() throws -> [UInt8] {
    do {
      return try SystemFiles.readMessage(file == "-" ? nil : file)
    } catch {
      Terminal.error("bmsd: \(file): \(error)")
      throw ExitCode(EX_NOINPUT)
    }
  }

  private func envelope(of message: EditedMessage) -> Trial.Envelope {
    let sender = from ?? header("Return-Path", message) ?? "<>"
    var recipients = rcpt
    if recipients.isEmpty {
      recipients = [header("Delivered-To", message) ?? "recipient@example.com"]
    }
    return Trial.Envelope(
      client: IPAddress(clientIP) ?? IPAddress(v4: 0), clientName: clientName ?? "[\(clientIP)]",
      hello: helo.isEmpty ? nil : helo, user: auth, sender: Self.path(sender),
      recipients: recipients.map(Self.path))
  }

  private func header(_ name: String, _ message: EditedMessage) -> String? {
    message.headers.first { $0.isNamed(name) }.map {
      String(decoding: $0.value.bytes, as: UTF8.self)
    }
  }

  private static func path(_ text: String) -> MailText {
    MailText(text.hasPrefix("<") ? text : "<\(text)>")
  }

  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
