// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Mail
internal import Configuration

struct BanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ban", abstract: "List, make and end bans of clients and senders.",
    discussion: """
      A ban holds in the running daemon at once. Bans of [banned_ips] file are not listed here: \
      they are in those files.
      """,
    subcommands: [List.self, Add.self, Remove.self, Export.self])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print all bans.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "One JSON object a ban.") var json = false

    func run() throws {
      var rows: [[String]] = []
      try DaemonAccess(config).ask(.banList, rows: BanRow.self) { ban in
        if json {
          print(BanCommand.json(ban))
        } else {
          rows.append([
            ban.kind == "domain" ? "@\(ban.value)" : ban.value, TimeText.local.text(ban.since),
            TimeText.local.text(ban.until), ban.reference.isEmpty ? "-" : ban.reference,
            MailText(ban.reason).description,
          ])
        }
      }
      guard !json else { return }
      Terminal.page(Terminal.table([["BANNED", "SINCE", "UNTIL", "REF", "REASON"]] + rows))
    }
  }

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Ban an address, a network, a domain or a mailbox.")

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("192.0.2.1, 2001:db8::/32, @example.org", valueName: "WHOM"))
    var party: String
    @Option(
      name: .customLong("for"),
      help: ArgumentHelp("How long, as 6h or 7d; for ever without it.", valueName: "TIME"))
    var duration: String?
    @Option(help: "Why, for whoever reads the list.") var reason = "by hand"

    func run() throws {
      var milliseconds: Int?
      if let duration {
        guard let span = try? TimeSpan(parsing: duration, ParsingContext()), span.seconds > 0 else {
          throw ValidationError("--for \(duration): write a time like 30m, 6h or 7d")
        }
        milliseconds = span.milliseconds
      }
      let status = try DaemonAccess(config).ask(
        .banAdd(BanAddition(party: party, duration: milliseconds, reason: reason)))
      if status != 0 { throw ExitCode(status) }
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End a ban.", discussion: "Exit status 1 when there is no such ban.")

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("As `bmsd ban list` shows it.", valueName: "WHOM"))
    var party: String

    func run() throws {
      let status = try DaemonAccess(config).ask(.banRemove(party))
      if status != 0 { throw ExitCode(status) }
    }
  }

  struct Export: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case list, zone }

    static let configuration = CommandConfiguration(
      abstract: "Print the banned addresses for other programs.",
      discussion: """
        list: an address or network a line, as [banned_ips] file reads them. zone: lines of a BIND \
        zone without SOA, IPv4 only; a /24 with more than 128 banned addresses is one wildcard. Our \
        own clients, trusted relays, [banned_ips] never and the allow-list are left out.
        """)

    @OptionGroup var config: ConfigFile
    @Option(help: "What to print.") var format = Format.list

    func run() throws {
      var bans: [BanRow] = []
      try DaemonAccess(config).ask(.banExport, rows: BanRow.self) { bans.append($0) }
      switch format {
      case .list:
        for ban in bans where ban.kind == "ip" { print(ban.value) }
      case .zone:
        let (lines, omitted) = BanZone.lines(bans)
        for line in lines { print(line) }
        if omitted > 0 {
          Terminal.error("bmsd: \(omitted) bans are no IPv4 address and cannot stand in a zone")
        }
      }
    }
  }

  private static func json(_ ban: BanRow) -> String {
    Terminal.json([
      ("kind", .string(ban.kind)), ("value", .string(ban.value)),
      ("since", .number(Int(ban.since))), ("until", ban.until.map { .number(Int($0)) } ?? .null),
      ("reason", .string(ban.reason)), ("ref", .string(ban.reference)),
    ])
  }
}
