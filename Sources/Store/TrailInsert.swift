// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB
internal import Mail

/// The statements that write entries: what is worth a question in rows, the rest in the entry's own.
struct TrailInsert {
  private static let columns = [
    "reference", "time", "refused", "ending", "node", "client", "client_name", "hello", "user",
    "daemon_name", "daemon_port", "sender", "queue_id", "message_id", "subject", "accepted",
    "refused_recipients", "unknown_recipients", "reply", "size", "dropped_decisions",
    "first_recipient", "proceeded",
  ]
  private static let entrySQL = """
    INSERT INTO entry (\(columns.joined(separator: ", ")))
    VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))
    """
  private static let recipientSQL = "INSERT INTO recipient VALUES (?, ?, ?)"
  private static let decisionSQL =
    "INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
  private static let editSQL = "INSERT INTO edit VALUES (?, ?, ?, ?, ?)"

  private let db: Database
  private var steps: TrailSteps

  /// For entries of one transaction.
  init(_ db: Database) throws {
    self.db = db
    steps = try TrailSteps(db)
  }

  mutating func insert(_ entry: TrailEntry) throws {
    var proceeded = ProceedList()
    var own: [(number: Int, decision: TrailDecision)] = []
    var places = RecipientPlaces(entry)
    for (number, decision) in entry.decisions.enumerated() {
      if decision.isPlainProceed, let recipient = places.place(of: decision.recipient) {
        proceeded.append(
          ProceedList.Item(
            step: try steps.number(of: decision, db), duration: decision.duration,
            recipient: recipient, note: decision.note))
      } else {
        own.append((number, decision))
      }
    }
    try insertEntry(entry, proceeded)
    let id = db.lastInsertedRowID
    try insertRecipients(entry, id)
    try insertDecisions(own, id)
    try insertEdits(entry, id)
  }

  /// All but the first.
  private func insertRecipients(_ entry: TrailEntry, _ id: Int64) throws {
    guard entry.recipients.count > 1 else { return }
    var recipients = RowInsert(try db.cachedStatement(sql: Self.recipientSQL))
    let kept = entry.recipients.prefix(TrailEntry.Limit.recipients)
    for (number, address) in kept.enumerated().dropFirst() {
      recipients.bind(id)
      recipients.bind(number)
      recipients.bind(address)
      try recipients.write()
    }
  }

  private func insertDecisions(
    _ own: [(number: Int, decision: TrailDecision)], _ id: Int64
  ) throws {
    guard !own.isEmpty else { return }
    var decisions = RowInsert(try db.cachedStatement(sql: Self.decisionSQL))
    for (number, decision) in own {
      decisions.bind(id)
      decisions.bind(number)
      for text in [
        decision.stage, decision.module, decision.mode, decision.verdict, decision.effect,
      ] {
        decisions.bind(text)
      }
      for text in [
        decision.reply, decision.code, decision.detail, decision.option, decision.place,
      ] {
        decisions.bind(text)
      }
      decisions.bind(decision.recipient)
      decisions.bind(decision.note)
      decisions.bind(decision.duration)
      try decisions.write()
    }
  }

  private func insertEdits(_ entry: TrailEntry, _ id: Int64) throws {
    guard !entry.edits.isEmpty else { return }
    var edits = RowInsert(try db.cachedStatement(sql: Self.editSQL))
    for (number, edit) in entry.edits.enumerated() {
      edits.bind(id)
      edits.bind(number)
      edits.bind(edit.kind)
      edits.bind(edit.value)
      edits.bind(edit.isMade ? 1 : 0)
      try edits.write()
    }
  }

  /// In the order of `columns`.
  private func insertEntry(_ entry: TrailEntry, _ proceeded: ProceedList) throws {
    var row = RowInsert(try db.cachedStatement(sql: Self.entrySQL))
    row.bind(entry.reference)
    row.bind(entry.time)
    row.bind(entry.isRefused ? 1 : 0)
    row.bind(entry.ending)
    row.bind(entry.node)
    for text in [
      entry.client, entry.clientName, entry.hello, entry.user, entry.daemonName, entry.daemonPort,
      entry.sender, entry.queueID, entry.messageID, entry.subject,
    ] {
      row.bind(text)
    }
    for count in [entry.acceptedRecipients, entry.refusedRecipients, entry.unknownRecipients] {
      row.bind(count)
    }
    row.bind(entry.reply)
    row.bind(entry.size)
    row.bind(entry.droppedDecisions)
    row.bind(entry.recipients.first)
    row.bind(blob: proceeded.bytes)
    try row.write()
  }
}
