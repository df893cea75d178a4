// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Glibc
internal import Mail
internal import Store

struct QuarantineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quarantine",
    abstract: "Look at originals of mail that was changed or kept away, and give them back.",
    discussion: """
      A message is named by its reference, which stands in what its recipient got instead, in the \
      log and in `bmsd log`. Case and look-alike letters do not matter.
      """,
    subcommands: [
      List.self, Show.self, Save.self, ReleaseCommand.self, Delete.self, Purge.self,
    ])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List what is kept, the newest first.",
      discussion: "Where the file of an original is gone, its size is called missing.")

    @OptionGroup var config: ConfigFile
    @Option(help: ArgumentHelp("At most so many.", valueName: "N")) var limit = 100
    @Option(help: ArgumentHelp("Leave out the first so many.", valueName: "N")) var skip = 0
    @Flag(help: "One JSON object a message.") var json = false

    func validate() throws {
      guard limit >= 1, skip >= 0 else {
        throw ValidationError("--limit must be 1 or more, --skip 0 or more")
      }
    }

    func run() throws {
      var found: [KeptMail] = []
      var missing: Set<String> = []
      var total = 0
      try DaemonAccess(config).ask(.list(limit: limit, skip: skip)) { row in
        switch row {
        case .mail(let mail): found.append(mail)
        case .missing(let reference, _): missing.insert(reference)
        case .counted(let count, _): total = count
        default: break
        }
      }
      guard !json else {
        for mail in found {
          print(QuarantineReport.json(mail, isMissing: missing.contains(mail.reference)))
        }
        return
      }
      guard !found.isEmpty else { return }
      Terminal.page(
        Terminal.table(
          [["REF", "KEPT", "FROM", "TO", "SIZE", "REASON", "SUBJECT"]]
            + found.map {
              QuarantineReport.columns($0, isMissing: missing.contains($0.reference))
            }))
      let end = skip + found.count
      if total > end {
        Terminal.error("\(skip + 1) to \(end) of \(total); more with --skip \(end)")
      }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what is known of a kept message, its removed parts and its releases.",
      discussion: "Exit status 1 when it is not kept.")

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("The message.", valueName: "REF")) var reference: String
    @Flag(help: "One JSON object.") var json = false

    func run() throws {
      var found: KeptMail?
      var missing: String?
      var releases: [Release] = []
      let status = try DaemonAccess(config).ask(.show(reference)) { row in
        switch row {
        case .mail(let mail): found = mail
        case .missing(_, let what): missing = what
        case .release(let release): releases.append(release)
        default: break
        }
      }
      if let found {
        let report = QuarantineReport.self
        Terminal.page(
          json
            ? [report.json(found, isMissing: missing != nil, releases)]
            : report.lines(found, missing: missing, releases))
      }
      if status != 0 { throw ExitCode(status) }
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a kept message.",
      discussion: """
        Where its file is gone, what is known of it is forgotten. Exit status 1 when it is not \
        kept.
        """)

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("The message.", valueName: "REF")) var reference: String

    func run() throws {
      let status = try DaemonAccess(config).ask(.delete(reference)) { _ in }
      if status != 0 { throw ExitCode(status) }
    }
  }

  struct Purge: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete what was kept for longer than a time.")

    @OptionGroup var config: ConfigFile
    @Option(help: ArgumentHelp("As 12h or 30d.", valueName: "TIME")) var olderThan: String

    func run() throws {
      guard let span = try? TimeSpan(parsing: olderThan, ParsingContext()) else {
        throw ValidationError("--older-than \(olderThan): write a time like 12h or 30d")
      }
      var bar: ProgressLine?
      defer { bar?.finish() }
      var deleted = (count: 0, bytes: 0, missing: 0)
      try DaemonAccess(config).ask(.purge(olderThan: Int64(span.milliseconds))) { row in
        switch row {
        case .progress(let done):
          if bar == nil { bar = ProgressLine(total: nil) }
          bar?.show(done)
        case .deleted(let count, let bytes, let missing): deleted = (count, bytes, missing)
        default: break
        }
      }
      bar?.finish()
      let gone = deleted.missing > 0 ? ", of \(deleted.missing) the original was gone already" : ""
      print("\(deleted.count) messages (\(deleted.bytes) bytes) deleted\(gone)")
    }
  }
}

extension DaemonAccess {
  /// Asks about the quarantine; status 1 is returned.
  @discardableResult
  func ask(_ request: QuarantineRequest, _ row: (QuarantineRow) throws -> Void) throws -> Int32 {
    var needsDaemon = false
    if case .release = request { needsDaemon = true }
    return try ask(.quarantine(request), needsDaemon: needsDaemon, rows: QuarantineRow.self, row)
  }
}

/// How kept messages are printed.
enum QuarantineReport {
  static func columns(_ mail: KeptMail, isMissing: Bool) -> [String] {
    let more = mail.recipients.count > 1 ? " and \(mail.recipients.count - 1) more" : ""
    return [
      mail.reference, TimeText.local.text(mail.time), mail.sender.description,
      (mail.recipients.first?.description ?? "-") + more,
      isMissing ? "missing" : String(mail.size),
      mail.reason.description, mail.subject?.description ?? "",
    ]
  }

  static func lines(
    _ mail: KeptMail, missing: String?, _ releases: [Release]
  ) -> [String] {
    var rows = [
      ["reference", mail.reference], ["kept", TimeText.local.text(mail.time)],
      ["by", "\(mail.module): \(mail.reason)"], ["from", mail.sender.description],
    ]
    rows += mail.recipients.map { ["to", $0.description] }
    rows.append(["client", "\(mail.client) (\(mail.clientClass))"])
    if let user = mail.user { rows.append(["user", user.description]) }
    if let id = mail.queueID { rows.append(["queue id", id.description]) }
    if let subject = mail.subject { rows.append(["subject", subject.description]) }
    rows += [
      ["direction", mail.direction], ["size", "\(mail.size) bytes"], ["sha-256", mail.digest],
    ]
    if let missing {
      rows.append(
        [
          "missing",
          "\(missing) is not there: it can only be forgotten, by bmsd quarantine delete "
            + mail.reference,
        ])
    }
    for part in mail.parts {
      rows += [
        ["part \(part.number)", "\(part.name), \(part.type), \(part.size) bytes"],
        ["", "sha-256 \(part.digest)"],
      ]
    }
    rows += releases.map { ["released", QuarantineStory.sentence($0)] }
    return Terminal.table(rows)
  }

  static func json(
    _ mail: KeptMail, isMissing: Bool, _ releases: [Release] = []
  ) -> String {
    Terminal.json([
      ("ref", .string(mail.reference)), ("time", .number(Int(mail.time))),
      ("module", .string(mail.module)), ("reason", .string(mail.reason.description)),
      ("from", .string(mail.sender.description)),
      ("to", .array(mail.recipients.map { .string($0.description) })),
      ("subject", JSONValue(mail.subject?.description)),
      ("queue_id", JSONValue(mail.queueID?.description)),
      ("client", .string(mail.client.description)), ("class", .string(mail.clientClass)),
      ("user", JSONValue(mail.user?.description)), ("direction", .string(mail.direction)),
      ("size", .number(mail.size)), ("sha256", .string(mail.digest)),
      ("missing", .bool(isMissing)),
      (
        "parts",
        .array(
          mail.parts.map { part in
            .object([
              ("number", .string(part.number)), ("name", .string(part.name.description)),
              ("type", .string(part.type.description)), ("size", .number(part.size)),
              ("sha256", .string(part.digest)),
            ])
          })
      ),
      ("releases", .array(releases.map(json))),
    ])
  }

  private static func json(_ release: Release) -> JSONValue {
    .object([
      ("time", .number(Int(release.made))), ("form", .string(release.form)),
      ("to", .array(release.recipients.map { .string($0.description) })),
      ("caller", .string(release.caller)), ("reason", .string(release.reason)),
      ("passed", release.used.map { .number(Int($0)) } ?? .null),
      ("passed_as", JSONValue(release.usedBy)),
    ])
  }
}
