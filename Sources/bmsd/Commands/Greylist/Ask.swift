// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Glibc
internal import Greylisting

extension GreylistCommand {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List triplets, the last seen first.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "Only those that have not passed yet.") var waiting = false
    @Flag(help: "Only those that passed.") var passed = false
    @Option(
      help: ArgumentHelp(
        "Only of this origin: a network, an address in it, or a domain.", valueName: "ORIGIN"))
    var origin: String?
    @Option(help: ArgumentHelp("At most so many.", valueName: "N")) var limit = 100
    @Option(help: ArgumentHelp("Leave out the first so many.", valueName: "N")) var skip = 0
    @Flag(help: "One JSON object a triplet.") var json = false

    func validate() throws {
      guard limit >= 1, skip >= 0 else {
        throw ValidationError("--limit must be 1 or more, --skip 0 or more")
      }
      guard !(waiting && passed) else {
        throw ValidationError("--waiting and --passed exclude each other")
      }
    }

    func run() throws {
      var report = GreylistReport(json: json)
      var shown = 0
      var total: Int?
      try DaemonAccess(config).ask(
        .list(
          origin: origin, hasPassed: passed ? true : waiting ? false : nil, limit: limit,
          skip: skip)
      ) { row in
        if case .triplet(let triplet) = row {
          report.take(triplet)
          shown += 1
        }
        if case .counted(let count) = row { total = count }
      }
      Terminal.page(report.lines)
      let end = skip + shown
      if !json, let total, total > end {
        Terminal.error("\(skip + 1) to \(end) of \(total); more with --skip \(end)")
      }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the triplets of a sender, and what is known of their origins.",
      discussion: "Exit status 1 when there are none.")

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("The sender; <> for bounces.", valueName: "SENDER"))
    var sender: String
    @Argument(help: ArgumentHelp("The recipient.", valueName: "RCPT")) var recipient: String?
    @Option(help: ArgumentHelp("At most so many.", valueName: "N")) var limit = 100
    @Flag(help: "One JSON object a triplet, then one an origin.") var json = false

    func run() throws {
      var report = GreylistReport(json: json)
      var origins: [String] = []
      let status = try DaemonAccess(config).ask(
        .show(sender: sender, recipient: recipient, limit: limit)
      ) { row in
        switch row {
        case .triplet(let triplet): report.take(triplet)
        case .origin(let name, let passed, let needed, let last):
          let waitsNot = needed > 0 && passed >= needed
          let end = waitsNot ? "its mail waits no more" : "of \(needed) needed"
          origins.append(
            json
              ? Terminal.json([
                ("origin", .string(name)), ("passed", .number(passed)),
                ("last", .string(GreylistReport.time(last))), ("known", .bool(waitsNot)),
              ]) : "Origin \(name): \(passed) triplets waited and passed, \(end)")
        default: break
        }
      }
      Terminal.page(report.lines + origins)
      if status != 0 { throw ExitCode(status) }
    }
  }

  struct Stats: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Count triplets and origins.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "One JSON object.") var json = false

    func run() throws {
      try DaemonAccess(config).ask(.stats) { row in
        guard case .counts(let numbers) = row else { return }
        if json {
          print(Terminal.json(numbers.map { ($0.name, .number($0.count)) }))
        } else {
          for line in Terminal.table(numbers.map { [$0.name, String($0.count), $0.meaning] }) {
            print(line)
          }
        }
      }
    }
  }

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all triplets to standard output, for bmsd greylist import.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "One JSON object a triplet instead of CSV.") var json = false

    func run() throws {
      let access = try DaemonAccess(config)
      // Over the table itself a bar would only be in the way.
      var bar = isatty(STDOUT_FILENO) == 1 ? nil : ProgressLine(total: nil)
      defer { bar?.finish() }
      var count = 0
      var isBegun = json
      var page: [TripletRow] = []
      repeat {
        // Printed when all of it is here: who reads slowly keeps no daemon waiting.
        let place = page.last?.place
        page.removeAll(keepingCapacity: true)
        try access.ask(.export(after: place)) { row in
          if case .triplet(let triplet) = row { page.append(triplet) }
        }
        if !isBegun { print(TripletCSV.header) }
        isBegun = true
        for triplet in page {
          print(json ? GreylistReport.json(triplet) : TripletCSV.line(triplet.record))
        }
        count += page.count
        bar?.show(count)
      } while page.count == GreylistRequest.page
    }
  }
}
