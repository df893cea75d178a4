// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Environment
internal import Glibc
internal import Mail
internal import Policy
internal import Store

struct Try: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a message file through the real pipeline, without an MTA and without a trace.",
    discussion: """
      Prints what each module answered, what would change and the verdict. Exit status 1 when the \
      message or a recipient would not simply be let through. With --ref, what the trail knows of \
      a message (client, HELO, user, envelope, Message-ID, Subject) is decided again with the file \
      as it is now, and what differs is said.
      """)

  @OptionGroup var config: ConfigFile
  @Argument(
    help: ArgumentHelp("A message, as a file; - for standard input.", valueName: "MESSAGE"),
    completion: .file())
  var file: String?
  @Option(
    help: ArgumentHelp("Decide an entry of the trail again instead of a file.", valueName: "REF"))
  var ref: String?
  @Option(help: "The client's address.") var clientIP = "192.0.2.1"
  @Option(help: "The client's PTR name; none is [ADDRESS].") var clientName: String?
  @Option(help: "The HELO name; '' for a client that says none.") var helo = "client.example.com"
  @Option(help: "The reverse-path; else the file's Return-Path, else <>.") var from: String?
  @Option(help: "A recipient; may be repeated. Else the file's Delivered-To.") var rcpt: [String] =
    []
  @Option(help: "The user as whom the client authenticated.") var auth: String?
  @OptionGroup var choice: ResolverChoice
  @Flag(help: "Show the message before and after.") var diff = false
  @Flag(help: "One JSON object an answer, then one for the verdict.") var json = false

  func validate() throws {
    guard (file == nil) != (ref == nil) else {
      throw ValidationError("give a message as a file, or --ref REF")
    }
    guard IPAddress(clientIP) != nil else {
      throw ValidationError("--client-ip \(clientIP) is no IP address; write it as 192.0.2.1")
    }
  }

  func run() throws {
    // Opened first: what follows may no longer be allowed to.
    if let ref { return try decideAgain(ref) }
    let bytes = try message()
    let trail = MemoryTrail(capacity: 1)
    let (setup, pipeline) = try config.provedPipeline(
      trail: trail, resolver: try choice.chosen())
    pipeline.refresh(by: Deadline(Self.patience, SystemTime()))
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

  /// Decides an entry of the trail again.
  private func decideAgain(_ name: String) throws {
    // Read first: who opens the trail may no longer be allowed to.
    let trail = MemoryTrail(capacity: 1)
    let (setup, pipeline) = try config.provedPipeline(
      trail: trail, resolver: try choice.chosen())
    pipeline.refresh(by: Deadline(Self.patience, SystemTime()))
    let (reader, _) = try config.openTrail()
    let entry = try Trail.reading { try TrailQuestion(name).entries(in: reader).last }
    guard let entry else {
      Terminal.error("bmsd: nothing is known of \(name); bmsd explain \(name) says why")
      throw ExitCode(EX_NOINPUT)
    }
    let retrial = Retrial(entry)
    let trial = Trial(pipeline, trail: trail, hostName: Self.hostName)
    guard let outcome = trial.run(retrial.message, retrial.envelope) else {
      Terminal.error("bmsd: the entry names no sender: there is nothing to decide again")
      throw ExitCode(EX_DATAERR)
    }
    let report = TrialReport(outcome, retrial.envelope, setup.configuration)
    for line in json ? report.json : report.text { print(line) }
    let modes = Dictionary(
      pipeline.modules.map { ($0.name, $0.mode.rawValue) }, uniquingKeysWith: { first, _ in first })
    let differences = retrial.differences(from: outcome, modes: modes)
    let recalled = retrial.recalled(modes: modes)
    if json {
      print(
        Terminal.json([
          ("differences", .array(differences.map { .string($0) })),
          ("recalled", .array(recalled.map { .string($0) })),
        ]))
    } else {
      print("")
      for line in recalled { print(line) }
      for line in differences.isEmpty ? ["Nothing differs from what was recorded."] : differences {
        print(line)
      }
      print(retrial.caveat)
    }
    if outcome.isRefused || recalled.contains(where: { !$0.contains(" says accept ") }) {
      throw ExitCode(1)
    }
  }

  /// How long DNS may take for what is known before a message comes.
  private static let patience = Duration.seconds(10)

  private func message() throws -> [UInt8] {
    do {
      return try SystemFiles.readMessage(file == "-" ? nil : file)
    } catch {
      Terminal.error("bmsd: \(file ?? "-"): \(error)")
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
      client: IPAddress(clientIP) ?? IPAddress(v4: 0),
      clientName: MailText(clientName ?? "[\(clientIP)]"),
      hello: helo.isEmpty ? nil : MailText(helo), user: auth.map { MailText($0) },
      sender: Self.path(sender),
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

  static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
