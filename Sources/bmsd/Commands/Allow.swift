// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Mail

struct Allow: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The allow-list: who is never refused.",
    discussion: """
      An entry holds in the running daemon at once. It ends every module that can refuse, but not \
      those that protect from harm.
      """,
    subcommands: [Add.self, List.self, Remove.self])

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let in an address, a network, a domain or a mailbox.",
      discussion: """
        A sender counts only once SPF or DKIM proves its domain, since anybody can write any; with \
        --unauthenticated, or [allow] require_auth = no, it counts at once.
        """)

    @OptionGroup var config: ConfigFile
    @Argument(
      help: ArgumentHelp(
        "user@example.org, @example.org, 192.0.2.1 or 2001:db8::/32", valueName: "WHOM"))
    var party: String
    @Option(
      help: ArgumentHelp(
        "Only these modules are not asked, by section: helo,greylist", valueName: "MODULES"),
      completion: .list(skippableNames))
    var skip: String?
    @Option(
      help: ArgumentHelp(
        "Until the end of this day, as 2026-12-31, or to a time of it; for ever without it.",
        valueName: "DATE"))
    var until: String?
    @Flag(help: "Let the sender in without a proof.") var unauthenticated = false
    @Option(help: "A word for whoever reads the list.") var note = ""

    func run() throws {
      var end: Int64?
      if let until {
        do throws(ValueError) { end = try TimeText.local.parseEnd(until) } catch {
          throw ValidationError("--until: \(error.message)")
        }
      }
      let modules = skip?.split { $0 == "," || $0 == " " }.map(String.init) ?? []
      if skip != nil, modules.isEmpty {
        throw ValidationError("--skip names no module; leave it out for all")
      }
      let status = try DaemonAccess(config).ask(
        .allowAdd(
          AllowAddition(
            party: party, skip: modules, until: end, isUnauthenticated: unauthenticated,
            note: note)))
      if status != 0 { throw ExitCode(status) }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the allow-list.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "One JSON object an entry.") var json = false

    func run() throws {
      var rows: [[String]] = []
      try DaemonAccess(config).ask(.allowList, rows: AllowRow.self) { entry in
        if json {
          print(Allow.json(entry))
        } else {
          let proof = entry.isUnauthenticated || entry.kind == "ip" ? "no" : "yes"
          rows.append([
            entry.kind == "domain" ? "@\(entry.value)" : entry.value,
            entry.skip.isEmpty ? "all" : entry.skip.joined(separator: ","), proof,
            TimeText.local.text(entry.since), TimeText.local.text(entry.until),
            MailText(entry.note).description,
          ])
        }
      }
      guard !json else { return }
      let head = ["ALLOWED", "SKIPS", "PROOF", "SINCE", "UNTIL", "NOTE"]
      Terminal.page(Terminal.table([head] + rows))
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove an entry.", discussion: "Exit status 1 when there is none.")

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("As `bmsd allow list` shows it.", valueName: "WHOM"))
    var party: String

    func run() throws {
      let status = try DaemonAccess(config).ask(.allowRemove(party))
      if status != 0 { throw ExitCode(status) }
    }
  }

  private static func json(_ entry: AllowRow) -> String {
    Terminal.json([
      ("kind", .string(entry.kind)), ("value", .string(entry.value)),
      ("skip", .array(entry.skip.map { .string($0) })),
      ("unauthenticated", .bool(entry.isUnauthenticated)), ("since", .number(Int(entry.since))),
      ("until", entry.until.map { .number(Int($0)) } ?? .null), ("note", .string(entry.note)),
    ])
  }
}
