// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Environment
internal import Glibc
internal import Greylisting
internal import Mail
internal import Policies
internal import Store

struct GreylistCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "greylist", abstract: "Look at the greylist, and change it.",
    discussion: """
      A triplet is an origin (the authenticated domain, or the client's network), a sender and a \
      recipient; the recipient is * where [greylist] scope = message. Addresses may be given as \
      they stand in a mail or as the list shows them.
      """,
    subcommands: [
      List.self, Show.self, Pass.self, Drop.self, Stats.self, Export.self, Import.self,
      Purge.self,
    ])
}

/// The database and rules that a configuration names.
struct GreylistAccess {
  let store: StateStore
  let rule: TripletRule
  let keys: TripletKeys

  /// How long a step of a command waits for the database.
  static let patience = Duration.seconds(5)

  /// Opens the database of `[store] path`; from then on root is its folder's owner. `prepare` opens
  /// before what only root may.
  ///
  /// - Throws: exit 78 for a faulty file, 66 where there is no database yet, 77 for whom may not use
  ///   it, 69 when it cannot be used.
  init(_ config: ConfigFile, prepare: (TripletKeys) throws -> Void = { _ in }) throws {
    let configuration = config.setup().configuration
    guard !configuration.hasErrors else {
      for fault in configuration.faults { Terminal.error(fault.description) }
      throw ExitCode(EX_CONFIG)
    }
    let settings = configuration.settings(GreylistOptions.self)
    rule = TripletRule(settings)
    keys = TripletKeys(settings)
    let path = configuration.settings(StoreOptions.self).path.path
    guard access(path, F_OK) == 0 else {
      let code = errno
      let hint = code == EACCES ? Rights.hint : "; it is made when the daemon starts"
      Terminal.error("bmsd: \(path): \(String(cString: strerror(code)))\(hint)")
      throw ExitCode(code == EACCES ? EX_NOPERM : EX_NOINPUT)
    }
    try prepare(keys)
    try Rights.becomeOwner(ofFolderOf: path)
    do {
      store = try StateStore(path: path, time: SystemTime(), use: .command)
    } catch {
      Terminal.error("bmsd: \(path): \(error)\(error == .readOnly ? Rights.hint : "")")
      throw ExitCode(error == .readOnly ? EX_NOPERM : EX_UNAVAILABLE)
    }
  }

  /// Milliseconds since 1970.
  var now: Int64 { store.time.milliseconds }

  /// Runs an operation on the database.
  ///
  /// - Throws: exit 69 when the database is in trouble.
  func run<T>(_ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let trouble as StoreTrouble {
      Terminal.error(
        "bmsd: \(store.file.path): \(trouble)\(trouble == .readOnly ? Rights.hint : "")")
      throw ExitCode(trouble == .readOnly ? EX_NOPERM : EX_UNAVAILABLE)
    }
  }

  /// The triplets that a person means: addresses as in a mail, or as keys.
  func filter(
    origin: String? = nil, sender: String? = nil, recipient: String? = nil
  ) -> TripletFilter {
    TripletFilter(
      origin: origin,
      senders: sender.map { text in
        var plain = keys
        plain.folds = false
        return [text == "<>" ? "" : text]
          + Self.mailboxes(text).flatMap { [keys.sender($0), plain.sender($0)] }
      },
      recipients: recipient.map { text in
        var plain = keys
        plain.countsRecipient = true
        return [TripletKeys.anyRecipient, text] + Self.mailboxes(text).map(plain.recipient)
      })
  }

  /// What an argument may mean: an address as in a mail, or as the log and explain show it, with
  /// `\xNN` for what cannot be typed.
  private static func mailboxes(_ text: String) -> [Mailbox] {
    let texts = text.contains("\\") ? [MailText(text), MailText(shown: text)] : [MailText(text)]
    return texts.map { Mailbox(envelope: $0) }
  }
}

/// How triplets are printed.
struct GreylistReport {
  let rule: TripletRule
  let now: Int64

  static let heading = ["LAST SEEN", "ORIGIN", "SENDER", "RECIPIENT", "STATE"]

  func row(_ record: TripletRecord) -> [String] {
    let triplet = record.triplet
    return [
      Self.time(record.last), triplet.origin, triplet.sender.isEmpty ? "<>" : triplet.sender,
      triplet.recipient, state(record),
    ]
  }

  func json(_ record: TripletRecord) -> String {
    Terminal.json([
      ("origin", .string(record.triplet.origin)), ("sender", .string(record.triplet.sender)),
      ("recipient", .string(record.triplet.recipient)),
      ("first", .string(Self.time(record.first))), ("last", .string(Self.time(record.last))),
      ("passed", .number(record.passed)), ("tries", .number(record.tries)),
      ("state", .string(state(record))),
    ])
  }

  /// `waits 4 more minutes`, `may pass`, `came too late`, `passed 3 mails`.
  private func state(_ record: TripletRecord) -> String {
    if record.passed > 0 { return "passed \(record.passed) mail\(record.passed == 1 ? "" : "s")" }
    let left = record.first &+ rule.delay &- now
    if left > 0 { return "waits \((left + 59_999) / 60_000) min more" }
    return record.first &+ rule.expire > now ? "passes when it retries" : "its time is over"
  }

  /// `2026-11-21T02:55:02Z`.
  static func time(_ milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    guard gmtime_r(&seconds, &parts) != nil else { return "-" }
    var text = [CChar](repeating: 0, count: 64)
    let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
