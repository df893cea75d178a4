// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import Glibc
internal import Greylisting
internal import Store

extension GreylistCommand {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List triplets, the last seen first.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "Only those that have not passed yet.") var waiting = false
    @Flag(help: "Only those that passed.") var passed = false
    @Option(help: ArgumentHelp("Only of this origin.", valueName: "ORIGIN")) var origin: String?
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
      let access = try GreylistAccess(config)
      let filter = TripletFilter(
        origin: origin, hasPassed: passed ? true : waiting ? false : nil)
      let records = try access.run {
        try access.store.triplets(filter, limit: limit, offset: skip)
      }
      GreylistCommand.show(records, access, json: json)
      guard !json, records.count == limit else { return }
      let count = try access.run { try access.store.countTriplets(filter) }
      let end = skip + records.count
      if count > end {
        Terminal.error("\(skip + 1) to \(end) of \(count); more with --skip \(end)")
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
      let access = try GreylistAccess(config)
      let filter = access.filter(sender: sender, recipient: recipient)
      let records = try access.run { try access.store.triplets(filter, limit: limit) }
      GreylistCommand.show(records, access, json: json)
      for origin in Set(records.map(\.triplet.origin)).sorted() {
        guard let known = try access.run({ try access.store.origin(origin) }) else { continue }
        let waitsNot = access.rule.autoPass > 0 && known.passed >= access.rule.autoPass
        if json {
          print(
            Terminal.json([
              ("origin", .string(origin)), ("passed", .number(known.passed)),
              ("last", .string(GreylistReport.time(known.last))), ("known", .bool(waitsNot)),
            ]))
        } else {
          let end = waitsNot ? "its mail waits no more" : "of \(access.rule.autoPass) needed"
          print("Origin \(origin): \(known.passed) triplets waited and passed, \(end)")
        }
      }
      guard !records.isEmpty else {
        Terminal.error("bmsd: no such triplet")
        throw ExitCode(1)
      }
    }
  }

  struct Stats: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Count triplets and origins.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "One JSON object.") var json = false

    func run() throws {
      let access = try GreylistAccess(config)
      let counts = try access.run {
        try access.store.greylistCounts(autoPass: access.rule.autoPass)
      }
      let bytes = try access.run { try access.store.file.usedBytes() }
      let numbers = [
        ("triplets", counts.triplets, ""), ("waiting", counts.waiting, "have not passed yet"),
        ("passed", counts.passed, "waited and passed"),
        ("learned", counts.learned, "never had to wait"),
        ("mails", counts.mails, "were let through"),
        ("origins", counts.origins, "of which a triplet waited and passed"),
        ("known", counts.knownOrigins, "origins that wait no more"),
        ("bytes", bytes, "used by the whole database"),
      ]
      if json {
        print(Terminal.json(numbers.map { ($0.0, .number($0.1)) }))
      } else {
        for line in Terminal.table(numbers.map { [$0.0, String($0.1), $0.2] }) { print(line) }
      }
    }
  }

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all triplets to standard output, for bmsd greylist import.")

    @OptionGroup var config: ConfigFile
    @Flag(help: "One JSON object a triplet instead of CSV.") var json = false

    func run() throws {
      let access = try GreylistAccess(config)
      let report = GreylistReport(rule: access.rule, now: access.now)
      if !json { print(TripletCSV.header) }
      try access.run {
        try access.store.eachTriplet { print(json ? report.json($0) : TripletCSV.line($0)) }
      }
    }
  }

  static func show(_ records: [TripletRecord], _ access: GreylistAccess, json: Bool) {
    let report = GreylistReport(rule: access.rule, now: access.now)
    if json {
      for record in records { print(report.json(record)) }
    } else if !records.isEmpty {
      for line in Terminal.table([GreylistReport.heading] + records.map(report.row)) {
        print(line)
      }
    }
  }
}
