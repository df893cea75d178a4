// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Glibc
internal import Greylisting
internal import Policies
internal import Policy
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
      let (status, count, known) = try DaemonAccess(config).change(
        .pass(sender: sender, recipient: recipient))
      print("\(count) triplet\(count == 1 ? "" : "s") let through, \(known - count) had passed")
      if status != 0 { throw ExitCode(status) }
    }
  }

  struct Drop: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forget triplets, so that they wait again.",
      discussion: "Exit status 1 when there are none.")

    @OptionGroup var config: ConfigFile
    @Option(
      help: ArgumentHelp(
        "Only of this origin (a network, an address in it, or a domain); alone: all of it.",
        valueName: "ORIGIN"))
    var origin: String?
    @Argument(help: ArgumentHelp("The sender.", valueName: "SENDER")) var sender: String?
    @Argument(help: ArgumentHelp("The recipient.", valueName: "RCPT")) var recipient: String?

    func validate() throws {
      guard origin != nil || sender != nil else {
        throw ValidationError("name a SENDER or an --origin")
      }
    }

    func run() throws {
      let (status, count, _) = try DaemonAccess(config).change(
        .drop(origin: origin, sender: sender, recipient: recipient))
      print("\(count) triplet\(count == 1 ? "" : "s") forgotten")
      if status != 0 { throw ExitCode(status) }
    }
  }

  struct Purge: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forget what is over: triplets that may no longer retry, and old ones.")

    @OptionGroup var config: ConfigFile

    func run() throws {
      let (_, count, total) = try DaemonAccess(config).change(.purge)
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
      let access = try DaemonAccess(config)
      try access.requireSoundFile()
      let keys = TripletKeys(access.configuration.settings(GreylistOptions.self))
      let store = access.configuration.settings(StoreOptions.self).path.path
      // What a stranger wrote is not parsed with root's rights.
      let isRootNoMore = try Rights.becomeOwner(ofFolderOf: store)
      let isDatabase = input.startsLikeDatabase
      let copy = isDatabase && isRootNoMore ? try DatabaseCopy(of: input, file, store) : nil
      defer { copy?.remove() }
      let database = isDatabase ? try ancestor(copy?.path ?? file, keys) : nil
      var taking = GreylistTaking(access, total: database?.count)
      defer { taking.bar.finish() }
      if let database {
        while let line = try naming({ () throws(StoreTrouble) in try database.next() }) {
          try taking.take(line)
        }
      } else {
        try read(input, keys, &taking)
      }
      try taking.send()
      taking.bar.finish()
      for fault in taking.faults { Terminal.error("\(file):\(fault)") }
      print(
        "\(taking.taken) triplets taken, \(taking.forgotten) too old, \(taking.faulty) faulty of "
          + "\(taking.read)")
      if taking.faulty > 0 { throw ExitCode(EX_DATAERR) }
    }

    private func read(
      _ input: LineReader, _ keys: TripletKeys, _ taking: inout GreylistTaking
    ) throws {
      var csv = TripletCSV(keys: keys)
      var number = 0
      while let line = try input.next() {
        number += 1
        let taken: ImportedLine?
        do {
          taken = try csv.record(line).map { .record($0) }
        } catch {
          taken = .fault("\(number): \(error.message)")
        }
        if let taken { try taking.take(taken) }
      }
    }

    private func ancestor(_ path: String, _ keys: TripletKeys) throws -> AncestorGreylist {
      guard file != "-" else {
        Terminal.error("bmsd: name the database; it cannot be read from standard input")
        throw ExitCode(EX_USAGE)
      }
      return try naming { () throws(StoreTrouble) in try AncestorGreylist(path: path, keys: keys) }
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
  }
}

/// Triplets on their way into the greylist, a batch at a time: mail is never kept waiting for more
/// than one of them.
private struct GreylistTaking {
  private let access: DaemonAccess
  private var lines: [String] = []
  private var bytes = 0
  var bar: ProgressLine
  private(set) var read = 0
  private(set) var taken = 0
  private(set) var forgotten = 0
  private(set) var faulty = 0
  /// The first ones.
  private(set) var faults: [String] = []

  init(_ access: DaemonAccess, total: Int?) {
    self.access = access
    bar = ProgressLine(total: total)
  }

  mutating func take(_ line: ImportedLine) throws {
    read += 1
    switch line {
    case .record(let record):
      let text = TripletCSV.line(record)
      lines.append(text)
      bytes += text.utf8.count
      if lines.count >= GreylistRequest.batch.lines || bytes >= GreylistRequest.batch.bytes {
        try send()
      }
    case .fault(let text):
      faulty += 1
      if faults.count < GreylistImport.toldFaults { faults.append(text) }
    }
  }

  /// Commits what was taken so far.
  mutating func send() throws {
    guard !lines.isEmpty else { return }
    var sum = (0, 0)
    try access.ask(.take(lines)) { row in
      if case .taken(let taken, let forgotten) = row { sum = (taken, forgotten) }
    }
    taken += sum.0
    forgotten += sum.1
    lines.removeAll(keepingCapacity: true)
    bytes = 0
    bar.show(read)
  }
}
