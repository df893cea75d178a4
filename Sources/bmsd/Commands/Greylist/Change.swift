// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import Environment
internal import Glibc
internal import Greylisting
internal import Store

extension GreylistCommand {
  struct Pass: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let a sender's mail through from its next attempt on.",
      discussion: """
        For mail that waits. Exit status 1 when none does; mail that was not tried yet is let \
        through by `bmsd allow add`.
        """)

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("The sender.", valueName: "SENDER")) var sender: String
    @Argument(help: ArgumentHelp("The recipient.", valueName: "RCPT")) var recipient: String

    func run() throws {
      let access = try GreylistAccess(config)
      var filter = access.filter(sender: sender, recipient: recipient)
      let known = try access.run { try access.store.countTriplets(filter) }
      filter.hasPassed = false
      let count = try access.run {
        try access.store.passTriplets(filter, at: access.now, within: GreylistAccess.patience)
      }
      print("\(count) triplet\(count == 1 ? "" : "s") let through, \(known - count) had passed")
      if known == 0 {
        Terminal.error(
          "bmsd: no mail from \(sender) to \(recipient) was tried; bmsd allow add \(sender)")
        throw ExitCode(1)
      }
    }
  }

  struct Drop: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forget triplets, so that they wait again.",
      discussion: "Exit status 1 when there are none.")

    @OptionGroup var config: ConfigFile
    @Option(help: ArgumentHelp("Only of this origin; alone: all of it.", valueName: "ORIGIN"))
    var origin: String?
    @Argument(help: ArgumentHelp("The sender.", valueName: "SENDER")) var sender: String?
    @Argument(help: ArgumentHelp("The recipient.", valueName: "RCPT")) var recipient: String?

    func validate() throws {
      guard origin != nil || sender != nil else {
        throw ValidationError("name a SENDER or an --origin")
      }
    }

    func run() throws {
      let access = try GreylistAccess(config)
      let filter = access.filter(origin: origin, sender: sender, recipient: recipient)
      let count = try access.run {
        try access.store.dropTriplets(filter, within: GreylistAccess.patience)
      }
      print("\(count) triplet\(count == 1 ? "" : "s") forgotten")
      if count == 0 { throw ExitCode(1) }
    }
  }

  struct Purge: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forget what is over: triplets that may no longer retry, and old ones.")

    @OptionGroup var config: ConfigFile

    func run() throws {
      let access = try GreylistAccess(config)
      let total = try access.run { try access.store.countTriplets(TripletFilter()) }
      var bar = ProgressLine(total: total)
      let count = try access.run {
        try access.store.purgeGreylist(
          by: access.rule, at: access.now, within: GreylistAccess.patience
        ) { seen, _ in bar.show(seen) }.gone
      }
      bar.finish()
      print("\(count) triplets forgotten, \(total - count) stay")
    }
  }

  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take over triplets: an export, or the ancestor's CSV or SQLite file.",
      discussion: """
        May be repeated. A bad line costs only itself; exit status 65 when there were any.
        """)

    @OptionGroup var config: ConfigFile
    @Argument(
      help: ArgumentHelp("The file; - for standard input.", valueName: "FILE"),
      completion: .file())
    var file = "-"

    func run() throws {
      // Opened first: what follows may no longer be allowed to.
      let input = try LineReader(file)
      var database: AncestorGreylist?
      let access = try GreylistAccess(config) { keys in
        if input.startsLikeDatabase { database = try ancestor(keys) }
      }
      let sum = try access.run {
        if let database {
          return try take(access, total: database.count) { try row(of: database) }
        }
        var csv = TripletCSV(keys: access.keys)
        var number = 0
        return try take(access, total: nil) {
          while let line = try input.next() {
            number += 1
            do throws(TripletCSV.Fault) {
              if let record = try csv.record(line) { return .record(record) }
            } catch {
              return .fault("\(number): \(error.message)")
            }
          }
          return nil
        }
      }
      for fault in sum.faults { Terminal.error("\(file):\(fault)") }
      print(
        "\(sum.taken) triplets taken, \(sum.forgotten) too old, \(sum.faulty) faulty of \(sum.read)"
      )
      if sum.faulty > 0 { throw ExitCode(EX_DATAERR) }
    }

    private func ancestor(_ keys: TripletKeys) throws -> AncestorGreylist {
      guard file != "-" else {
        Terminal.error("bmsd: name the database; it cannot be read from standard input")
        throw ExitCode(EX_USAGE)
      }
      return try naming { () throws(StoreTrouble) in try AncestorGreylist(path: file, keys: keys) }
    }

    private func row(of database: AncestorGreylist) throws -> ImportedLine? {
      try naming { () throws(StoreTrouble) in try database.next() }
    }

    /// Says that it is the imported file that is in trouble, not the greylist.
    private func naming<T>(_ body: () throws(StoreTrouble) -> T) throws -> T {
      do {
        return try body()
      } catch {
        Terminal.error("bmsd: \(file): \(error)")
        throw ExitCode(EX_DATAERR)
      }
    }

    private func take(
      _ access: GreylistAccess, total: Int?, _ next: () throws -> ImportedLine?
    ) throws -> GreylistImport {
      var bar = ProgressLine(total: total)
      defer { bar.finish() }
      return try access.store.importTriplets(
        by: access.rule, at: access.now, within: GreylistAccess.patience,
        progress: { bar.show($0.read) }, next)
    }
  }
}
